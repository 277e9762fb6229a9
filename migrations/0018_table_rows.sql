-- Rows of the tables that workers of services share: the values by column, as JSON. Read when a master starts.
CREATE TABLE table_rows (
    name TEXT NOT NULL,
    key TEXT NOT NULL,
    columns TEXT NOT NULL,
    PRIMARY KEY (name, key)
) STRICT, WITHOUT ROWID;

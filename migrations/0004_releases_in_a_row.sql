-- How often in a row a job was given back, with nothing else in between.
ALTER TABLE tries ADD COLUMN releases_in_a_row INTEGER NOT NULL DEFAULT 0;

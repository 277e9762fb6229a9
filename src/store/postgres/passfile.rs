//! The password file of PostgreSQL's own programs: `PGPASSFILE`, or `.pgpass` in the home folder.
//!
//! Invariant: a file that others can read is not used, as there.

use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use ::postgres::Config;
use ::postgres::config::Host;

/// Where a server listens that names no port.
const PORT: u16 = 5432;

/// The password for the first server of these, if the file has one.
pub(super) fn password(config: &Config) -> Option<String> {
    let path = std::env::var_os("PGPASSFILE").map(PathBuf::from);
    let path = path.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".pgpass")))?;
    let mode = path.metadata().ok().filter(std::fs::Metadata::is_file)?.permissions().mode();
    if mode & 0o077 != 0 {
        log::warn!("`{}` is not used: others may read it; `chmod 600` it", path.display());
        return None;
    }
    let hosts = match config.get_hosts().first() {
        Some(Host::Tcp(name)) => vec![name.clone()],
        Some(Host::Unix(folder)) => vec![folder.display().to_string(), "localhost".to_owned()],
        None => vec!["localhost".to_owned()],
    };
    let user = config.get_user().unwrap_or_default();
    let wanted = Wanted {
        hosts: &hosts,
        port: &config.get_ports().first().unwrap_or(&PORT).to_string(),
        database: config.get_dbname().unwrap_or(user),
        user,
    };
    find(&std::fs::read_to_string(path).ok()?, &wanted)
}

struct Wanted<'a> {
    hosts: &'a [String],
    port: &'a str,
    database: &'a str,
    user: &'a str,
}

/// The password of the first line that fits: `host:port:database:user:password`, each `*` for any, `\` before a `:` of its own.
fn find(text: &str, wanted: &Wanted<'_>) -> Option<String> {
    let fits = |field: &str, value: &str| field == "*" || field == value;
    text.lines().filter(|line| !line.starts_with('#')).find_map(|line| {
        let fields = fields(line);
        let [host, port, database, user, password] = &fields[..] else { return None };
        let is_it = wanted.hosts.iter().any(|wanted| fits(host, wanted))
            && fits(port, wanted.port)
            && fits(database, wanted.database)
            && fits(user, wanted.user);
        is_it.then(|| password.clone())
    })
}

fn fields(line: &str) -> Vec<String> {
    let (mut fields, mut chars) = (vec![String::new()], line.chars());
    while let Some(next) = chars.next() {
        match next {
            ':' if fields.len() < 5 => fields.push(String::new()),
            '\\' => fields.last_mut().into_iter().for_each(|field| field.extend(chars.next())),
            other => fields.last_mut().into_iter().for_each(|field| field.push(other)),
        }
    }
    fields
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_that_fits_has_the_password() {
        let text = "# ours\nother:5432:*:jobs:no\nnot a line\ndb:5432:app:jobs:a\\:b\\\\c\ndb:*:*:*:any:rest\n";
        let of = |host: &str, database: &str, user: &str| {
            find(text, &Wanted { hosts: &[host.to_owned()], port: "5432", database, user })
        };
        assert_eq!(of("db", "app", "jobs").as_deref(), Some("a:b\\c"));
        assert_eq!(of("db", "else", "jobs").as_deref(), Some("any:rest"));
        assert_eq!(of("other", "app", "jobs").as_deref(), Some("no"));
        assert_eq!(of("third", "app", "jobs"), None);
    }
}

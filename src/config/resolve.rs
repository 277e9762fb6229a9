//! Follows the links on the way to the database, once: whatever lies beside it is named after what is found here.
//!
//! SQLite follows links too and names its log after the target; a lock, a socket or a log named after the link would
//! belong to another store. Knows nothing of databases.

use std::io::ErrorKind;
use std::path::{Component, Path, PathBuf};

/// The path without links. Parts that do not exist yet are joined to the part that does; a path that may not be
/// followed stays as it is: opening it gives the reason. Fails for a dangling link.
pub(super) fn resolve(path: &Path) -> Result<PathBuf, String> {
    if let Ok(found) = path.canonicalize() {
        return Ok(found);
    }
    let mut existing = path;
    loop {
        match existing.symlink_metadata() {
            Ok(found) if found.is_symlink() => return dangling(path, existing),
            Err(e) if e.kind() == ErrorKind::NotFound => {}
            // Something that cannot be looked into, or is no folder.
            Ok(_) | Err(_) => return Ok(path.to_owned()),
        }
        let Some(parent) = existing.parent().filter(|p| !p.as_os_str().is_empty()) else { return Ok(path.to_owned()) };
        existing = parent;
        let Ok(found) = existing.canonicalize() else { continue };
        let rest = path.strip_prefix(existing).unwrap_or(path);
        // `missing/..` is decided by the system, once `missing` is there.
        let plain = rest.components().all(|part| matches!(part, Component::Normal(_)));
        return Ok(if plain { found.join(rest) } else { path.to_owned() });
    }
}

/// Only one whose target is missing: one that may not be followed is refused by the system in its own words.
fn dangling(path: &Path, link: &Path) -> Result<PathBuf, String> {
    match (link.metadata(), link.read_link()) {
        (Err(e), Ok(target)) if e.kind() == ErrorKind::NotFound => {
            let (link, target) = (link.display(), target.display());
            Err(format!(
                "`{link}` is a link to `{target}`, which does not exist; remove the link, or make what it points to"
            ))
        }
        _ => Ok(path.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn links_to_the_file_and_on_the_way_to_it_are_followed_also_where_the_file_is_missing() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        let real = dir.path().canonicalize().unwrap().join("real");
        fs::create_dir(at("real")).unwrap();
        symlink("real", at("folder")).unwrap();
        assert_eq!(resolve(&at("folder/q.db")).unwrap(), real.join("q.db"));
        assert_eq!(resolve(&at("folder/a/b/q.db")).unwrap(), real.join("a/b/q.db"));
        assert_eq!(resolve(&at("real/../folder/q.db")).unwrap(), real.join("q.db"));
        assert_eq!(resolve(&at("folder/a/../q.db")).unwrap(), at("folder/a/../q.db"));
        fs::write(at("real/q.db"), "").unwrap();
        symlink("folder/q.db", at("link")).unwrap();
        assert_eq!(resolve(&at("link")).unwrap(), real.join("q.db"));
    }

    #[test]
    fn a_link_to_nothing_is_refused_with_what_it_points_to() {
        let dir = tempfile::tempdir().unwrap();
        symlink("gone/q.db", dir.path().join("q.db")).unwrap();
        let refused = resolve(&dir.path().join("q.db")).unwrap_err();
        assert!(refused.contains("q.db` is a link to `gone/q.db`, which does not exist"), "{refused}");
        symlink("nowhere", dir.path().join("folder")).unwrap();
        let refused = resolve(&dir.path().join("folder/q.db")).unwrap_err();
        assert!(refused.contains("folder` is a link to `nowhere`"), "{refused}");
        symlink("itself", dir.path().join("itself")).unwrap();
        assert_eq!(resolve(&dir.path().join("itself")).unwrap(), dir.path().join("itself"));
    }
}

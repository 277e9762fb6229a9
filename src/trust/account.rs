//! Users of the system by what was written: `www-data`, `www-data:www-data`, `33:33`.
//!
//! Looks users and groups up, which may take long where they are kept on a server: nothing here is for the loop of a master.

use std::path::PathBuf;

use nix::unistd::{Uid, User};

use super::group;

/// A user that workers run as.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// Of the user; the number where the system knows no name.
    pub name: String,
    pub uid: u32,
    pub gid: u32,
    pub home: PathBuf,
}

/// Whether we may start processes as others.
#[must_use]
pub(crate) fn may_choose() -> bool {
    Uid::effective().is_root()
}

/// Finds the user, with its own group or the one behind the colon; why there is none.
pub(crate) fn find(written: &str) -> Result<Account, String> {
    let (user, group) = written.split_once(':').map_or((written, None), |(user, group)| (user, Some(group)));
    let cannot = |errno: nix::Error| format!("`{written}` cannot be looked up: {}", errno.desc());
    let found = match user.parse() {
        Ok(uid) => User::from_uid(Uid::from_raw(uid)).map_err(cannot)?,
        Err(_) => User::from_name(user).map_err(cannot)?,
    };
    let gid =
        group.map(|group| group::find(group).map_err(cannot)?.ok_or_else(|| format!("there is no group `{group}`")));
    match (found, user.parse(), gid.transpose()?) {
        (Some(found), _, gid) => {
            let gid = gid.unwrap_or(found.gid.as_raw());
            Ok(Account { name: found.name, uid: found.uid.as_raw(), gid, home: found.dir })
        }
        (None, Ok(uid), Some(gid)) => Ok(Account { name: user.to_owned(), uid, gid, home: PathBuf::from("/") }),
        (None, Ok(_), None) => Err(format!("no user has the number {user}; write its group, too: \"{user}:{user}\"")),
        (None, Err(_), _) => Err(format!("there is no user `{user}`; see `getent passwd`")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_is_found_by_name_or_number_with_its_own_group_or_another() {
        let found = |written: &str| find(written).map(|found| (found.name, found.uid, found.gid));
        let root = |gid| Ok((String::from("root"), 0, gid));
        assert_eq!(found("root"), root(0));
        assert_eq!(found("0"), root(0));
        assert_eq!(found("root:7"), root(7));
        assert_eq!(found("54321:54322"), Ok((String::from("54321"), 54321, 54322)));
        for (written, why) in [
            ("no-such-user", "there is no user `no-such-user`; see `getent passwd`"),
            ("root:no-such-group", "there is no group `no-such-group`"),
            ("54321", "no user has the number 54321; write its group, too: \"54321:54321\""),
        ] {
            assert_eq!(found(written), Err(why.to_owned()));
        }
    }
}

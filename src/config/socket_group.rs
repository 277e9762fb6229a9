//! The group that may use the socket, looked up in the system.
//!
//! Only where a master starts and by `config check`: a client may read the same file where the group is not known, and
//! must not pay for the look.

use super::load::Loaded;
use super::problem::Problem;
use crate::trust::group;

const KEY: &str = "socket_group";

impl Loaded {
    /// Refuses a group that the system does not know; warns of a folder that keeps its members from the socket.
    pub fn check_socket_group(&self) -> Result<Option<Problem>, Problem> {
        let Some(written) = &self.config.socket_group else { return Ok(None) };
        let gid = group::find(written)
            .map_err(|error| self.at_socket_group(&format!("the group cannot be looked up: {error}")))?;
        let gid = gid.ok_or_else(|| {
            let next = "make it with `groupadd`, or choose one of those that `getent group` lists";
            self.at_socket_group(&format!("there is no group `{written}`; {next}"))
        })?;
        Ok(group::closed_folder(&self.config.socket, gid).map(|closed| self.at_socket_group(&closed)))
    }

    /// A problem where the group was said.
    fn at_socket_group(&self, message: &str) -> Problem {
        match self.origins.get(KEY).split_once(' ') {
            Some(("file", place)) => Problem::with_key("", format!("{place}: {message}")),
            Some((_, name)) => Problem::with_key(name, message),
            None => Problem::with_key(KEY, message),
        }
    }
}

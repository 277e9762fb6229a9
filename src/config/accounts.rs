//! The users that workers run as, looked up in the system.
//!
//! Only where a master starts or reads its file again, and by `config check`: a client may read the same file as another
//! user, and must not pay for the look.

use super::load::Loaded;
use super::problem::Problem;
use crate::trust::account;

impl Loaded {
    /// Finds the user of every pool that names one. Only root may start processes as another.
    pub fn find_accounts(&mut self) -> Result<(), Problem> {
        for pool in &mut self.config.pools {
            let Some(written) = &pool.run_as.user else { continue };
            let key = format!("pools.{}.user", pool.settings.name);
            let found = if account::may_choose() {
                account::find(written)
            } else {
                let next = "start the master as root, or leave out `user`";
                Err(format!("only a master of root can start workers as `{written}`; {next}"))
            };
            let place = self.origins.get(&key).strip_prefix("file ").unwrap_or_default();
            let place = if place.is_empty() { String::new() } else { format!("{place}: ") };
            pool.run_as.account = Some(found.map_err(|why| Problem::with_key("", format!("{place}`{key}`: {why}")))?);
        }
        Ok(())
    }
}

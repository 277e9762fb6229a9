//! The options of verbs that can be about the masters of other hosts.

use clap::Args;

/// One host of a store that several share.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct OneHost {
    /// Ask the master of this host, of those that share the store
    ///
    /// By its name in `queue-work status`, or its generation where two masters have the same name. Needs a store in PostgreSQL,
    /// and no master here.
    #[arg(long, value_name = "HOST")]
    pub(crate) host: Option<String>,
}

/// One host, or each.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct Hosts {
    #[command(flatten)]
    pub(crate) one: OneHost,
    /// Ask the master of each host in turn, the next when the one before has done it
    #[arg(long, conflicts_with = "host")]
    pub(crate) all_hosts: bool,
}

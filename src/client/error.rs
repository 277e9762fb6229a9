//! Why a talk with the master failed.

use std::path::PathBuf;

use crate::wire::rpc::RpcError;

/// Why a talk with the master failed.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// No socket, or nobody behind it.
    #[error("no master listens on `{}`; see `queue-work status`", path.display())]
    NoMaster { path: PathBuf },
    /// The system cannot take such a path for a socket.
    #[error(
        "the socket path `{}` has {bytes} bytes, the system takes {limit}; give a shorter one with `--socket`",
        path.display()
    )]
    PathTooLong { path: PathBuf, bytes: usize, limit: usize },
    /// Another user listens there.
    #[error(
        "the socket `{}` is none of yours: user {user} listens there, and nothing was said to them; remove it, or choose \
         another with `--socket`",
        path.display()
    )]
    Stranger { path: PathBuf, user: String },
    /// The socket is closed to us.
    #[error("cannot connect to the control socket `{}`: permission denied: {why}", path.display())]
    Denied {
        path: PathBuf,
        /// Whose it is, and what to do.
        why: String,
    },
    /// The system refused something.
    #[error("cannot {doing} the control socket `{}`", path.display())]
    Io {
        /// `connect to`, `read from` …
        doing: &'static str,
        path: PathBuf,
        /// Error of the system.
        #[source]
        source: std::io::Error,
    },
    /// The connection was closed before the master had read the whole request: it has certainly done nothing.
    #[error("the master ended, or closed the connection, before it heard this; see `queue-work status`")]
    Unheard,
    /// The master closed the connection before it answered.
    #[error("the master closed the connection; it may have ended: see `queue-work status`")]
    Closed,
    /// No answer in time.
    #[error("the master behind `{}` does not answer", path.display())]
    Silent {
        path: PathBuf,
        /// The process that listens there; 0 where it is not known.
        pid: u32,
    },
    /// The answer makes no sense.
    #[error("the master's answer cannot be read ({0}); is it another version?")]
    Garbled(String),
    /// The master does not say which store it serves, as 0.1.0 does not; it may have done the request.
    #[error("{}", older(*pid))]
    Older {
        /// Its process; 0 where it is not known.
        pid: u32,
    },
    /// The master said no.
    #[error("{}", .0.message)]
    Refused(RpcError),
}

fn older(pid: u32) -> String {
    let (who, end) = match pid {
        0 => (String::new(), "end it".to_owned()),
        pid => (format!(" (pid {pid})"), format!("end it with `kill {pid}`")),
    };
    format!(
        "the master{who} is of an older version, which does not say which store it serves, and it is unknown whether this \
         was carried out; {end}, start it again with this version, then look with `queue-work jobs list`"
    )
}

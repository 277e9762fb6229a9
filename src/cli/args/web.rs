//! The options of `web`.

use clap::builder::FalseyValueParser;
use clap::{Args, Subcommand, ValueEnum};

use crate::config::{check_base_path, check_host, listen_of_web};
use crate::model::listen::Place;

/// Show everything in the browser.
///
/// Until Ctrl-C, beside the master or without one. A browser needs a token: open the address that is printed at the start, or
/// that of `web link`. With `listen` in `[web]` of the configuration a master shows it itself.
#[derive(Clone, Debug, Args)]
#[command(
    subcommand_precedence_over_arg = true,
    after_long_help = "\
Examples:
  queue-work web                            at 127.0.0.1:8787
  queue-work web --listen 0.0.0.0:80 --host queue.example.org
  queue-work web --listen unix:/run/queue-work/web.sock --base-path /jobs
  queue-work web link                       the address to open, with the token in it"
)]
pub(crate) struct WebArgs {
    #[command(subcommand)]
    pub(crate) verb: Option<WebVerb>,
    /// Where it listens, `HOST:PORT` or `unix:PATH` [default: `listen` of `[web]`, else 127.0.0.1:8787]
    #[arg(long, value_name = "ADDRESS", env = "QUEUE_WORK_WEB_LISTEN", value_parser = listen_of_web)]
    pub(crate) listen: Option<Place>,
    /// Name under which browsers ask for it, several by repeating, beside `localhost` and the address itself
    #[arg(long, value_name = "HOST", env = "QUEUE_WORK_WEB_HOST", value_delimiter = ',', value_parser = host)]
    pub(crate) host: Vec<String>,
    /// Path below which a proxy has it, such as `/jobs`
    #[arg(long, value_name = "BASE", env = "QUEUE_WORK_WEB_BASE_PATH", value_parser = base_path)]
    pub(crate) base_path: Option<String>,
    /// Nobody can change anything by it
    #[arg(long, env = "QUEUE_WORK_WEB_READ_ONLY", value_parser = FalseyValueParser::new())]
    pub(crate) read_only: bool,
}

/// The verb below `web`.
#[derive(Clone, Debug, Subcommand)]
pub(crate) enum WebVerb {
    /// Print the address to open, with a token in it
    ///
    /// The address lets its holder do what the role allows. The tokens are beside the database, in `<database>.web-token`; delete the file and
    /// start `web` again for new ones.
    #[command(after_long_help = "\
Examples:
  queue-work web link                       for yourself: whatever the command line can do
  queue-work web link --role operator       not push and delete jobs
  queue-work web link --role viewer         only look")]
    Link {
        /// The role of whoever opens it
        #[arg(long, value_name = "ROLE", default_value = "admin")]
        role: RoleName,
    },
}

/// The role of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum RoleName {
    /// Looks
    Viewer,
    /// Also retries, cancels, pauses, scales, restarts, and switches processors
    Operator,
    /// Also pushes and deletes jobs, and calls services
    Admin,
}

fn host(text: &str) -> Result<String, String> {
    check_host(text).map(|()| text.to_owned())
}

fn base_path(text: &str) -> Result<String, String> {
    check_base_path(text).map(|()| text.trim_end_matches('/').to_owned())
}

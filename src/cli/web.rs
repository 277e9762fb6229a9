//! `web`: the page in the browser, and the address to open.

use super::args::web::WebArgs;
use super::context::Context;
use crate::error::{Code, Error};

#[cfg(not(feature = "web"))]
pub(crate) fn run(_: &Context, _: &WebArgs) -> Result<Code, Error> {
    Err(Error::Failed("this queue-work was built without its page; build it with `--features web`".to_owned()))
}

#[cfg(feature = "web")]
pub(crate) fn run(context: &Context, args: &WebArgs) -> Result<Code, Error> {
    use super::args::web::{RoleName, WebVerb};
    use super::{backend, output};
    use crate::process::image;
    use crate::web::{self, Role};

    if args.verb.is_none() {
        image::with_one_arena();
    }
    let mut settings = backend::load_config(&context.flags)?.config.web;
    settings.listen = args.listen.clone().or(settings.listen);
    settings.hosts.extend(args.host.iter().cloned());
    settings.base_path = args.base_path.clone().unwrap_or(settings.base_path);
    settings.read_only |= args.read_only;
    match &args.verb {
        Some(WebVerb::Link { role }) => {
            let role = match role {
                RoleName::Viewer => Role::Viewer,
                RoleName::Operator => Role::Operator,
                RoleName::Admin => Role::Admin,
            };
            output::line(&web::link(context.paths()?, &settings, role)?)?;
        }
        None => web::run(context, settings)?,
    }
    Ok(Code::DONE)
}

//! `services`: what the gateway and the master say of services.

use serde::de::DeserializeOwned;

use super::args::services::{ServicesArgs, Types};
use super::context::Context;
use super::output;
use super::{call, output::width};
use crate::client::calls::{Calls, Request};
use crate::client::{ClientError, NONE};
use crate::error::{Code, Error};
use crate::report::Status;
use crate::report::exposition::Family;
use crate::report::services::{Listed, Service, page, table};
use crate::report::stubs::{self, Language};
use crate::wire::gateway::calls_path;

pub(crate) fn run(context: &Context, args: &ServicesArgs) -> Result<Code, Error> {
    let status: Status = context.connect()?.call("status", &NONE)?;
    let mut services = all(context, &status)?;
    if let Some(name) = &args.name {
        services.retain(|service| service.pool == *name);
        if services.is_empty() {
            return Err(unknown(name));
        }
    }
    if let (Some(types), [service]) = (args.types, &*services) {
        return print_module(context, types, service);
    }
    match (context.global.json, &args.name) {
        (true, _) => output::json(&services)?,
        (false, Some(_)) => services.iter().try_for_each(|service| output::print(&page(service)))?,
        (false, None) if services.is_empty() => {
            context.warn("there is no service; see `queue-work help spawn` for how to add one");
        }
        (false, None) => output::print(&table(&services, width()))?,
    }
    Ok(Code::DONE)
}

/// All services of this status, as the gateway knows them.
pub(crate) fn all(context: &Context, status: &Status) -> Result<Vec<Service>, Error> {
    let pools = status.pools.iter().filter(|pool| pool.is_service()).collect::<Vec<_>>();
    let mut listed = if pools.is_empty() { Vec::new() } else { listed(context)? };
    let services = pools.into_iter().map(|pool| {
        let at = listed.iter().position(|listed| listed.pool.as_str() == pool.name);
        Service::new(pool, at.map(|at| listed.swap_remove(at)))
    });
    Ok(services.collect())
}

fn print_module(context: &Context, types: Types, service: &Service) -> Result<Code, Error> {
    if service.methods.is_empty() {
        let pool = &service.pool;
        return Err(Error::Failed(format!(
            "no worker of `{pool}` has declared methods; see `queue-work services {pool}`"
        )));
    }
    let language = match types {
        Types::Typescript => Language::TypeScript,
        Types::Python => Language::Python,
    };
    let socket = calls_path(&context.paths()?.socket);
    output::raw(stubs::module(service, language, &socket.to_string_lossy()).as_bytes())?;
    Ok(Code::DONE)
}

pub(crate) fn unknown(name: &str) -> Error {
    Error::NotFound(format!("there is no service `{name}`; see `queue-work services`"))
}

/// The list of the gateway; empty while another takes its place.
fn listed(context: &Context) -> Result<Vec<Listed>, Error> {
    Ok(ask(context, &Request { services: true, ..Request::default() })?.unwrap_or_default())
}

/// The metrics that the gateway has; `None` where none runs.
pub(super) fn metrics(context: &Context) -> Result<Option<Vec<Family>>, Error> {
    ask(context, &Request { metrics: true, ..Request::default() })
}

/// Asks the gateway; `None`: there is none, or another takes its place.
fn ask<T: DeserializeOwned>(context: &Context, request: &Request<'_>) -> Result<Option<T>, Error> {
    let paths = context.paths()?;
    let answer =
        Calls::connect(&calls_path(&paths.socket), paths.database.local()).and_then(|mut calls| calls.ask(request));
    match answer {
        Ok(Ok(list)) => {
            serde_json::from_str(list.get()).map(Some).map_err(|error| ClientError::Garbled(error.to_string()).into())
        }
        Ok(Err(error)) => Err(call::worded(&error)),
        Err(ClientError::NoMaster { .. } | ClientError::Closed | ClientError::Unheard) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

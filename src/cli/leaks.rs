//! `leaks`: the memory that each job type leaves behind in its workers, as the running master has measured.

use super::context::Context;
use super::output;
use crate::client::NONE;
use crate::error::{Code, Error};
use crate::model::leak::TypeMemory;
use crate::report::leaks;

pub(crate) fn run(context: &Context) -> Result<Code, Error> {
    let types: Vec<TypeMemory> = context.connect()?.call("leaks", &NONE)?;
    if context.global.json {
        output::json(&types)?;
    } else if types.is_empty() {
        context.warn("no job has been measured yet: the first 10 of each worker are left out");
    } else {
        output::print(&leaks::table(&types, output::width()))?;
    }
    Ok(Code::DONE)
}

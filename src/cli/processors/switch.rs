//! `processors enable`, `disable` and `reset`: through the master when one runs, else in the store, for the next one.

use super::{all, configured, missing, way_for};
use crate::cli::audit;
use crate::cli::context::{Context, Way};
use crate::cli::output;
use crate::clock;
use crate::error::{Code, Error};
use crate::model::ProcessorName;
use crate::model::change::{Reply, Request};
use crate::model::processor::Switch;
use crate::model::run_end::cut;
use crate::report::processor_lists::{of_file, switch_word};
use crate::report::{self, ProcessorStatus, words};
use crate::store::Store;
use crate::wire::processors::{SwitchProcessors, SwitchedProcessor};

pub(super) fn run(
    context: &Context,
    names: &[ProcessorName],
    enabled: Option<bool>,
    reason: Option<&str>,
) -> Result<Code, Error> {
    let now = change(context, names, enabled, reason)?;
    if context.global.json {
        output::json(&now)?;
    } else {
        for processor in &now {
            context.done(&worded(processor))?;
        }
    }
    Ok(Code::DONE)
}

/// Through the master when one runs, else in the store; as they are then.
pub(crate) fn change(
    context: &Context,
    names: &[ProcessorName],
    enabled: Option<bool>,
    reason: Option<&str>,
) -> Result<Vec<ProcessorStatus>, Error> {
    let params =
        SwitchProcessors { processors: names.to_vec(), enabled, reason: reason.map(|reason| cut(reason.to_owned())) };
    match way_for(context, names)? {
        Way::Master(mut client) => drop(client.call::<Vec<SwitchedProcessor>>("processors.set", &params)?),
        Way::Store(mut store) => in_store(context, store.as_mut(), &params)?,
    }
    let mut now = all(context)?;
    now.retain(|processor| names.contains(&processor.name));
    Ok(now)
}

fn in_store(context: &Context, store: &mut dyn Store, params: &SwitchProcessors) -> Result<(), Error> {
    let configured = configured(context)?;
    let is_configured = |name: &ProcessorName| configured.iter().any(|settings| settings.name == *name);
    let now = clock::wall();
    let SwitchProcessors { processors, enabled, reason } = params.clone();
    let said = report::audit::switch(&processors, enabled);
    let switch = Switch { enabled, changed_at: Some(now), changed_by: context.deed(said.clone(), now).asker(), reason };
    let processors = processors.into_iter().map(|name| (name.clone(), is_configured(&name))).collect();
    let op = Request::SwitchProcessors { processors, switch };
    let mut replies = audit::apply(context, store, said, vec![op.into()], |deed, replies| match replies {
        [Reply::NoProcessor(name)] => deed.refused(&format!("there is no processor `{name}`")),
        _ => deed.ended(Some(params.processors.len() as u64)),
    })?;
    match replies.pop() {
        Some(Reply::NoProcessor(name)) => Err(missing(&name, &all(context)?)),
        _ => Ok(()),
    }
}

/// `` disabled `ocr` (the file says enabled); its run 12 goes on ``.
fn worded(processor: &ProcessorStatus) -> String {
    let (name, word) = (&processor.name, switch_word(processor.enabled));
    let goes_on = processor.open_run().filter(|_| !processor.enabled);
    let goes_on = goes_on.map(|run| format!("; its run {} goes on", run.id)).unwrap_or_default();
    if !processor.is_switched() {
        let file = if processor.configured_enabled.is_some() { "as the file says" } else { "and not configured" };
        return format!("`{name}` is {word}, {file}{goes_on}");
    }
    let differs = processor.configured_enabled != Some(processor.enabled);
    let file = if differs { format!(" ({})", of_file(processor)) } else { String::new() };
    let why = processor.reason.as_deref().map(|why| format!(": {}", words::one_line(why, 200))).unwrap_or_default();
    format!("{word} `{name}`{file}{why}{goes_on}")
}

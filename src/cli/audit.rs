//! `audit`: who has changed what, newest first; and the record of what is changed without a master.

use super::args::records::AuditArgs;
use super::context::Context;
use super::output::{ListForm, Pages};
use crate::clock;
use crate::error::{Code, Error};
use crate::model::audit::Deed;
use crate::model::change::{Change, Op, Reply};
use crate::report::audit::{Said, table};
use crate::store::{AuditFilter, Store, StoreError};

pub(crate) fn run(context: &Context, args: &AuditArgs) -> Result<Code, Error> {
    let mut records = context.records()?;
    let mut filter = AuditFilter {
        who: args.who.clone(),
        verb: args.verb.clone(),
        since: args.since,
        before: args.before,
        limit: None,
    };
    let form = ListForm::new(context.global.json, args.list.jsonl);
    let limit = form.limit(args.list.limit);
    let pages = Pages::new(form, limit, |most| {
        filter.limit = Some(most);
        let page = records.as_mut().map_or(Ok(Vec::new()), |records| records.audit(&filter))?;
        filter.before = page.last().map(|record| record.id);
        Ok(page)
    })?;
    if pages.is_empty() {
        let is_filtered = args.who.is_some() || args.verb.is_some() || args.since.is_some() || args.before.is_some();
        context.warn(if is_filtered {
            "nothing on record is like that; see `queue-work audit`"
        } else {
            "nothing was changed by hand yet"
        });
    }
    pages.print(context, table, |deed| deed.id)
}

/// Changes the store where no master runs, and puts that on record; `ended` says what came of it.
pub(super) fn apply(
    context: &Context,
    store: &mut dyn Store,
    said: Said,
    mut ops: Vec<Op>,
    ended: impl FnOnce(Deed, &[Reply]) -> Deed,
) -> Result<Vec<Reply>, StoreError> {
    let now = clock::wall();
    let deed = context.deed(said, now);
    ops.push(Change::LogDeed(Box::new(deed.clone())).into());
    let mut replies = store.apply(0, &ops, now)?.replies;
    replies.pop();
    let deed = ended(deed, &replies);
    store.apply(0, &[Change::EndDeed(Box::new(deed)).into()], now)?;
    Ok(replies)
}

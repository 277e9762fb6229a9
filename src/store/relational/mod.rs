//! The store in tables of a database: what SQLite and PostgreSQL have in common.
//!
//! Knows neither files nor servers: those are of `store::sqlite` and `store::postgres`, which begin, commit and roll back. Knows
//! nothing of workers or of policy; what becomes of a job is said by [`Finish::next`](crate::model::change::Finish). Invariant:
//! one transaction writes at a time, over all masters and guests of a store, so what it reads holds until it ends.

pub(in crate::store) mod after;
pub(in crate::store) mod apply;
pub(in crate::store) mod audit;
pub(in crate::store) mod autoscale_log;
pub(in crate::store) mod batch;
pub(in crate::store) mod batch_list;
pub(in crate::store) mod batches;
pub(in crate::store) mod bulk;
pub(in crate::store) mod bulk_links;
pub(in crate::store) mod call_log;
pub(in crate::store) mod claim;
pub(in crate::store) mod codes;
pub(in crate::store) mod conn;
pub(in crate::store) mod ended;
pub(in crate::store) mod failures;
pub(in crate::store) mod fates;
pub(in crate::store) mod finish;
pub(in crate::store) mod forget;
pub(in crate::store) mod generations;
pub(in crate::store) mod history;
pub(in crate::store) mod job_list;
#[cfg(test)]
mod job_list_tests;
pub(in crate::store) mod job_row;
pub(in crate::store) mod key_lanes;
pub(in crate::store) mod key_limits;
pub(in crate::store) mod key_list;
pub(in crate::store) mod lanes;
pub(in crate::store) mod limits;
pub(in crate::store) mod link_bounds;
pub(in crate::store) mod links;
pub(in crate::store) mod names;
pub(in crate::store) mod operations;
pub(in crate::store) mod operator;
pub(in crate::store) mod paused_keys;
pub(in crate::store) mod processor_row;
pub(in crate::store) mod processors;
pub(in crate::store) mod prune;
pub(in crate::store) mod push;
pub(in crate::store) mod read;
pub(in crate::store) mod ready_list;
pub(in crate::store) mod rollups;
pub(in crate::store) mod run_index;
pub(in crate::store) mod run_row;
pub(in crate::store) mod shift;
pub(in crate::store) mod sql;
#[cfg(test)]
pub(in crate::store) mod statement_tests;
pub(in crate::store) mod table_rows;
pub(in crate::store) mod totals;
pub(in crate::store) mod walk;

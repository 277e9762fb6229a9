//! A disk that is full, fails, becomes read-only, or loses the files under a running master.
//!
//! Where each failure that is known from elsewhere is covered (see also `tests/power` and `tests/recovery`):
//! - A1, an acknowledged push is lost: `full`, `errors`, all of `tests/power`.
//! - A9, a commit that failed may have taken place: `errors`, and the writer's own tests.
//! - A10, effects of a batch that failed: `full` (nothing of a refused push is found), and the writer's own tests.
//! - D1, the disk is full: `full`. - D2, input and output fail: `errors`.
//! - D11, files are deleted, replaced or moved away: `gone`.
//! - D12, synced less than said: `tests/power`, whose harness shows a loss without syncs.
//! - F8, a log cannot be written: `logs`.

// Not on other systems: disks are filled by mounts and limits of Linux.
#![cfg(target_os = "linux")]

#[path = "../shim/mod.rs"]
mod shim;
#[path = "../support/mod.rs"]
mod support;
#[path = "../support/ticks.rs"]
mod ticks;

mod bulk;
mod errors;
mod full;
mod gone;
mod idle;
mod limit;
mod logs;
mod oracle;
mod overwritten;
mod pusher;
mod reads;
mod rig;
mod tick;
mod tmpfs;

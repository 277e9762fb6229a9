//! No mark: nothing is inherited by all descendants of a process and can be read by others.

/// Whose a process is: nobody has one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {}

impl Mark {
    #[must_use]
    pub const fn of(_value: &str) -> Option<Self> {
        None
    }

    #[must_use]
    pub const fn of_process(_pid: u32) -> Option<Self> {
        None
    }

    #[must_use]
    pub const fn is_of(self, _cookie: &str) -> bool {
        match self {}
    }

    #[must_use]
    pub const fn worker_of(self, _cookie: &str) -> Option<u64> {
        match self {}
    }
}

/// Runs `spawn`.
pub fn marking<T>(_mark: Option<Mark>, spawn: impl FnOnce() -> T) -> T {
    spawn()
}

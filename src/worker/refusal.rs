//! A program that could not be started, as the failure of its job.

use nix::errno::Errno;

use super::verdict::Failure;
use crate::model::answer::{NOT_BEGUN, PROGRAM_BUSY};
use crate::process::spawn::SpawnError;

impl From<SpawnError> for Failure {
    fn from(error: SpawnError) -> Self {
        let (kind, retry) = match &error {
            SpawnError::NotFound { .. } => ("not_found", Some(false)),
            SpawnError::NotExecutable { .. } => ("not_executable", Some(false)),
            SpawnError::Cwd { .. } => ("bad_cwd", None),
            SpawnError::ProtocolFd { .. } => ("refused", None),
            SpawnError::Io { source, .. } => match source.raw_os_error().map(Errno::from_raw) {
                Some(Errno::E2BIG) => ("invalid", Some(false)),
                Some(Errno::ETXTBSY) => (PROGRAM_BUSY, None),
                // No process, memory or file left: nothing of the command has run, and none of that is the job's fault.
                _ if error.is_temporary() => (NOT_BEGUN, None),
                _ => ("refused", None),
            },
        };
        Self::new(kind, retry, error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::process::spawn::{check_cwd, resolve};

    #[test]
    fn a_program_that_is_missing_one_that_may_not_run_and_a_refusal_of_the_system_are_told_apart() {
        let kind = |error: SpawnError| {
            let failure = Failure::from(error);
            (failure.data.kind, failure.data.retry)
        };
        let found = |program: &str| kind(resolve(program.as_ref(), None, Some("/bin".as_ref())).expect_err("an error"));
        assert_eq!(found("no-such-program"), ("not_found", Some(false)));
        assert_eq!(found("/etc/passwd"), ("not_executable", Some(false)));
        let refused = |errno: Errno| kind(SpawnError::Io { program: "x".into(), source: errno.into() });
        assert_eq!(refused(Errno::E2BIG), ("invalid", Some(false)));
        assert_eq!(refused(Errno::ETXTBSY), (PROGRAM_BUSY, None));
        assert_eq!(refused(Errno::EAGAIN), (NOT_BEGUN, None));
        assert_eq!(refused(Errno::EPERM), ("refused", None));
    }

    #[test]
    fn a_folder_that_cannot_be_entered_is_named() {
        let message = |cwd: &str| Failure::from(check_cwd("x", Path::new(cwd)).expect_err("an error")).message;
        assert_eq!(message("/no/where"), "cannot run `x` in `/no/where`: it does not exist");
        assert_eq!(message("/etc/passwd"), "cannot run `x` in `/etc/passwd`: it is not a directory");
        assert!(check_cwd("x", Path::new("/")).is_ok());
    }
}

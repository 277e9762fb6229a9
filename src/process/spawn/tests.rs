//! Spawning, with real programs.

use super::*;
use crate::model::worker::Exit;
use crate::process::testing::wait_until;
use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;

fn spec(script: &str) -> Spec {
    Spec {
        program: Program::Other("/bin/sh".into()),
        args: vec!["-c".into(), script.into()],
        cwd: None,
        env: vec![],
        env_remove: vec![],
        stdin: StdinKind::Null,
        protocol_fd: None,
        sockets: Vec::new(),
        step: Step::default(),
        mark: None,
    }
}

fn wait(child: &mut Child) -> Exit {
    let mut ended = None;
    wait_until("the child has ended", || {
        ended = child.reap().unwrap();
        ended.is_some()
    });
    ended.unwrap().exit
}

fn output(spec: &Spec) -> String {
    let mut spawned = spawn(spec).unwrap();
    let mut text = String::new();
    spawned.stdout.read_to_string(&mut text).unwrap();
    wait(&mut spawned.child);
    text
}

/// A file beside a moment in which another test forks may be "busy": try again, as the master would.
fn spawn_error(spec: &Spec) -> SpawnError {
    loop {
        match spawn(spec) {
            Err(e) if e.is_temporary() => {}
            Err(e) => return e,
            Ok(_) => panic!("it was started"),
        }
    }
}

fn file(dir: &Path, name: &str, text: &str, mode: u32) -> PathBuf {
    let path = dir.join(name);
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    path
}

#[test]
fn a_child_leads_its_own_group_and_gets_its_directory_and_environment() {
    let mut spec =
        spec("ps -o pgid= -p $$ 2>/dev/null || cut -d' ' -f5 /proc/$$/stat; pwd; echo $A; echo ${HOME-none}");
    spec.cwd = Some("/usr".into());
    spec.env = vec![("A".into(), "b c".into())];
    spec.env_remove = vec!["HOME".into()];
    let mut spawned = spawn(&spec).unwrap();
    let mut text = String::new();
    spawned.stdout.read_to_string(&mut text).unwrap();
    wait(&mut spawned.child);
    let lines: Vec<_> = text.lines().map(str::trim).collect();
    assert_eq!(lines, [spawned.child.pid().to_string().as_str(), "/usr", "b c", "none"]);
}

#[test]
fn stdin_is_a_pipe_or_nothing() {
    assert_eq!(output(&spec("cat")), "");
    let mut piped = spec("cat");
    piped.stdin = StdinKind::Pipe;
    let mut spawned = spawn(&piped).unwrap();
    spawned.stdin.take().unwrap().write_all(b"hello").unwrap();
    let mut text = String::new();
    spawned.stdout.read_to_string(&mut text).unwrap();
    assert_eq!(text, "hello");
    wait(&mut spawned.child);
}

#[test]
fn the_protocol_descriptor_is_a_pipe_of_its_own_that_ends_with_the_child() {
    let mut spec = spec("echo protocol >&3; echo output");
    spec.protocol_fd = Some(3);
    let mut spawned = spawn(&spec).unwrap();
    let (mut protocol, mut stdout) = (String::new(), String::new());
    spawned.protocol.take().unwrap().read_to_string(&mut protocol).unwrap();
    spawned.stdout.read_to_string(&mut stdout).unwrap();
    wait(&mut spawned.child);
    assert_eq!((protocol.as_str(), stdout.as_str()), ("protocol\n", "output\n"));
    spec.protocol_fd = Some(1);
    assert!(matches!(spawn_error(&spec), SpawnError::ProtocolFd { fd: 1, .. }));
}

#[test]
fn a_child_holds_no_descriptor_of_ours_and_blocks_no_signal() {
    let dir = tempfile::tempdir().unwrap();
    let _held = fs::File::create(dir.path().join("held-by-the-master")).unwrap();
    let open = output(&spec("ls -l /proc/$$/fd"));
    assert!(open.contains("pipe:") && !open.contains("held-by-the-master"), "{open}");
    let text = output(&spec("grep -E 'SigBlk|SigIgn' /proc/self/status"));
    let mask = |status: &str, name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        // 32 and 33 belong to the C library.
        u64::from_str_radix(line.trim(), 16).unwrap() & !(0b11 << 31)
    };
    // A test that was started with `&` ignores what a master would have reset, and passes it on.
    let own = mask(&fs::read_to_string("/proc/self/status").unwrap(), "SigIgn:");
    assert_eq!((mask(&text, "SigBlk:"), mask(&text, "SigIgn:") & !own), (0, 0), "{text}");
}

/// Between fork and exec another thread's lock on the heap or the log is held for ever.
#[test]
fn spawns_with_a_hook_between_fork_and_exec_hang_nowhere_while_other_threads_allocate() {
    use std::sync::atomic::{AtomicBool, Ordering};
    let over = AtomicBool::new(false);
    let spec = Spec { protocol_fd: Some(3), ..spec("exit 7") };
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let mut kept = Vec::new();
                while !over.load(Ordering::Relaxed) {
                    kept.push(format!("{:?}", vec![0_u8; 1 + kept.len() % 4096]));
                    log::trace!("{}", kept.len());
                    kept.truncate(64);
                }
            });
        }
        let codes: Vec<_> = (0..200).map(|_| wait(&mut spawn(&spec).unwrap().child)).collect();
        over.store(true, Ordering::Relaxed);
        assert!(codes.iter().all(|&code| code == Exit::Code(7)), "{codes:?}");
    });
}

#[test]
fn a_bare_name_is_found_in_path_and_a_name_with_a_slash_beside_the_working_directory() {
    let dir = tempfile::tempdir().unwrap();
    let here = file(dir.path(), "tool", "#!/bin/sh\n", 0o755);
    let path = std::env::join_paths([Path::new("/nowhere"), dir.path()]).unwrap();
    assert_eq!(resolve("tool".as_ref(), None, Some(&path)).unwrap(), here);
    assert_eq!(fs::canonicalize(resolve("./tool".as_ref(), Some(dir.path()), None).unwrap()).unwrap(), here);
    assert!(resolve("sh".as_ref(), None, None).unwrap().is_absolute());
    assert!(resolve("tool".as_ref(), Some(dir.path()), Some("/bin".as_ref())).is_err());
}

#[test]
fn what_cannot_be_run_is_told_apart_before_anything_is_started() {
    let dir = tempfile::tempdir().unwrap();
    file(dir.path(), "plain", "#!/bin/sh\n", 0o644);
    let path = Some(dir.path().as_os_str());
    let error = |name: &str| resolve(name.as_ref(), Some(dir.path()), path).unwrap_err();
    assert_eq!(error("foo").to_string(), "cannot run `foo`: not found in PATH");
    assert_eq!(error("./foo").to_string(), "cannot run `./foo`: no such file");
    assert_eq!(error("./plain").to_string(), "cannot run `./plain`: it is not executable; chmod +x it");
    assert_eq!(error("/usr").to_string(), "cannot run `/usr`: it is a directory");
    assert!(matches!(error("plain"), SpawnError::NotExecutable { .. }));
    assert!(matches!(error(""), SpawnError::NotFound { .. }));
    assert!(matches!(error("./plain/x"), SpawnError::NotFound { .. }));
}

#[test]
fn a_failed_exec_names_its_true_cause() {
    let dir = tempfile::tempdir().unwrap();
    let mut spec = spec("true");
    spec.cwd = Some(dir.path().join("gone"));
    assert!(matches!(spawn_error(&spec), SpawnError::Cwd { .. }));
    spec.cwd = None;
    spec.program = Program::Other(file(dir.path(), "script", "#!/nowhere/python\n", 0o755));
    let error = spawn_error(&spec);
    assert!(matches!(error, SpawnError::NotFound { .. }) && error.to_string().contains("interpreter"), "{error}");
    spec.program = Program::Other(dir.path().join("gone"));
    assert!(matches!(spawn_error(&spec), SpawnError::NotFound { .. }));
    spec.program = Program::Other(file(dir.path(), "closed", &format!("#!{}\n", dir.path().display()), 0o755));
    let error = spawn_error(&spec);
    assert!(matches!(error, SpawnError::NotExecutable { .. }) && error.to_string().contains("interpreter"), "{error}");
    spec.program = Program::Other(file(dir.path(), "noise", "\u{1}\u{2}", 0o755));
    assert!(matches!(spawn_error(&spec), SpawnError::NotExecutable { .. }));
}

#[test]
fn only_a_lack_of_means_is_temporary() {
    let error = |errno: Errno| SpawnError::Io { program: "x".into(), source: errno.into() };
    assert!([Errno::EAGAIN, Errno::ENOMEM, Errno::EMFILE].into_iter().all(|e| error(e).is_temporary()));
    assert!(!error(Errno::E2BIG).is_temporary());
    assert!(!SpawnError::NotFound { program: String::new(), why: String::new() }.is_temporary());
}

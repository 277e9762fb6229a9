//! Logs that cannot be written: of workers on a full disk, of the master on a device that takes nothing.

use crate::oracle::{self, Found};
use crate::pusher::{Pusher, Said};
use crate::rig::Rig;
use crate::shim::Kind;
use crate::support::{Bench, DEADLINE, fixture};

#[test]
fn jobs_go_on_while_the_logs_of_workers_cannot_be_written_and_the_lines_are_counted() {
    let rig = Rig::new();
    let args = ["--workers", "1", "--queue", "default", "--exec", "--", "sh", "-c", "echo said >&2"];
    let env = rig.shim.env();
    let env: Vec<(&str, &str)> = env.iter().map(|(name, value)| (*name, value.as_str())).collect();
    rig.shim.fail(Kind::Change, "ENOSPC", (1, 0), ".log");
    let mut master = rig.bench.start_with(&args, &env);
    let mut pusher = Pusher::connect(rig.bench.database(), 0);
    let mut push = |rig: &Rig| {
        let Some(Said::Yes(id)) = pusher.push() else { panic!("not taken\n{}", rig.bench.dump()) };
        pusher.wait_for(id);
    };
    (0..10).for_each(|_| push(&rig));
    assert!(rig.shim.hits().0 > 0, "no log was written to");
    rig.shim.heal();
    rig.bench.wait_for("the log to say what it lost", DEADLINE, |bench| {
        push(&rig);
        bench.run(&["logs", "default-1"]).stdout.contains("lines dropped")
    });
    master.signal(nix::sys::signal::Signal::SIGTERM);
    assert_eq!(master.wait_exit(DEADLINE).code(), Some(0));
    assert_eq!(oracle::settle(&rig.bench, &[pusher.journal]), Found::default());
}

#[test]
fn a_master_whose_own_streams_take_nothing_does_its_work() {
    for redirections in [">/dev/full 2>/dev/full", ">&- 2>&-", "> >(true) 2> >(true)"] {
        let bench = Bench::new();
        let echo = fixture("echo.py");
        let mut args = vec!["-vv", "--workers", "2", "--queue", "default", "--"];
        args.extend(echo.iter().map(String::as_str));
        let mut master = bench.start_redirected(&args, redirections);
        for _ in 0..5 {
            let id = bench.push(&["echo", "1"]);
            assert_eq!(bench.wait_for_job(id, "succeeded")["result"], 1, "{redirections}");
        }
        master.signal(nix::sys::signal::Signal::SIGTERM);
        assert_eq!(master.wait_exit(DEADLINE).code(), Some(0), "{redirections}");
    }
}

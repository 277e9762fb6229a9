//! Commands of ours inside a job: which store they mean, when they say so and when they do not.

use crate::peer::{Peer, socket};
use crate::support::{Bench, DEADLINE};

const PROGRAM: &str = env!("CARGO_BIN_EXE_queue-work");

/// Runs a script of the shell as a job; `$0` is the binary. Returns what it printed.
#[track_caller]
fn in_a_job(bench: &Bench, script: &str) -> String {
    bench.ok(&["push", "--wait", "--", "sh", "-ec", script, PROGRAM])
}

/// How many jobs are on record in a database beside that of the bench.
#[track_caller]
fn jobs_in(bench: &Bench, database: &str) -> usize {
    bench.ok(&["--database", database, "jobs", "list", "--oldest", "--jsonl"]).lines().count()
}

#[test]
fn a_command_in_a_job_means_its_own_master_unless_it_names_another_store() {
    let bench = Bench::new();
    let _master = bench.start(&["--workers", "1"]);
    std::fs::create_dir(bench.path().join("here")).expect("a folder");
    for folder in [".", "here"] {
        std::fs::write(bench.path().join(folder).join("queue-work.toml"), "database = \"file.db\"\n").expect("written");
    }
    let named = [
        "\"$0\" --database named.db push t",
        "\"$0\" push --database=named.db t",
        "QUEUE_WORK_DATABASE=named.db \"$0\" push t",
        "export QUEUE_WORK_DATABASE=\"$PWD/named.db\"; seq 1 | \"$0\" push --lines t",
    ];
    for (count, script) in (1..).zip(named) {
        in_a_job(&bench, script);
        assert_eq!((jobs_in(&bench, "named.db"), jobs_in(&bench, "q.db")), (count, count), "{script}");
    }
    // A configuration that is named says where; one that lies in the folder does not.
    in_a_job(&bench, "\"$0\" --config here/queue-work.toml push t");
    assert_eq!(jobs_in(&bench, "here/file.db"), 1);
    in_a_job(&bench, "cd here; \"$0\" push --queue nobody t");
    in_a_job(&bench, "\"$0\" --database q.db push --queue nobody t");
    assert_eq!((jobs_in(&bench, "here/file.db"), bench.path().join("file.db").exists()), (1, false));
    assert_eq!(bench.status()["queues"][1]["ready"], 2, "{}", bench.dump());
    // So do the verbs that need a master.
    assert!(in_a_job(&bench, "\"$0\" scale 1").starts_with("scaled"));
    assert!(in_a_job(&bench, "\"$0\" --database named.db scale 1 2>&1 || test $? = 3").contains("no master runs on"));
}

#[test]
fn a_master_in_a_job_has_a_socket_of_its_own_and_leaves_that_of_the_outer_one_alone() {
    let bench = Bench::new();
    let _master = bench.start(&["--workers", "2"]);
    let variable = "export QUEUE_WORK_DATABASE=$PWD/variable.db; exec \"$0\" --workers 1 --drain 2>&1";
    for script in ["exec \"$0\" --database own.db --workers 1 --drain 2>&1", variable] {
        let said = in_a_job(&bench, script);
        assert!(!said.contains("q.db.sock"), "{said}");
        Peer::new(&bench).call("ping", &serde_json::Value::Null);
    }
    // Where it is told to take that very socket it does not.
    let taken = format!("\"$0\" --database own.db --socket '{}' --workers 1 2>&1 || echo $?", socket(&bench).display());
    let said = in_a_job(&bench, &taken);
    assert!(said.contains("answers at") && said.ends_with("\n5\n"), "{said}");
    assert!(bench.run(&["status"]).expect_code(0).stdout.contains("default"));
}

#[test]
fn a_master_elsewhere_is_used_by_its_jobs_although_its_socket_is_not_beside_the_database() {
    let bench = Bench::new();
    let elsewhere = bench.path().join("elsewhere.sock");
    let elsewhere = elsewhere.to_str().expect("UTF-8");
    let mut master = bench.launch_with(&["--workers", "1"], &[("QUEUE_WORK_SOCKET", elsewhere)]);
    bench.wait_for("its socket", DEADLINE, |_| std::path::Path::new(elsewhere).exists());
    let with = |args: &[&str]| bench.verb(args).env("QUEUE_WORK_SOCKET", elsewhere).run().expect_code(0).stdout;
    let pushed = with(&["push", "--wait", "--", "sh", "-c", "\"$0\" --database q.db scale 2", PROGRAM]);
    assert!(pushed.starts_with("scaled"), "{pushed}");
    // Whoever knows the database finds the socket, which the master has written down.
    for words in [&["scale", "1"][..], &["status"], &["--socket", "nowhere.sock", "scale", "2"], &["stop"]] {
        bench.ok(words);
    }
    assert_eq!(master.wait_exit(DEADLINE).code(), Some(0));
}

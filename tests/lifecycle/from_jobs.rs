//! Verbs that are called from inside a job: they never wait for that job, and do not end it before its time.

use serde_json::json;

use crate::support::{Bench, DEADLINE, Master, fixture};

/// The path of the binary, for scripts of jobs.
const PROGRAM: &str = env!("CARGO_BIN_EXE_queue-work");

/// Pushes a job that calls the binary, and writes a line into `runs` each time; its id.
fn push(bench: &Bench, script: &str) -> i64 {
    let script = format!("echo run >> runs; q={PROGRAM}; {script}");
    bench.push(&["--max-attempts=1", "--", "sh", "-c", &script])
}

fn start<'a>(bench: &'a Bench, workers: &str) -> Master<'a> {
    let config = format!("[pools.default]\nworkers = {workers}\ngrace = \"20s\"\n");
    std::fs::write(bench.path().join("queue-work.toml"), config).expect("written");
    bench.start(&[])
}

fn times_run(bench: &Bench) -> usize {
    std::fs::read_to_string(bench.path().join("runs")).map_or(0, |text| text.lines().count())
}

/// The job ran once, and what it was told says that the answer came at once.
#[track_caller]
fn expect_once(bench: &Bench, job: i64, said: &str) {
    let well = bench.wait_for_job(job, "succeeded");
    assert_eq!((&well["releases"], &well["attempts"]), (&json!(0), &json!(0)), "{well}");
    assert_eq!(times_run(bench), 1);
    let told = bench.runs(job)[0]["stderr_tail"].as_str().expect("a text").to_owned();
    assert!(told.contains(&format!("answered at once: this was called from job {job}")), "{told}");
    let printed = well["result"].as_str().expect("a text");
    assert!(printed.contains(said), "{printed}");
}

#[test]
fn a_job_that_restarts_its_own_pool_runs_once() {
    for verb in ["restart --all", "restart --all --now", "restart default-1", "restart --queue default"] {
        let bench = Bench::new();
        let _master = start(&bench, "1");
        let job = push(&bench, &format!("$q {verb}"));
        expect_once(&bench, job, "restarting 1 worker");
        bench.wait_for("another worker", DEADLINE, |b| b.status()["workers"][0]["restarts"] == 1);
    }
}

#[test]
fn a_job_that_scales_its_own_pool_to_nothing_or_stops_its_worker_runs_once() {
    for (verb, said) in [
        ("scale 0", "to 0 workers"),
        ("stop default-1", "stopping 1 worker"),
        ("stop --queue default", "stopping 1 worker"),
    ] {
        let bench = Bench::new();
        let _master = start(&bench, "1");
        let job = push(&bench, &format!("$q {verb}"));
        expect_once(&bench, job, said);
    }
}

#[test]
fn a_job_that_stops_its_master_runs_once_whatever_grace_it_asks_for() {
    for verb in ["stop", "stop --timeout 0s"] {
        let bench = Bench::new();
        let mut master = start(&bench, "1");
        let job = push(&bench, &format!("$q {verb}; sleep 0.2"));
        assert!(master.wait_exit(DEADLINE).success());
        expect_once(&bench, job, "stopping");
    }
}

#[test]
fn the_caller_is_found_by_the_kernel_also_in_another_session_and_without_its_environment() {
    for wrapper in ["setsid -w", "env -u QUEUE_WORK_JOB_ID -u QUEUE_WORK_WORKER", "setsid sh -c 'exec \"$@\"' x"] {
        let bench = Bench::new();
        let _master = start(&bench, "1");
        let job = push(
            &bench,
            &format!("{wrapper} $q restart --all; while ! test -e told; do sleep 0.05; done; echo restarting 1 worker"),
        );
        std::fs::write(bench.path().join("told"), "").expect("written");
        let well = bench.wait_for_job(job, "succeeded");
        assert_eq!(well["releases"], 0, "{wrapper}: {well}");
    }
}

#[test]
fn who_has_the_environment_of_a_job_and_is_not_of_it_waits_as_others_do() {
    let bench = Bench::new();
    let _master = start(&bench, "1");
    let job = push(&bench, "sleep 1");
    bench.wait_for_job(job, "running");
    let environment = bench.verb(&["restart", "--all"]).env("QUEUE_WORK_JOB_ID", job.to_string());
    let run = environment.env("QUEUE_WORK_WORKER", "default-1").run().expect_code(0);
    assert_eq!((run.stdout.as_str(), run.stderr.contains("at once")), ("restarted 1 worker\n", false), "{run:?}");
    assert_eq!(bench.job(job)["state"], "succeeded", "it was waited for");
}

#[test]
fn jobs_that_restart_each_other_do_not_wait_in_a_circle() {
    let bench = Bench::new();
    let _master = start(&bench, "2");
    let each = "echo run >> runs; n=1; test $QUEUE_WORK_WORKER = default-1 && n=2; touch $QUEUE_WORK_WORKER; \
                while ! test -e default-$n; do sleep 0.05; done; ";
    let script = format!("{each} {PROGRAM} restart default-$n");
    let jobs = [0, 1].map(|_| bench.push(&["--", "sh", "-c", &script]));
    for job in jobs {
        assert_eq!(bench.wait_for_job(job, "succeeded")["releases"], 0);
    }
    assert_eq!(times_run(&bench), 2);
}

#[test]
fn a_job_can_cancel_itself_and_does_not_wait_for_itself() {
    let bench = Bench::new();
    let _master = start(&bench, "1");
    let job = push(&bench, "$q jobs cancel $QUEUE_WORK_JOB_ID; sleep 60");
    bench.wait_for_job(job, "cancelled");
    let job = push(&bench, "$q jobs wait $QUEUE_WORK_JOB_ID; test $? = 5");
    bench.wait_for_job(job, "succeeded");
}

#[test]
fn a_job_that_waits_for_one_that_only_its_own_worker_could_run_is_told_so() {
    let bench = Bench::new();
    let _master = start(&bench, "1");
    let job = push(&bench, "$q push --wait -- true 2> said; test $? = 5");
    bench.wait_for_job(job, "succeeded");
    let said = std::fs::read_to_string(bench.path().join("said")).expect("what it was told");
    assert!(said.contains("every worker that serves the queue `default` runs a job that waits"), "{said}");
    bench.wait_for_job(job + 1, "succeeded");
    // Where another worker is free, it is waited for.
    bench.ok(&["scale", "2"]);
    let job = push(&bench, "$q push --wait -- echo well");
    assert_eq!(bench.wait_for_job(job, "succeeded")["result"], "well\n");
}

#[test]
fn what_an_earlier_job_has_left_is_not_taken_for_the_job_that_runs_now() {
    let bench = Bench::new();
    let _master = start(&bench, "1");
    let left = "touch up; until test -e go; do sleep 0.02; done; $q jobs wait 2 --timeout 100ms 2> waited; \
                $q jobs cancel 2 > cancelled 2>&1; touch done";
    let job = push(
        &bench,
        &format!("export q; setsid sh -c '{left}' > /dev/null 2>&1 & until test -e up; do sleep 0.02; done"),
    );
    bench.wait_for_job(job, "succeeded");
    let next = push(&bench, "sleep 60");
    bench.wait_for_job(next, "running");
    std::fs::write(bench.path().join("go"), "").expect("written");
    bench.wait_for("it to have asked", DEADLINE, |b| b.path().join("done").exists());
    let said = ["waited", "cancelled"].map(|name| std::fs::read_to_string(bench.path().join(name)).expect("a text"));
    assert!(!said[0].contains("this was called from") && !said[1].contains("at once"), "{said:?}");
    assert_eq!(bench.job(next)["state"], "cancelled", "it was waited for");
}

#[test]
fn a_worker_with_several_jobs_at_a_time_is_blocked_only_when_all_of_them_wait() {
    let bench = Bench::new();
    let worker = fixture("runs.py");
    let mut args = vec!["--workers=1", "--"];
    args.extend(worker.iter().map(String::as_str));
    let _master = bench.start(&args);
    let run = |argv: &[&str]| bench.push(&["run", &json!(argv).to_string()]);
    // For one that is still to run beside it, and for one that runs beside it.
    let pushes = run(&[PROGRAM, "push", "--wait", "run", "[\"true\"]"]);
    assert_eq!(bench.wait_for_job(pushes, "succeeded")["result"], 0);
    let slow = run(&["sh", "-c", "until test -e go; do sleep 0.02; done"]);
    bench.wait_for_job(slow, "running");
    let told = format!("{PROGRAM} jobs wait {slow} --timeout 100ms; touch go; {PROGRAM} jobs wait {slow}");
    let waits = run(&["sh", "-c", &told]);
    assert_eq!(bench.wait_for_job(waits, "succeeded")["result"], 0);
    // Two that wait for what neither leaves room for: one of them is refused.
    let each =
        format!("touch $0; until test -e a -a -e b; do sleep 0.02; done; {PROGRAM} push --wait run '[\"true\"]'");
    let both = ["a", "b"].map(|name| run(&["sh", "-c", &each, name]));
    let mut codes = both.map(|job| bench.wait_for_job(job, "succeeded")["result"].as_i64());
    codes.sort_unstable();
    assert_eq!(codes, [Some(0), Some(5)]);
}

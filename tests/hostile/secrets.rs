//! What jobs and workers carry is not told to whoever reads a log.

use crate::support::{Bench, DEADLINE, fixture};

#[test]
fn what_is_in_args_and_in_the_environment_is_in_no_log_and_in_no_status() {
    let bench = Bench::new();
    let (in_args, in_env) = ("canary-in-args", "canary-in-environment");
    let command = fixture("fail.py").iter().map(|part| format!("{part:?}")).collect::<Vec<_>>().join(", ");
    let pool = format!(
        "[pools.default]\ncommand = [{command}]\nworkers = 1\nmax_attempts = 1\nenv = {{ TOKEN = \"{in_env}\" }}\n"
    );
    std::fs::write(bench.path().join("secrets.toml"), pool).expect("a file");
    let mut master = bench.start(&["--config", "secrets.toml", "-v"]);
    let job = bench.push(&["x", &format!("{{\"password\": \"{in_args}\"}}")]);
    bench.wait_for_job(job, "dead");
    let shown = [bench.ok(&["status"]), bench.status().to_string(), bench.ok(&["runs"]), bench.ok(&["logs"])];
    master.signal(nix::sys::signal::Signal::SIGTERM);
    master.wait_exit(DEADLINE);
    for text in shown.iter().chain([&master.stderr()]) {
        assert!(!text.is_empty() && !text.contains(in_args) && !text.contains(in_env), "{text}");
    }
    assert!(bench.job(job).to_string().contains(in_args), "who asks for the job itself sees its args");
}

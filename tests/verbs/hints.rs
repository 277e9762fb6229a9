//! Next steps that are printed: typed as printed they work, on the database and configuration that the command was given.

use super::support::{Bench, Run};

/// The commands of ours that a run names.
fn commands(run: &Run) -> Vec<String> {
    let all = format!("{}\n{}", run.stdout, run.stderr);
    let parts = all.split('`').filter(|part| *part == "queue-work" || part.starts_with("queue-work "));
    parts.map(str::to_owned).collect()
}

/// Types a command as it was printed.
fn typed(bench: &Bench, command: &str) -> Run {
    let words = shlex::split(command).unwrap_or_else(|| panic!("no shell reads {command}"));
    let words: Vec<&str> = words.iter().skip(1).map(String::as_str).collect();
    bench.run(&words)
}

/// A bench whose database has a name that a shell must be told in quotes, and how it is typed.
fn quoted() -> (Bench, String) {
    let bench = Bench::with_database("my q.db");
    let option = format!("--database '{}'", bench.database().display());
    (bench, option)
}

#[test]
fn what_a_command_says_to_do_next_repeats_the_options_that_it_was_given() {
    let (bench, option) = quoted();
    let database = bench.database().to_str().expect("UTF-8").to_owned();
    let file = bench.path().join("q.toml");
    std::fs::write(&file, "[pools.mail]\nworkers = 1\n").expect("written");
    let table: [(&[&str], i32); 21] = [
        (&["jobs"], 0),
        (&["runs"], 0),
        (&["errors"], 0),
        (&["workers"], 0),
        (&["logs"], 0),
        (&["status"], 3),
        (&["push", "echo hello"], 0),
        (&["scale", "2"], 3),
        (&["stop"], 3),
        (&["jobs", "show", "99"], 4),
        (&["jobs", "list", "--type", "nosuch"], 0),
        (&["why", "99"], 4),
        (&["health"], 3),
        (&["logs", "--job", "99"], 4),
        (&["workers", "nosuch"], 4),
        (&["runs", "--job", "99"], 4),
        (&["errors", "0123456789abcdef"], 4),
        (&["pause", "nosuch"], 4),
        (&["push", "ls", "-l"], 2),
        (&["jobs", "7"], 2),
        (&["push"], 2),
    ];
    for (words, code) in table {
        for before in [&["--database", &database][..], &["--database", &database, "--config", "q.toml"]] {
            let run = bench.run(&[before, words].concat()).expect_code(code);
            let found = commands(&run);
            assert!(!found.is_empty(), "{words:?}: {run:?}");
            for command in found {
                assert!(command.contains(&option), "{words:?}: {command}");
                assert_eq!(command.contains("--config q.toml"), before.len() > 2, "{words:?}: {command}");
                // Those of 3 start a master.
                if code != 3 && !command.contains("CMD") && !command.contains("TYPE") {
                    assert_ne!(typed(&bench, &command).code, 2, "{command}");
                }
            }
        }
        // Of the environment, and of a file that is found, nothing needs to be typed again.
        assert!(commands(&bench.run(words)).iter().all(|command| !command.contains("--database")), "{words:?}");
    }
    let run = bench.run(&["scale", "--database", &database]).expect_code(2);
    let told = format!("as in `queue-work {option} scale 6`; see `queue-work scale -h`\n");
    assert!(run.stderr.ends_with(&told), "{}", run.stderr);
}

#[test]
fn what_a_master_says_over_its_socket_is_completed_where_it_is_printed() {
    let (bench, option) = quoted();
    let database = bench.database().to_str().expect("UTF-8").to_owned();
    let master = bench.start(&["--database", &database, "--workers=1", "--queue=default"]);
    let given = |words: &[&str]| bench.run(&[&["--database", &database][..], words].concat());
    given(&["push", "--max-attempts", "1", "--", "false"]).expect_code(0);
    bench.wait_for_job(1, "dead");
    let seen = format!("see `queue-work {option} jobs show 1`");
    bench.wait_for("the end of the job to be told", super::support::DEADLINE, |_| master.stderr().contains(&seen));

    let unknown = given(&["scale", "2", "--pool", "nosuch"]).expect_code(4);
    assert_eq!(commands(&unknown), [format!("queue-work {option} status")], "{unknown:?}");
    let stopped = given(&["stop", "--pool", "default"]).expect_code(0);
    assert_eq!(commands(&stopped), [format!("queue-work {option} scale 1 --pool default")], "{stopped:?}");
    typed(&bench, &commands(&stopped)[0]).expect_code(0);

    given(&["push", "--queue", "mail", "--", "true"]).expect_code(0);
    let mut problem = Vec::new();
    bench.wait_for("the problem to be named", super::support::DEADLINE, |_| {
        problem = commands(&given(&["status"]));
        problem.iter().any(|command| command.contains(" spawn "))
    });
    assert_eq!(problem[0], format!("queue-work {option} spawn --queue mail --workers 1"));
    assert!(problem.iter().all(|command| command.contains(&option)), "{problem:?}");
    typed(&bench, &problem[0]).expect_code(0);
    bench.wait_for_job(2, "succeeded");
}

#[test]
fn a_configuration_that_is_not_there_is_written_by_the_command_that_is_named() {
    let bench = Bench::new();
    for name in ["nosuch.toml", "my file.toml"] {
        let run = bench.run(&["--config", name, "push", "t"]).expect_code(2);
        let next = commands(&run);
        assert_eq!(next.len(), 1, "{run:?}");
        typed(&bench, &next[0]).expect_code(0);
        let written = bench.run(&["--config", name, "config", "check"]).expect_code(0);
        assert!(written.stdout.contains(&format!("{name}` is valid")), "{written:?}");
    }
    let run = bench.run(&["config", "init", "other file.toml"]).expect_code(0);
    assert_eq!(commands(&run), ["queue-work config check --config 'other file.toml'"]);
    typed(&bench, &commands(&run)[0]).expect_code(0);
}

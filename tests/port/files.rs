//! Which files `import` and `export` read and write, through the real binary.

use std::fs;

use super::support::Bench;

const PROCFILE: &str = "web: node server.js\nrelease: rake db:migrate\n";

#[test]
fn an_import_goes_to_stdout_and_says_what_was_lost() {
    let bench = Bench::new();
    let run = bench.verb(&["import", "procfile", "-"]).stdin(PROCFILE).run().expect_code(0);
    assert!(run.stdout.contains("[pools.web]\nkind = \"opaque\"\n"), "{}", run.stdout);
    let said = "queue-work: 1 key taken over, 0 changed, 1 not possible: release: rake db:migrate: it is run once";
    assert!(run.stderr.starts_with(said), "{}", run.stderr);
    fs::write(bench.path().join("queue-work.toml"), &run.stdout).expect("written");
    let checked = bench.ok(&["config", "check"]);
    assert!(checked.contains("is valid: 1 pool, 1 worker"), "{checked}");
    bench.verb(&["import", "procfile", "-", "--check"]).stdin(PROCFILE).run().expect_code(1);
    bench.verb(&["import", "procfile", "-", "--check"]).stdin("web: node server.js").run().expect_code(0);
    let json = bench.verb(&["import", "procfile", "-", "--json", "-q"]).stdin(PROCFILE).run().expect_code(0).json();
    assert_eq!((&json["taken_over"], &json["lost"][0]["key"]), (&1.into(), &"release: rake db:migrate".into()));
}

#[test]
fn a_file_that_is_there_is_replaced_only_on_demand() {
    let bench = Bench::new();
    let path = |name: &str| bench.path().join(name);
    fs::write(path("Procfile"), PROCFILE).expect("written");
    fs::write(path("new.toml"), "mine").expect("written");
    let run = bench.run(&["import", "procfile", "Procfile", "-o", "new.toml"]).expect_code(1);
    assert!(run.stderr.contains("`new.toml` exists"), "{}", run.stderr);
    assert_eq!(fs::read_to_string(path("new.toml")).expect("read"), "mine");
    bench.run(&["import", "procfile", "Procfile", "-o", "new.toml", "--force"]).expect_code(0);
    assert!(fs::read_to_string(path("new.toml")).expect("read").contains("[pools.web]"));
    bench.run(&["export", "systemd", "--config", "new.toml", "-o", "."]).expect_code(0);
    bench.run(&["export", "systemd", "--config", "new.toml", "-o", "."]).expect_code(1);
    assert!(path("queue-work.service").exists());
}

#[test]
fn a_file_that_cannot_be_read_is_an_error_with_its_line_and_nothing_is_written() {
    let bench = Bench::new();
    for (system, name, text, said) in [
        ("supervisor", "a.conf", "[program:a]\ncommand\n", "a.conf:2: `command` is neither a section nor a key"),
        ("supervisor", "a.conf", "[program:a]\ncommand=a 'b\n", "a.conf:2: a quote ' is not closed"),
        ("supervisor", "a.conf", "[program:a]\ncommand=a\nnumprocs=x\n", "a.conf:3: `numprocs=x` is no number"),
        ("procfile", "Procfile", "# nothing\n", "Procfile:1: there is nothing in it to import"),
        ("procfile", "Procfile", "web: a\n\nnothing\n", "Procfile:3: `nothing` is no `name: command`"),
        ("crontab", "crontab", "* * * * *\n", "crontab:1: `* * * * *` is neither a schedule"),
        ("systemd", "a.service", "[Unit]\nDescription=a\n", "a.service:1: it has neither [Service] nor [Timer]"),
        ("pm2", "a.json", "{\n  \"apps\": [}\n", "a.json:2: expected value"),
        ("horizon", "horizon.php", "<?php\nreturn [\n", "horizon.php:"),
    ] {
        fs::write(bench.path().join(name), text).expect("written");
        let run = bench.run(&["import", system, name, "-o", "out.toml"]).expect_code(2);
        assert!(run.stderr.contains(said) && !bench.path().join("out.toml").exists(), "{}", run.stderr);
    }
    let run = bench.run(&["import", "procfile", "none"]).expect_code(1);
    assert!(run.stderr.contains("cannot read `none`"), "{}", run.stderr);
}

#[test]
fn a_file_that_is_a_program_is_run_only_on_demand() {
    let bench = Bench::new();
    let text = "const n = 2; module.exports = { apps: [{ name: 'api', script: 'app.js', instances: n + 1 }] };";
    fs::write(bench.path().join("ecosystem.config.js"), text).expect("written");
    let run = bench.run(&["import", "pm2", "ecosystem.config.js"]).expect_code(2);
    assert!(run.stderr.contains("`--run-js` lets node run it"), "{}", run.stderr);
    let made = bench.ok(&["import", "pm2", "ecosystem.config.js", "--run-js"]);
    assert!(made.contains("[pools.api]") && made.contains("workers = 3"), "{made}");
}

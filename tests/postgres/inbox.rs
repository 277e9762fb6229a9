//! Jobs that an application pushes in its own transaction.

use std::process::Command;

use super::server::{new_url, programs};
use super::{Host, eventually};

/// Runs SQL as an application would, in the schema of a store; what it prints, and what it says.
pub(super) fn sql(url: &str, text: &str) -> (String, String) {
    let option = |name: &str| url.split(['?', '&']).find_map(|option| option.strip_prefix(name)).unwrap();
    let mut command = Command::new(programs().join("psql"));
    command.args(["-XAtq", "-U", "test", "-d", "postgres", "-h", option("host="), "-c", text]);
    let output = command.env("PGOPTIONS", format!("-c search_path={}", option("schema="))).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).trim().to_owned();
    (text(output.stdout), text(output.stderr))
}

#[test]
fn a_job_is_there_if_and_when_the_transaction_of_the_application_commits() {
    let mut host = Host::new(&new_url());
    host.start(&["--workers=1", "--", "sh", "-c", r#"while read -r line; do echo "{\"id\": 0}"; done"#]);
    let (pushed, said) = sql(&host.url, "BEGIN; SELECT push('mail', 'welcome', '{\"to\": 1}'); COMMIT");
    assert_eq!((&*pushed, &*said), ("1", ""));
    sql(&host.url, "BEGIN; SELECT push('mail', 'never'); ROLLBACK");
    sql(
        &host.url,
        "SELECT push('mail', 'later', priority => 5, delay => '1 hour', unique_key => 'u', label => 'l', \
         timeout => '90 seconds', max_attempts => 7, key => 'k', wake => false)",
    );
    eventually("both are jobs", || host.json(&["jobs", "list", "--json"]).as_array().unwrap().len() == 2);
    let jobs = host.json(&["jobs", "list", "--json"]);
    let of = |kind: &str| jobs.as_array().unwrap().iter().find(|job| job["type"] == kind).unwrap().clone();
    assert_eq!((of("welcome")["args"]["to"].as_i64(), of("welcome")["state"].as_str()), (Some(1), Some("ready")));
    let later = of("later");
    let found = ["queue", "state", "unique", "label", "key"].map(|member| later[member].as_str().unwrap().to_owned());
    assert_eq!(found, ["mail", "scheduled", "u", "l", "k"]);
    assert_eq!((later["priority"].as_i64(), later["max_attempts"].as_i64()), (Some(5), Some(7)));
    assert_eq!(later["timeout_s"].as_f64(), Some(90.0));
    assert_eq!(sql(&host.url, "SELECT count(*) FROM inbox").0, "0");
}

#[test]
fn what_cannot_be_a_job_fails_the_transaction_of_the_application() {
    let host = Host::new(&new_url());
    host.ok(&["push", "--", "true"]);
    for (call, why) in [
        ("push('no such queue', 't')", "queue: 1 to 100"),
        ("push('q', '')", "type: 1 to 200 bytes"),
        ("push('q', 'exec', '{\"argv\": [\"id\"]}')", "no command"),
        ("push('q', 't', '{')", "invalid input syntax for type json"),
        ("push('q', 't', priority => 101)", "priority: -100 to 100"),
        ("push('q', 't', max_attempts => 0)", "max_attempts: 1 to 1000"),
    ] {
        let (_, said) = sql(&host.url, &format!("SELECT {call}"));
        assert!(said.contains(why), "{call}: {said}");
    }
}

#[test]
fn args_that_are_nested_too_deep_stay_in_the_inbox_with_the_reason() {
    let mut host = Host::new(&new_url());
    host.ok(&["push", "--", "true"]);
    let deep = format!("{}{}", "[".repeat(200), "]".repeat(200));
    sql(&host.url, &format!("SELECT push('q', 'deep', '{deep}'); SELECT push('q', 'flat')"));
    host.start(&["--workers=1"]);
    eventually("the other is a job", || host.ok(&["jobs", "list", "--queue", "q"]).contains("flat"));
    eventually("the reason is there", || sql(&host.url, "SELECT refused FROM inbox").0.contains("nested deeper"));
}

#[test]
fn a_store_is_moved_when_all_that_applications_pushed_is_taken_in_and_takes_nothing_afterwards() {
    let mut host = Host::new(&new_url());
    host.ok(&["push", "t"]);
    sql(&host.url, "SELECT push('mail', 'welcome')");
    let file = host.home.path().join("q.db");
    let to = ["migrate", "--to", file.to_str().unwrap()];
    let (_, said, code) = host.run(&to);
    assert!(code == 5 && said.contains("no master has taken in yet"), "{said}");
    host.start(&["--workers=1", "--queue=other"]);
    eventually("both are jobs", || host.json(&["jobs", "list", "--json"]).as_array().unwrap().len() == 2);
    host.ok(&["stop"]);
    host.master.take().unwrap().wait().unwrap();
    host.ok(&to);
    let (_, said) = sql(&host.url, "SELECT push('mail', 'late')");
    assert!(said.contains("this_store_was_moved"), "{said}");
}

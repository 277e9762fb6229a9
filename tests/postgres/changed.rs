//! A server that is not as it was left: another store is behind the URL, or it has lost what it had confirmed.

use super::inbox::sql;
use super::server::new_url;
use super::way::Way;
use super::{Host, eventually};

#[test]
fn a_master_whose_store_went_back_begins_anew_and_says_so() {
    let mut host = Host::new(&new_url());
    host.start(&["--workers=1"]);
    host.ok(&["push", "--wait", "--", "true"]);
    let long = host.ok(&["push", "--", "sleep", "600"]);
    eventually("it runs", || host.state(long.trim()) == "running");
    sql(&host.url, "UPDATE applied SET batch = 1");
    let (_, said, code) = host.run(&["push", "--", "true"]);
    assert!(code == 0 || said.contains("unknown"), "{code}: {said}");
    eventually("another life of the same process runs the job again", || {
        let status: serde_json::Value = serde_json::from_str(&host.run(&["status", "--json"]).0).unwrap_or_default();
        let master = &status["master"];
        let problems = master["problems"].to_string();
        master["generation"] == 2
            && master["pid"] == host.master.as_ref().unwrap().id()
            && problems.contains("went back: the last ")
            && host.state(long.trim()) == "running"
    });
    let runs = host.json(&["runs", "--job", long.trim(), "--json"]);
    assert_eq!((runs[0]["cause"].as_str(), runs[0]["attempt"].as_u64()), (Some("master_lost"), Some(1)), "{runs}");
}

#[test]
fn a_master_ends_whose_url_leads_to_another_store() {
    let url = new_url();
    let way = Way::to(&url);
    let mut host = Host::new(&way.url);
    host.start(&["--workers=1"]);
    sql(&url, "UPDATE store SET id = 'another'");
    way.end_all();
    let ended = host.master.take().unwrap().wait().unwrap();
    assert!(!ended.success());
    let said = std::fs::read_to_string(host.log()).unwrap();
    assert!(said.contains("is another store than before"), "{said}");
}

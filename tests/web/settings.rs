//! The settings: as the command line shows them, without what may be a secret below the role of an admin.

use super::http::Page;
use crate::support::Bench;

const FILE: &str = "[keep]\naudit = \"3d\"\n[pools.mail]\nqueues = [\"mail\"]\nworkers = 1\ntimeout = \"7s\"\n\
    command = [\"sh\", \"-c\", \"read x; <b>KEY-1234</b>\"]\n[pools.mail.env]\nAPI_KEY = \"KEY-5678\"\n";

fn value(page: &Page, role: &str, key: &str) -> String {
    let all = page.as_role(role, "GET", "/api/settings", &[], "").expect(200).json();
    let one = all.as_array().expect("values").iter().find(|one| one["key"] == key).cloned();
    one.expect("the key")["value"].as_str().expect("a text").to_owned()
}

#[test]
fn a_value_shows_where_it_comes_from_and_a_secret_only_to_an_admin() {
    let bench = Bench::new();
    std::fs::write(bench.path().join("queue-work.toml"), FILE).expect("a file");
    let page = Page::start(&bench, &[]);
    let html = page.get("/settings").expect(200).body;
    let parts = [
        "keep.audit",
        "pools.mail.command",
        "queue-work.toml:2",
        "3d",
        "7s",
        "&lt;b&gt;KEY-1234",
        ".web-token",
        "href=\"/audit\"",
    ];
    for part in parts {
        assert!(html.contains(part), "{part}: {html}");
    }
    assert!(!html.contains("KEY-5678"), "variables of workers are nobody's to see: {html}");
    for role in ["viewer", "operator"] {
        let html = page.as_role(role, "GET", "/settings", &[], "").expect(200).body;
        assert!(html.contains("7s") && !html.contains("KEY-"), "{role}: {html}");
        assert_eq!(value(&page, role, "pools.mail.command"), "(hidden)");
        assert_eq!(value(&page, role, "keep.audit"), "3d");
    }
    assert!(value(&page, "admin", "pools.mail.command").contains("KEY-1234"));
    std::fs::write(bench.path().join("queue-work.toml"), "nonsense = 1\n").expect("a file");
    let wrong = page.get("/settings");
    assert!(wrong.status >= 400 && wrong.body.contains("nonsense"), "{wrong:?}");
}

//! `needs` and `sidecars`: names that there are not, and circles.

use super::*;
use crate::model::PoolName;

fn problems(pools: &[(&str, &str)]) -> Vec<String> {
    let pool = |(name, lines): &(&str, &str)| format!("[pools.{name}]\n{lines}\n");
    Case::new(&pools.iter().map(pool).collect::<String>())
        .errors()
        .into_iter()
        .map(|line| line.trim_start_matches("queue-work.toml:").to_owned())
        .collect()
}

#[test]
fn pools_may_need_others_and_have_sidecars_in_any_order_of_the_file() {
    let toml = "[pools.app]\nneeds = [\"database\", \"cache\"]\nsidecars = \"logging\"\n[pools.cache]\n[pools.database]\n\
                needs = \"cache\"\n[pools.logging]\n";
    let loaded = Case::new(toml).load();
    let supervision = &loaded.config.pools[0].settings.supervision;
    let words = |names: &[PoolName]| names.iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(
        (words(&supervision.needs), words(&supervision.sidecars)),
        (vec!["database".into(), "cache".into()], vec!["logging".into()])
    );
    let shown = show(&loaded);
    let line =
        |key: &str| shown.iter().find(|line| line.key == key).map(|line| (line.value.as_str(), line.origin.as_str()));
    assert_eq!(line("pools.app.needs"), Some(("database, cache", "file queue-work.toml:2")));
    assert_eq!(line("pools.app.sidecars"), Some(("logging", "file queue-work.toml:3")));
    assert_eq!(line("pools.cache.needs"), None);
}

#[test]
fn names_that_there_are_not_and_circles_are_named() {
    let circle = "; `needs` and `sidecars` must not go in a circle";
    let table: [(&[(&str, &str)], String); 7] = [
        (
            &[("app", "needs = [\"databse\"]"), ("database", "")],
            "2:1: `needs` names `databse`, and there is no such pool; the pools are `app`, `database`".into(),
        ),
        (
            &[("app", "sidecars = \"logging\"")],
            "2:1: `sidecars` names `logging`, and there is no such pool; the pools are `app`".into(),
        ),
        (&[("app", "needs = \"app\"")], format!("2:1: `app` begins before itself: `app` → `app`{circle}")),
        (
            &[("a", "needs = \"b\""), ("b", "needs = \"c\""), ("c", "needs = [\"a\"]")],
            format!("2:1: `a` begins before itself: `a` → `b` → `c` → `a`{circle}"),
        ),
        (
            &[("a", "sidecars = \"b\"\nneeds = \"b\""), ("b", "")],
            format!("3:1: `a` begins before itself: `a` → `b` → `a`{circle}"),
        ),
        (
            &[("a", "needs = \"b\""), ("b", "sidecars = \"a\"")],
            format!("2:1: `a` ends before itself: `a` → `b` → `a`{circle}"),
        ),
        (&[("a", "needs = 5")], "2:9: `needs` is 5; write the name of a pool in quotes, or a list of them".into()),
    ];
    for (pools, said) in table {
        assert_eq!(problems(pools), [said]);
    }
}

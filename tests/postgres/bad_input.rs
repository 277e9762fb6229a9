//! Servers and URLs that will not do: a clear error, nothing lost, and no password shown.

use super::Host;
use super::server::new_url;

#[track_caller]
fn refused(url: &str, words: &str) {
    let (out, said, code) = Host::new(url).run(&["push", "--", "true"]);
    assert_ne!(code, 0, "{out}");
    assert!(said.contains(words) && !said.contains("secret"), "{said}");
}

#[test]
fn a_server_that_is_not_there_or_refuses_is_named_without_the_password() {
    refused("postgres://u:secret@127.0.0.1:1/d", "`postgres://u@127.0.0.1:1/d` does not answer");
    let url = new_url();
    refused(&url.replace("test@/postgres", "nobody@/postgres"), "role \"nobody\" does not exist");
    refused(&url.replace("/postgres?", "/nowhere?"), "database \"nowhere\" does not exist");
}

#[test]
fn a_url_that_says_nonsense_is_refused() {
    refused("postgres://h/d?schema=a%3Bb", "is no name of a schema");
    refused("postgres://h/d?lease=1s", "is not between 5s and 10m");
    refused("postgres://h/d?lease=long", "`lease=long`");
    refused("postgres://h/d?colour=red", "colour");
    refused("mysql://h/d", "`mysql://` is no kind of store that is known");
}

#[test]
fn a_server_that_can_only_be_read_takes_nothing() {
    let url = new_url();
    Host::new(&url).ok(&["push", "--", "true"]);
    let read_only = format!("{url}&options=-c%20default_transaction_read_only%3Don");
    refused(&read_only, "read-only transaction");
    assert_eq!(Host::new(&url).json(&["jobs", "list", "--json"]).as_array().unwrap().len(), 1);
}

#[test]
fn two_stores_of_one_database_know_nothing_of_each_other() {
    let (one, other) = (Host::new(&new_url()), Host::new(&new_url()));
    one.ok(&["push", "--", "true"]);
    other.ok(&["push", "--", "false"]);
    let jobs = |host: &Host| host.json(&["jobs", "list", "--json"]);
    assert_eq!((jobs(&one).as_array().unwrap().len(), jobs(&other).as_array().unwrap().len()), (1, 1));
    assert_ne!(jobs(&one)[0]["args"], jobs(&other)[0]["args"]);
}

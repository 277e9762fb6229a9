//! A build without the feature `faults` has no failpoint in it.
#![cfg(not(feature = "faults"))]

#[path = "faults/sources.rs"]
mod sources;

#[test]
fn nothing_can_be_made_to_fail_on_purpose() {
    let program = std::fs::read(env!("CARGO_BIN_EXE_queue-work")).expect("the program");
    let names: Vec<String> =
        ["failpoint", "faulty"].into_iter().flat_map(|m| sources::uses_of(m).into_keys()).collect();
    assert!(names.len() > 80, "only {} were found in the sources", names.len());
    let variable = "QUEUE_WORK_FAIL".to_owned();
    let there: Vec<&String> = names
        .iter()
        .chain([&variable])
        .filter(|name| memchr::memmem::find(&program, name.as_bytes()).is_some())
        .collect();
    assert!(there.is_empty(), "in the program: {there:?}");
    // The search finds what is there.
    assert!(memchr::memmem::find(&program, b"QUEUE_WORK_INSTANCE").is_some());
}

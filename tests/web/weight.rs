//! What a page weighs, all told: it is looked at over slow lines, too.

use super::http::Page;
use crate::support::Bench;

/// A page with its style, its script and its icon, as they are sent.
const MOST: usize = 25 * 1024;

#[test]
fn a_full_page_is_small_and_each_answer_comes_as_the_client_understands_it() {
    let bench = Bench::new();
    let job = |n| format!("{{\"type\":\"resize\",\"args\":{{\"file\":\"{n}.png\"}}}}");
    let jobs = (0..500).map(job).collect::<Vec<_>>().join("\n");
    bench.verb(&["push", "--jsonl"]).stdin(jobs).run().expect_code(0);
    let page = Page::start(&bench, &[]);
    for path in ["/", "/jobs", "/jobs?limit=100", "/settings", "/metrics-view"] {
        let (head, size, html) = page.gzipped(path);
        assert!(head.contains("content-encoding: gzip") && head.contains("vary: accept-encoding"), "{path}: {head}");
        assert!(html.starts_with("<!DOCTYPE html>") && html.ends_with("</html>"), "{path}: {html}");
        let files = html.split('"').filter(|part| part.starts_with("/app-"));
        let files: std::collections::BTreeSet<&str> = files.collect();
        assert_eq!(files.len(), 3, "{path}: {files:?}");
        let mut all = size;
        for file in files {
            let plain = page.get(file).expect(200);
            all += match plain.body.len() {
                small if small < 1024 => small,
                _ => {
                    assert_eq!(plain.header("vary"), Some("Accept-Encoding"), "{file}: {plain:?}");
                    assert!(plain.header("content-encoding").is_none(), "{file}: {plain:?}");
                    let (_, size, text) = page.gzipped(file);
                    assert_eq!(text, plain.body, "{file}");
                    size
                }
            };
        }
        assert!(all <= MOST, "{path}: {all} bytes");
    }
}

#[test]
fn the_threads_of_the_page_share_one_arena_of_memory() {
    let bench = Bench::new();
    let page = Page::start(&bench, &[]);
    page.get("/jobs").expect(200);
    let environment = std::fs::read(format!("/proc/{}/environ", page.pid())).unwrap();
    let is_said = environment.split(|byte| *byte == 0).any(|one| one == b"MALLOC_ARENA_MAX=1");
    assert!(is_said, "{}", String::from_utf8_lossy(&environment));
    assert_eq!(std::fs::read_to_string(format!("/proc/{}/comm", page.pid())).unwrap(), "queue-work\n");
}

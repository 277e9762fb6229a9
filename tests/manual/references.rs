//! References of the manual lead somewhere: files, headings, paths of the repository, options.

use std::collections::BTreeSet;
use std::path::Path;

use super::markdown::Document;
use super::support::Bench;
use super::whole::{options, verbs};
use super::{CHAPTERS, document, root};

/// Other files whose links must lead somewhere.
const OTHERS: [&str; 3] = ["CHANGELOG.md", "examples/services/README.md", "tests/failures.md"];
/// A path that is the reader's, not ours.
const OF_THE_READER: &str = "config/queue-work.toml";
/// Folders of the repository: what begins with one of them is a path.
const FOLDERS: [&str; 9] =
    ["src/", "tests/", "docs/", "scripts/", "config/", "examples/", "migrations/", "bench/", "benches/"];

fn all() -> Vec<Document> {
    CHAPTERS.iter().chain(&OTHERS).map(|file| document(file)).collect()
}

/// Where a relative link leads, from the root of the repository.
fn target(document: &Document, path: &str) -> String {
    let folder = Path::new(&document.file).parent().expect("a file has a folder");
    let mut parts: Vec<&str> = folder.iter().filter_map(|part| part.to_str()).collect();
    for part in path.split('/') {
        match part {
            ".." => drop(parts.pop()),
            "." => {}
            part => parts.push(part),
        }
    }
    parts.join("/")
}

#[test]
fn every_link_leads_somewhere() {
    let documents = all();
    let mut dead = Vec::new();
    for document in &documents {
        for (line, link) in document.links.iter().filter(|(_, link)| !link.contains("://")) {
            let (path, anchor) = link.split_once('#').map_or((link.as_str(), None), |(path, a)| (path, Some(a)));
            let file = if path.is_empty() { document.file.clone() } else { target(document, path) };
            let headings = documents.iter().find(|d| d.file == file).map(|d| &d.anchors);
            let there = match anchor {
                None => root().join(&file).exists(),
                Some(anchor) => headings.is_some_and(|all| all.iter().any(|a| a == anchor)),
            };
            if !there {
                dead.push(format!("{}:{line}: {link}", document.file));
            }
        }
    }
    assert!(dead.is_empty(), "links that lead nowhere:\n{}", dead.join("\n"));
}

#[test]
fn every_path_of_the_repository_exists() {
    let mut missing = Vec::new();
    for document in CHAPTERS.iter().map(|file| document(file)) {
        for (line, code) in &document.code {
            let path = code.split([' ', ':']).next().unwrap_or_default();
            if path == OF_THE_READER {
                continue;
            }
            if FOLDERS.iter().any(|folder| path.starts_with(folder)) && !root().join(path).exists() {
                missing.push(format!("{}:{line}: {path}", document.file));
            }
        }
    }
    assert!(missing.is_empty(), "paths that do not exist:\n{}", missing.join("\n"));
}

#[test]
fn every_option_that_the_manual_names_exists() {
    let bench = Bench::new();
    let mut known: BTreeSet<String> = verbs(&bench).iter().flat_map(|verb| options(&bench, verb)).collect();
    known.extend(["--help", "--version"].map(str::to_owned));
    for script in ["bench", "chaos", "check", "demo"] {
        let text = std::fs::read_to_string(root().join("scripts").join(script)).expect("a script");
        known.extend(text.split(|c: char| !c.is_ascii_lowercase() && c != '-').map(str::to_owned));
    }
    let mut unknown = Vec::new();
    for document in CHAPTERS.iter().map(|file| document(file)) {
        let shown = document.blocks.iter().flat_map(|block| block.text.lines().map(|line| (block.line, line)));
        let shown = shown.filter_map(|(line, text)| Some((line, text.strip_prefix("$ ")?)));
        let code = document.code.iter().map(|(line, text)| (*line, text.as_str()));
        for (line, text) in code.chain(shown) {
            for option in own_options(text).filter(|option| !known.contains(option)) {
                unknown.push(format!("{}:{line}: {option} in {text}", document.file));
            }
        }
    }
    assert!(unknown.is_empty(), "options that do not exist:\n{}", unknown.join("\n"));
}

/// The options of queue-work in a command, or in a piece of one: up to `--`, behind which another program begins.
fn own_options(text: &str) -> impl Iterator<Item = String> {
    let begins = ["--", "push ", "jobs ", "status ", "stop ", "restart ", "spawn ", "runs ", "workers "];
    let ours = text.find("queue-work ").or_else(|| begins.iter().any(|begin| text.starts_with(begin)).then_some(0));
    let part = ours.map_or("", |at| &text[at..]);
    let words: Vec<String> = part.split_whitespace().take_while(|word| *word != "--").map(str::to_owned).collect();
    let option =
        |word: String| word.strip_prefix("--").map(|name| format!("--{}", name.split('=').next().unwrap_or(name)));
    words.into_iter().filter_map(option)
}

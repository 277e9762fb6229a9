//! A Markdown file as the manual needs it: code blocks with their markers, headings, links, and code in the text.
//!
//! Does not know Markdown beyond what the manual uses: fences of three backticks at the start of a line, `#` headings.

/// A file of the manual.
#[derive(Debug)]
pub(crate) struct Document {
    /// Its path in the repository.
    pub(crate) file: String,
    /// Its code blocks.
    pub(crate) blocks: Vec<Block>,
    /// The names by which links lead to its headings.
    pub(crate) anchors: Vec<String>,
    /// Where its links lead, with their lines.
    pub(crate) links: Vec<(usize, String)>,
    /// Code in its text, with lines.
    pub(crate) code: Vec<(usize, String)>,
}

/// A code block.
#[derive(Debug)]
pub(crate) struct Block {
    /// The line of its fence, from 1.
    pub(crate) line: usize,
    /// The word behind its fence.
    pub(crate) language: String,
    /// The instruction before it, where its language does not say enough.
    pub(crate) marker: Option<Marker>,
    /// Its lines, each with its end.
    pub(crate) text: String,
}

/// The instruction that a comment before a block gives.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Marker {
    Stays,
    Needs(String),
    File(String),
    Worker(Vec<String>),
    NotRun(String),
}

impl Marker {
    fn parse(text: &str) -> Option<Self> {
        if let Some(reason) = text.strip_prefix("not run:") {
            return Some(Self::NotRun(reason.trim().to_owned()));
        }
        let words: Vec<String> = text.split_whitespace().map(str::to_owned).collect();
        match (words.first()?.as_str(), &words[1..]) {
            ("stays", []) => Some(Self::Stays),
            ("needs", [program]) => Some(Self::Needs(program.clone())),
            ("file", [name]) => Some(Self::File(name.clone())),
            ("worker", command) if !command.is_empty() => Some(Self::Worker(command.to_vec())),
            _ => None,
        }
    }
}

impl Document {
    pub(crate) fn parse(file: &str, text: &str) -> Self {
        let (blocks, anchors, links, code) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        let mut document = Self { file: file.to_owned(), blocks, anchors, links, code };
        let mut marker = None;
        let mut numbered = text.lines().zip(1..);
        while let Some((line, number)) = numbered.next() {
            if let Some(language) = line.strip_prefix("```") {
                let inside = numbered.by_ref().map(|(line, _)| line).take_while(|line| *line != "```");
                let text = inside.fold(String::new(), |text, line| text + line + "\n");
                let language = language.trim().to_owned();
                document.blocks.push(Block { line: number, language, marker: marker.take(), text });
                continue;
            }
            assert!(marker.is_none(), "{file}:{number}: the marker before has no block");
            if let Some(said) = line.strip_prefix("<!-- test:") {
                let said = said.trim_end().trim_end_matches("-->").trim();
                marker = Some(Marker::parse(said).unwrap_or_else(|| panic!("{file}:{number}: what is `{said}`?")));
            } else if let Some(heading) = line.strip_prefix('#') {
                document.anchors.push(anchor(heading.trim_start_matches('#').trim()));
            } else {
                document.read_text(line, number);
            }
        }
        document
    }

    fn read_text(&mut self, line: &str, number: usize) {
        assert!(line.matches('`').count().is_multiple_of(2), "{}:{number}: code ends on its line", self.file);
        for (at, part) in line.split('`').enumerate() {
            if at % 2 == 1 {
                self.code.push((number, part.to_owned()));
            }
        }
        let targets = line.split("](").skip(1).filter_map(|rest| rest.split(')').next());
        self.links.extend(targets.map(|target| (number, target.to_owned())));
    }
}

/// The name that is made of a heading: small letters, digits and dashes.
fn anchor(heading: &str) -> String {
    let kept = heading.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.flat_map(char::to_lowercase).map(|c| if c == ' ' { '-' } else { c }).collect()
}

#[test]
fn a_document_is_taken_apart() {
    let text = "# A `b` c\n\nSee [x](y.md#z) and `--opt`.\n\n<!-- test: file a.txt -->\n```sh\none\n\ntwo\n```\n";
    let document = Document::parse("a.md", text);
    assert_eq!(document.anchors, ["a-b-c"]);
    assert_eq!(document.links, [(3, "y.md#z".to_owned())]);
    assert_eq!(document.code, [(3, "--opt".to_owned())]);
    let [block] = &document.blocks[..] else { panic!("{document:?}") };
    assert_eq!((block.line, block.language.as_str(), block.text.as_str()), (6, "sh", "one\n\ntwo\n"));
    assert_eq!(block.marker, Some(Marker::File("a.txt".to_owned())));
}

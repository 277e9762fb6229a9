//! Reads the text formats of Prometheus and OpenMetrics as strictly as they are written down, and holds a text against
//! what every text must keep.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

type Labels = BTreeMap<String, String>;

/// Numbers of one scrape, by name and labels.
#[derive(Default)]
pub(crate) struct Scrape {
    kinds: BTreeMap<String, String>,
    values: BTreeMap<(String, Labels), f64>,
}

impl fmt::Debug for Scrape {
    /// Without buckets and what is 0.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is_shown = |(name, value): (&str, f64)| value > 0.0 && !name.ends_with("_bucket");
        f.debug_map().entries(self.values.iter().filter(|((name, _), value)| is_shown((name, **value)))).finish()
    }
}

/// The family whose numbers are read.
#[derive(Default)]
struct Family {
    name: String,
    kind: String,
    has_numbers: bool,
}

impl Scrape {
    /// Reads a text; panics where it breaks a rule.
    #[track_caller]
    pub(crate) fn read(text: &str, is_open: bool) -> Self {
        let (mut scrape, mut family) = (Self::default(), Family::default());
        let text = if is_open { text.strip_suffix("# EOF\n").expect("the end") } else { text };
        assert!(text.ends_with('\n'), "the last line has no end");
        for line in text.split_terminator('\n') {
            match line.strip_prefix("# ") {
                Some(about) => scrape.describe(about, &mut family, is_open),
                None => scrape.number(line, &mut family, is_open),
            }
        }
        scrape.check_histograms();
        scrape
    }

    fn describe(&mut self, about: &str, family: &mut Family, is_open: bool) {
        let (word, rest) = about.split_once(' ').expect("a word");
        let (name, text) = rest.split_once(' ').expect("a name");
        match word {
            "HELP" => {
                assert!(!text.is_empty() && is_name(name), "{about}");
                *family = Family { name: name.to_owned(), ..Family::default() };
            }
            "TYPE" => {
                assert!(family.name == name && family.kind.is_empty(), "{about}");
                let known = ["counter", "gauge", "histogram"].contains(&text) || is_open && text == "info";
                assert!(known, "{about}");
                assert_eq!(text == "counter" && !is_open, name.ends_with("_total"), "{about}");
                text.clone_into(&mut family.kind);
                assert!(self.kinds.insert(name.to_owned(), text.to_owned()).is_none(), "twice: {about}");
            }
            "UNIT" => {
                assert!(is_open && family.name == name && !family.kind.is_empty() && !family.has_numbers, "{about}");
                assert!(name.ends_with(&format!("_{text}")), "{about}");
            }
            other => panic!("{other}: {about}"),
        }
    }

    fn number(&mut self, line: &str, family: &mut Family, is_open: bool) {
        let end = line.find(['{', ' ']).expect("a name");
        let (name, rest) = line.split_at(end);
        let (labels, value) = match rest.strip_prefix('{') {
            Some(rest) => labels_of(rest),
            None => (Labels::new(), rest),
        };
        let value: f64 = value.strip_prefix(' ').and_then(|value| value.parse().ok()).expect("a number");
        let ending = name.strip_prefix(&*family.name).unwrap_or_else(|| panic!("`{line}` among `{}`", family.name));
        let allowed: &[&str] = match (&*family.kind, is_open) {
            ("counter", true) => &["_total"],
            ("info", true) => &["_info"],
            ("histogram", _) => &["_bucket", "_sum", "_count"],
            _ => &[""],
        };
        assert!(allowed.contains(&ending), "`{line}` of {}", family.kind);
        assert_eq!(labels.contains_key("le"), ending == "_bucket", "{line}");
        assert!(value.is_finite() && (family.kind == "gauge" || value >= 0.0), "{line}");
        family.has_numbers = true;
        assert!(self.values.insert((name.to_owned(), labels), value).is_none(), "twice: {line}");
    }

    /// Buckets count what those below them do, too, and the last one counts all.
    fn check_histograms(&self) {
        for family in self.kinds.iter().filter(|(_, kind)| *kind == "histogram").map(|(name, _)| name) {
            let mut series: BTreeMap<Labels, Vec<(f64, f64)>> = BTreeMap::new();
            for ((_, labels), value) in self.values.iter().filter(|((name, _), _)| *name == format!("{family}_bucket"))
            {
                let mut labels = labels.clone();
                let bound = labels.remove("le").expect("a bound");
                let bound = if bound == "+Inf" { f64::INFINITY } else { bound.parse().expect("a number") };
                series.entry(labels).or_default().push((bound, *value));
            }
            for (labels, mut buckets) in series {
                buckets.sort_by(|one, other| one.0.total_cmp(&other.0));
                assert!(
                    buckets.is_sorted_by(|one, other| one.0 < other.0 && one.1 <= other.1),
                    "{labels:?}: {buckets:?}"
                );
                let of = |ending| self.values.get(&(format!("{family}{ending}"), labels.clone())).copied();
                let last = buckets.last().copied();
                assert_eq!(last, Some((f64::INFINITY, of("_count").expect("a count"))), "{family} {labels:?}");
                assert!(of("_sum").is_some(), "{family} {labels:?}");
            }
        }
    }

    /// A number, by its name and labels.
    pub(crate) fn get(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        let labels = labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        self.values.get(&(name.to_owned(), labels)).copied()
    }

    /// The sum of the numbers of this name.
    pub(crate) fn sum(&self, name: &str) -> f64 {
        self.values.iter().filter(|((found, _), _)| found == name).map(|(_, value)| value).sum()
    }

    /// The values that a label has among the numbers of this name.
    pub(crate) fn values_of(&self, name: &str, label: &str) -> BTreeSet<&str> {
        let of = self.values.keys().filter(|(found, _)| found == name);
        of.filter_map(|(_, labels)| labels.get(label).map(String::as_str)).collect()
    }

    /// The names that are described.
    pub(crate) fn families(&self) -> impl Iterator<Item = &str> {
        self.kinds.keys().map(String::as_str)
    }

    /// Whether there is a number of this name.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.values.keys().any(|(found, _)| found == name)
    }

    /// All that may only grow, by what it is.
    fn counts(&self) -> impl Iterator<Item = (&(String, Labels), f64)> {
        let endings = ["_total", "_bucket", "_sum", "_count"];
        let grows = move |name: &str| endings.iter().any(|ending| name.ends_with(ending));
        self.values.iter().filter(move |((name, _), _)| grows(name)).map(|(of, value)| (of, *value))
    }

    /// Panics if anything that may only grow was more before, or is gone.
    #[track_caller]
    pub(crate) fn comes_after(&self, before: &Self) {
        for (of, was) in before.counts() {
            let is = self.values.get(of).copied();
            assert!(is.is_some_and(|is| is >= was), "{of:?} was {was} and is {is:?}");
        }
    }
}

fn is_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_lowercase()) && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// The labels, and what follows the brace behind them.
fn labels_of(text: &str) -> (Labels, &str) {
    let (mut labels, mut rest) = (Labels::new(), text);
    loop {
        let (name, quoted) = rest.split_once("=\"").expect("a label");
        assert!(is_name(name), "{text}");
        let (mut value, mut chars) = (String::new(), quoted.char_indices());
        let end = loop {
            match chars.next().expect("the end of a text") {
                (at, '"') => break at + 1,
                (_, '\\') => value.push(match chars.next().expect("an escape").1 {
                    'n' => '\n',
                    c @ ('\\' | '"') => c,
                    other => panic!("\\{other} in {text}"),
                }),
                (_, c) => value.push(c),
            }
        };
        assert!(labels.insert(name.to_owned(), value).is_none(), "{name} twice: {text}");
        rest = &quoted[end..];
        match rest.strip_prefix(',') {
            Some(next) => rest = next,
            None => return (labels, rest.strip_prefix('}').expect("a brace")),
        }
    }
}

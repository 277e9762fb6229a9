//! Whether output is what the manual shows: what differs from one run to the next may differ, nothing else.
//!
//! The table of what may differ is in `docs/testing-the-manual.md`. Knows nothing of commands.

/// Any text in a line, or any lines.
const ANY: &str = "…";
/// Units of measured times, longest first.
const TIMES: [&str; 7] = ["ns", "µs", "ms", "s", "m", "h", "d"];
/// Of these, those that only measured times have.
const SMALL_TIMES: [&str; 3] = ["ns", "µs", "ms"];
/// Units of measured sizes.
const SIZES: [&str; 5] = ["B", "K", "M", "G", "T"];

/// A part of the shown text that stands for others of its kind.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Kind {
    /// By its form: `d` is a digit.
    Form(&'static str),
    Duration,
    Size,
    Rate,
    Percent,
    Decimal,
    Pid,
    /// `now`, `3m ago`.
    Age,
    /// `default-2`: any number behind this name.
    Worker(String),
}

/// Whether the output is as shown. With `open_end`, more may follow.
pub(crate) fn fits(shown: &str, output: &str, open_end: bool) -> bool {
    let lines = |text: &str| text.lines().map(squeezed).collect::<Vec<_>>();
    let (mut shown, output) = (lines(shown), lines(output));
    if open_end {
        shown.push(ANY.to_owned());
    }
    lines_fit(&shown, &output)
}

/// The line with one space between words, as columns are as wide as their values.
fn squeezed(line: &str) -> String {
    line.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn lines_fit(shown: &[String], output: &[String]) -> bool {
    match shown.split_first() {
        None => output.is_empty(),
        Some((first, rest)) if first == ANY => (0..=output.len()).any(|skip| lines_fit(rest, &output[skip..])),
        Some((first, rest)) => {
            output.first().is_some_and(|line| line_fits(first, line, None)) && lines_fit(rest, &output[1..])
        }
    }
}

/// Whether the rest of a line is as the rest of the shown one; `before`: the character before it.
fn line_fits(shown: &str, output: &str, before: Option<char>) -> bool {
    if let Some(rest) = shown.strip_prefix(ANY) {
        let mut ends = output.char_indices().map(|(at, _)| at).chain([output.len()]);
        return ends.any(|at| line_fits(rest, &output[at..], Some('…')));
    }
    let begins_word = before.is_none_or(|c| !c.is_alphanumeric() && !matches!(c, '.' | '+'));
    if begins_word && let Some((length, kind)) = kind_of(shown) {
        let end = shown[..length].chars().next_back();
        return length_as(&kind, output).is_some_and(|other| line_fits(&shown[length..], &output[other..], end));
    }
    let Some(c) = shown.chars().next() else { return output.is_empty() };
    output.strip_prefix(c).is_some_and(|rest| line_fits(&shown[c.len_utf8()..], rest, Some(c)))
}

/// The length and kind of the part that the text begins with, if it stands for others.
fn kind_of(text: &str) -> Option<(usize, Kind)> {
    let found = [form(text), age(text).map(|length| (length, Kind::Age)), measured(text), worker(text)]
        .into_iter()
        .flatten()
        .next()?;
    let rest = &text[found.0..];
    let goes_on = rest.starts_with(char::is_alphanumeric)
        || rest.strip_prefix('.').is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
    (!goes_on).then_some(found)
}

/// Dates and times.
fn form(text: &str) -> Option<(usize, Kind)> {
    let forms = ["dddd-dd-ddTdd:dd:dd", "dddd-dd-dd", "dd:dd:dd"];
    let form = forms.into_iter().find(|form| has_form(text, form))?;
    Some((length_of_form(text, form), Kind::Form(form)))
}

fn has_form(text: &str, form: &str) -> bool {
    let fits = |(c, f): (char, char)| if f == 'd' { c.is_ascii_digit() } else { c == f };
    text.len() >= form.len() && text.chars().zip(form.chars()).all(fits)
}

/// With a fraction of a second and the zone, where the form is that of RFC 3339.
fn length_of_form(text: &str, form: &str) -> usize {
    let rest = &text[form.len()..];
    let more = rest.trim_start_matches(|c: char| c == '.' || c.is_ascii_digit());
    match more.strip_prefix('Z') {
        Some(_) if form.contains('T') => text.len() - more.len() + 1,
        Some(_) | None => form.len(),
    }
}

/// `now`, `3m ago`.
fn age(text: &str) -> Option<usize> {
    if text.starts_with("now") {
        return Some("now".len());
    }
    let (number, _) = number(text).filter(|&(_, whole)| whole)?;
    let unit = text[number..].strip_prefix(['s', 'm', 'h', 'd'])?;
    unit.starts_with(" ago").then_some(number + "s ago".len())
}

/// Numbers that were measured, and process ids.
fn measured(text: &str) -> Option<(usize, Kind)> {
    let (number, exact) = number(text)?;
    let rest = &text[number..];
    if rest.starts_with("/s") {
        return Some((number + 2, Kind::Rate));
    }
    if rest.starts_with('%') {
        return Some((number + 1, Kind::Percent));
    }
    if let Some((length, unit)) = unit(rest, &TIMES)
        && (!exact || SMALL_TIMES.contains(&unit))
    {
        return Some((number + length, Kind::Duration));
    }
    if let Some((length, unit)) = unit(rest, &SIZES)
        && (!exact || unit == "K")
    {
        return Some((number + length, Kind::Size));
    }
    if !exact {
        return Some((number, Kind::Decimal));
    }
    (number == 5 && text.starts_with("97")).then_some((number, Kind::Pid))
}

/// The length of a number at the start, and whether it is a whole one.
fn number(text: &str) -> Option<(usize, bool)> {
    let digits = |text: &str| text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let whole = Some(digits(text)).filter(|&length| length > 0)?;
    let fraction = text[whole..].strip_prefix('.').map_or(0, digits);
    Some(if fraction > 0 { (whole + 1 + fraction, false) } else { (whole, true) })
}

/// The length of a unit at the start, a space before it counted in, and the unit.
fn unit(text: &str, units: &[&'static str]) -> Option<(usize, &'static str)> {
    let space = usize::from(text.starts_with(' '));
    let found = units.iter().find(|unit| {
        let rest = text[space..].strip_prefix(**unit);
        rest.is_some_and(|rest| !rest.starts_with(char::is_alphanumeric))
    })?;
    Some((space + found.len(), found))
}

/// `default-2`, as a whole word.
fn worker(text: &str) -> Option<(usize, Kind)> {
    let name = text.len() - text.trim_start_matches(|c: char| c.is_ascii_lowercase()).len();
    let digits = number(text[name..].strip_prefix('-')?)?;
    (name > 0 && digits.1).then(|| (name + 1 + digits.0, Kind::Worker(text[..name].to_owned())))
}

/// How long something of this kind is that the text begins with.
fn length_as(kind: &Kind, text: &str) -> Option<usize> {
    let with_unit = |units: &[&'static str]| {
        let (length, _) = number(text)?;
        Some(length + unit(&text[length..], units)?.0)
    };
    let followed_by = |end: &str| number(text).filter(|(n, _)| text[*n..].starts_with(end)).map(|(n, _)| n + end.len());
    match kind {
        Kind::Form(form) => has_form(text, form).then(|| length_of_form(text, form)),
        Kind::Duration => with_unit(&TIMES),
        Kind::Size if text.starts_with('-') => Some(1),
        Kind::Size => with_unit(&SIZES),
        Kind::Rate => followed_by("/s"),
        Kind::Percent => followed_by("%"),
        Kind::Decimal => number(text).map(|(length, _)| length),
        Kind::Pid => number(text).filter(|&(_, whole)| whole).map(|(length, _)| length),
        Kind::Age => age(text),
        Kind::Worker(name) => worker(text).filter(|(_, other)| *other == Kind::Worker(name.clone())).map(|(n, _)| n),
    }
}

#[test]
fn what_varies_may_vary() {
    for (shown, output) in [
        ("took 3.2s", "took 880ms"),
        ("in 1.1 s (3.6/s): 2 jobs", "in 12 s (449/s): 2 jobs"),
        ("0.7 jobs/s", "12 jobs/s"),
        ("default-1 97312 busy 13.5M 0%  x", "default-3   412   busy 652K 12.5%  x"),
        ("peak 9.9M x", "peak - x"),
        ("at 2026-11-21 23:23:26", "at 2027-01-01 00:00:00"),
        ("\"at\":\"2026-11-21T23:23:26Z\"", "\"at\":\"2027-01-01T00:00:00.123456Z\""),
        ("on `…/queue-work.db` (generation 1)", "on `/tmp/x/queue-work.db` (generation 1)"),
        ("3m ago  1ms", "now  2ms"),
        ("now", "12s ago"),
        ("a\n…\nb", "a\nx\ny\nb"),
        ("a\n…\nb", "a\nb"),
    ] {
        assert!(fits(shown, output, false), "{shown:?} {output:?}");
    }
    assert!(fits("a", "a\nb", true));
}

#[test]
fn everything_else_is_as_shown() {
    for (shown, output) in [
        ("job 1", "job 2"),
        ("timeout 30s", "timeout 31s"),
        ("memory +128M", "memory +64M"),
        ("took 3.2s", "took 5"),
        ("default-1", "mail-1"),
        ("version 0.1.0", "version 0.2.0"),
        ("97312", "abc"),
        ("a\nb", "a"),
        ("a", "a\nb"),
        ("a", "a\n\n"),
        ("502 jobs", "503 jobs"),
        ("in 10m", "in 9m"),
        ("now", "in 3m"),
    ] {
        assert!(!fits(shown, output, false), "{shown:?} {output:?}");
    }
}

//! Writing to stdout and stderr.
//!
//! Invariant: nothing here panics; a reader of stdout that has gone is [`Error::BrokenPipe`], which is no failure.
//! Colours are taken out where the output is no terminal, or `NO_COLOR` says so.

use std::fmt::Display;
use std::io::{BufWriter, Write};

use serde::Serialize;

use super::context::Context;
use crate::client::Client;
use crate::clock;
use crate::error::{Code, Error};
use crate::model::UnixMicros;
use crate::report::{hint, words};

/// Writes text as it is.
pub(crate) fn print(text: &str) -> Result<(), Error> {
    let mut out = anstream::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).map_err(Error::stdout)
}

/// Writes a line.
pub(crate) fn line(text: &str) -> Result<(), Error> {
    print(&format!("{text}\n"))
}

/// Writes bytes without looking at them.
pub(crate) fn raw(bytes: &[u8]) -> Result<(), Error> {
    let mut out = std::io::stdout().lock();
    out.write_all(bytes).and_then(|()| out.flush()).map_err(Error::stdout)
}

/// Passes on a line of another program on stderr; a closed stderr is ignored.
pub(crate) fn raw_error(line: &[u8]) {
    let _ = std::io::stderr().lock().write_all(&[line, b"\n"].concat());
}

/// Writes a value as one line of JSON.
pub(crate) fn json(value: &impl Serialize) -> Result<(), Error> {
    raw((to_json(value)? + "\n").as_bytes())
}

/// The same, without the end of the line.
pub(crate) fn to_json(value: &impl Serialize) -> Result<String, Error> {
    let text = serde_json::to_string(value).map_err(|e| Error::Failed(format!("cannot write JSON: {e}")))?;
    Ok(words::escape_json(text))
}

/// Says something on stderr; a closed stderr is ignored.
pub(crate) fn say(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "queue-work: {}", words::escape(&hint::complete(text)));
}

/// Says what the master has to say about its last answer. True if that came at once: what was asked for is still to come.
pub(crate) fn note(client: &mut Client) -> bool {
    client.take_note().inspect(|text| say(text)).is_some()
}

/// How a list is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ListForm {
    /// For people.
    Table,
    /// One JSON array.
    Array,
    /// One JSON object a line.
    Lines,
}

/// Columns of the terminal that stdout is; `None` where it is none, or does not say.
pub(crate) fn width() -> Option<usize> {
    screen().map(|(width, _)| width)
}

/// Columns and lines of the terminal that stdout is.
pub(crate) fn screen() -> Option<(usize, usize)> {
    let (width, height) = terminal_size::terminal_size_of(std::io::stdout())?;
    Some((width.0.into(), height.0.into())).filter(|(width, height)| *width > 0 && *height > 0)
}

impl ListForm {
    pub(crate) const fn new(json: bool, jsonl: bool) -> Self {
        match (json, jsonl) {
            (_, true) => Self::Lines,
            (true, false) => Self::Array,
            (false, false) => Self::Table,
        }
    }

    /// How many are shown where no number is given: as many as fit on the terminal, with the heading, the last line and the
    /// prompt.
    pub(crate) fn limit(self, asked: Option<u32>) -> u32 {
        let fits = screen().filter(|_| self == Self::Table).map(|(_, height)| height.saturating_sub(4).clamp(5, 50));
        asked.unwrap_or_else(|| fits.map_or(50, |rows| rows as u32))
    }

    /// How many are read of a list that shows `limit`: for people one more, which tells whether the list goes on.
    pub(crate) const fn to_read(self, limit: u32) -> u32 {
        match self {
            Self::Table => limit.saturating_add(1),
            Self::Array | Self::Lines => limit,
        }
    }
}

/// Rows of one read.
const PAGE: u32 = 500;

/// A list that is read page by page, so many rows at most.
pub(crate) struct Pages<T, R> {
    form: ListForm,
    limit: u32,
    /// Read before it is known whether there is anything.
    first: Option<Vec<T>>,
    left: u32,
    read: R,
}

impl<T: Serialize, R: FnMut(u32) -> Result<Vec<T>, Error>> Pages<T, R> {
    /// Reads the first page of a list that shows `limit`. `read`: the next rows, so many at most.
    pub(crate) fn new(form: ListForm, limit: u32, read: R) -> Result<Self, Error> {
        let mut pages = Self { form, limit, first: None, left: form.to_read(limit), read };
        pages.first = Some(pages.next()?);
        Ok(pages)
    }

    /// Whether there is no row at all, as long as nothing was taken.
    pub(crate) fn is_empty(&self) -> bool {
        self.first.as_ref().is_some_and(Vec::is_empty)
    }

    /// The next page; an empty one is the end.
    pub(crate) fn next(&mut self) -> Result<Vec<T>, Error> {
        if let Some(first) = self.first.take() {
            return Ok(first);
        }
        let page = if self.left > 0 { (self.read)(self.left.min(PAGE))? } else { Vec::new() };
        self.left -= page.len() as u32;
        Ok(page)
    }

    /// Prints a list, newest first, and how to go on below the last `id`.
    pub(crate) fn print<I: Display>(
        mut self,
        context: &Context,
        table: impl Fn(&[T], UnixMicros, Option<usize>) -> String,
        id: impl Fn(&T) -> I,
    ) -> Result<Code, Error> {
        let (now, width, limit) = (clock::wall(), width(), self.limit);
        if let Some(last) = pages(self.form, limit, || self.next(), |rows| table(rows, now, width))? {
            context.warn(&format!("{limit} of many shown; go on with `--before {}`", id(&last)));
        }
        Ok(Code::DONE)
    }
}

/// Prints pages until an empty one comes; JSON needs memory for one page only. The last that is shown, where people see
/// no more than `limit` of a list that goes on.
pub(crate) fn pages<T: Serialize>(
    form: ListForm,
    limit: u32,
    mut next: impl FnMut() -> Result<Vec<T>, Error>,
    table: impl Fn(&[T]) -> String,
) -> Result<Option<T>, Error> {
    if form == ListForm::Table {
        let mut all = Vec::new();
        loop {
            match next()? {
                page if page.is_empty() => break,
                page => all.extend(page),
            }
        }
        // Why there is nothing was said.
        if all.is_empty() {
            return Ok(None);
        }
        let goes_on = all.len() > limit as usize;
        all.truncate(limit as usize);
        print(&table(&all))?;
        return Ok(all.pop().filter(|_| goes_on));
    }
    let mut out = BufWriter::new(std::io::stdout().lock());
    write_json(&mut out, form, &mut next)?;
    out.flush().map_err(Error::stdout)?;
    Ok(None)
}

fn write_json<T: Serialize>(
    out: &mut impl Write,
    form: ListForm,
    next: &mut impl FnMut() -> Result<Vec<T>, Error>,
) -> Result<(), Error> {
    let (begin, between, end): (&[u8], &[u8], &[u8]) = match form {
        ListForm::Lines => (b"", b"\n", b""),
        ListForm::Array | ListForm::Table => (b"[", b",", b"]\n"),
    };
    out.write_all(begin).map_err(Error::stdout)?;
    let mut first = true;
    loop {
        let page = next()?;
        if page.is_empty() {
            break;
        }
        for item in &page {
            if !first {
                out.write_all(between).map_err(Error::stdout)?;
            }
            first = false;
            out.write_all(to_json(item)?.as_bytes()).map_err(Error::stdout)?;
        }
    }
    if form == ListForm::Lines && !first {
        out.write_all(b"\n").map_err(Error::stdout)?;
    }
    out.write_all(end).map_err(Error::stdout)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(form: ListForm, pages: &[&[u32]]) -> String {
        let mut left = pages.iter().map(|p| p.to_vec());
        let mut out = Vec::new();
        write_json(&mut out, form, &mut || Ok(left.next().unwrap_or_default())).expect("written");
        String::from_utf8(out).expect("UTF-8")
    }

    #[test]
    fn a_list_is_one_array_or_one_object_a_line_whatever_its_pages() {
        assert_eq!(written(ListForm::Array, &[&[1, 2], &[3]]), "[1,2,3]\n");
        assert_eq!(written(ListForm::Array, &[]), "[]\n");
        assert_eq!(written(ListForm::Lines, &[&[1, 2], &[3]]), "1\n2\n3\n");
        assert_eq!(written(ListForm::Lines, &[]), "");
    }
}

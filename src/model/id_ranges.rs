//! Jobs by their ids: single ones and ranges, as they are typed.

use serde::{Deserialize, Serialize};

use super::JobId;

/// From one id to another, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct IdRange {
    pub first: JobId,
    pub last: JobId,
}

impl std::str::FromStr for IdRange {
    type Err = String;

    /// `7`, or `3-502`.
    fn from_str(text: &str) -> Result<Self, String> {
        // No job has a number below one: who names it is told so.
        if let Some(id) = text.parse().ok().filter(|_| !text.starts_with('+')).map(JobId) {
            return Ok(Self { first: id, last: id });
        }
        let (first, last) = text.split_once('-').unwrap_or_default();
        let id = |part: &str| part.parse().ok().filter(|_| part.bytes().all(|b| b.is_ascii_digit())).map(JobId);
        match (id(first), id(last)) {
            (Some(first), Some(last)) if first <= last => Ok(Self { first, last }),
            (Some(first), Some(last)) => Err(format!("the range `{text}` is backwards; write `{last}-{first}`")),
            _ => Err(format!("`{text}` is no id of a job, nor a range of ids such as `3-502`")),
        }
    }
}

/// Some ids: ranges in order, none touching the next. In JSON pairs of the first and the last.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Vec<(JobId, JobId)>", into = "Vec<(JobId, JobId)>")]
pub struct IdRanges(Vec<IdRange>);

impl IdRanges {
    /// Whether this id is one of them.
    #[must_use]
    pub fn has(&self, id: JobId) -> bool {
        let next = self.0.partition_point(|range| range.last < id);
        self.0.get(next).is_some_and(|range| range.first <= id)
    }

    /// The ranges, ascending.
    #[must_use]
    pub fn ranges(&self) -> &[IdRange] {
        &self.0
    }
}

impl FromIterator<IdRange> for IdRanges {
    fn from_iter<I: IntoIterator<Item = IdRange>>(ranges: I) -> Self {
        let mut all: Vec<IdRange> = ranges.into_iter().filter(|range| range.first <= range.last).collect();
        all.sort_unstable();
        let mut merged: Vec<IdRange> = Vec::with_capacity(all.len());
        for range in all {
            match merged.last_mut() {
                Some(last) if range.first.0 <= last.last.0.saturating_add(1) => last.last = last.last.max(range.last),
                _ => merged.push(range),
            }
        }
        Self(merged)
    }
}

impl From<Vec<(JobId, JobId)>> for IdRanges {
    fn from(pairs: Vec<(JobId, JobId)>) -> Self {
        pairs.into_iter().map(|(first, last)| IdRange { first, last }).collect()
    }
}

impl From<IdRanges> for Vec<(JobId, JobId)> {
    fn from(ranges: IdRanges) -> Self {
        ranges.0.into_iter().map(|range| (range.first, range.last)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_and_ranges_are_read_and_anything_else_is_named() {
        let read = |text: &str| text.parse::<IdRange>().map(|range| (range.first.0, range.last.0));
        assert_eq!((read("7"), read("3-502"), read("4-4")), (Ok((7, 7)), Ok((3, 502)), Ok((4, 4))));
        assert_eq!(read("9-3"), Err("the range `9-3` is backwards; write `3-9`".into()));
        assert_eq!((read("0"), read("-5")), (Ok((0, 0)), Ok((-5, -5))));
        for wrong in ["", "-", "1-", "+1", "-5-7", "a", "1-2-3", "1..2", "99999999999999999999", "1 2"] {
            assert!(read(wrong).is_err_and(|e| e.contains("3-502")), "{wrong}");
        }
    }

    #[test]
    fn ranges_are_in_order_and_none_touches_the_next() {
        let ranges = IdRanges::from(
            [(9, 9), (1, 3), (2, 5), (6, 6), (8, 7), (i64::MAX, i64::MAX)].map(|(a, b)| (JobId(a), JobId(b))).to_vec(),
        );
        assert_eq!(serde_json::to_string(&ranges).unwrap(), format!("[[1,6],[9,9],[{0},{0}]]", i64::MAX));
        for (id, has) in [(0, false), (1, true), (6, true), (7, false), (9, true), (10, false), (i64::MAX, true)] {
            assert_eq!(ranges.has(JobId(id)), has, "{id}");
        }
    }
}

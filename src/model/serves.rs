//! The queues that the pools of a master serve, and the jobs that they take, as other masters know them.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{QueueName, Takes};

/// By queue, the words for what is taken; see [`Takes::words`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Serves(BTreeMap<QueueName, BTreeSet<String>>);

impl Serves {
    /// Whether nothing is served.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The queues.
    pub fn queues(&self) -> impl Iterator<Item = &QueueName> {
        self.0.keys()
    }

    /// Whether a job of this type is taken.
    #[must_use]
    pub fn takes(&self, queue: &QueueName, kind: &str) -> bool {
        let words: Vec<String> = self.0.get(queue).into_iter().flatten().cloned().collect();
        Takes::is_among(&words, kind)
    }

    /// By queue, what is taken.
    pub fn by_queue(&self) -> impl Iterator<Item = (&QueueName, BTreeSet<Takes>)> {
        self.0.iter().map(|(queue, words)| (queue, Takes::of_words(words.iter().map(String::as_str))))
    }

    /// Adds what another serves.
    pub fn add(&mut self, other: Self) {
        for (queue, words) in other.0 {
            self.0.entry(queue).or_default().extend(words);
        }
    }
}

impl<'a, T: IntoIterator<Item = &'a Takes>> FromIterator<(&'a QueueName, T)> for Serves {
    fn from_iter<I: IntoIterator<Item = (&'a QueueName, T)>>(queues: I) -> Self {
        let words = |takes: T| takes.into_iter().flat_map(Takes::words).map(str::to_owned).collect();
        Self(queues.into_iter().map(|(queue, takes)| (queue.clone(), words(takes))).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_one_host_serves_is_known_at_another_as_it_is() {
        let queues = ["mail", "video"].map(|name| QueueName::new(name).unwrap());
        let takes = [vec![Takes::Commands, Takes::named(["a", "b"])], vec![Takes::Others]];
        let serves: Serves = queues.iter().zip(&takes).collect();
        let text = serde_json::to_string(&serves).unwrap();
        assert_eq!(text, r#"{"mail":["a","b","exec"],"video":["*"]}"#);
        let mut known: Serves = serde_json::from_str(&text).unwrap();
        let found: Vec<_> = known.by_queue().map(|(_, takes)| takes.into_iter().collect::<Vec<_>>()).collect();
        assert_eq!(found, takes);
        assert!(known.takes(&queues[0], "exec") && known.takes(&queues[0], "a") && !known.takes(&queues[0], "c"));
        assert!(known.takes(&queues[1], "c") && !known.takes(&queues[1], "exec"));
        known.add([(&queues[1], [&Takes::Commands])].map(|(queue, takes)| (queue, takes)).into_iter().collect());
        assert!(known.takes(&queues[1], "c") && known.takes(&queues[1], "exec"));
    }
}

//! A power cut at any moment: what was written and not synced is gone, torn, or there in part.
//!
//! A run of the real program is recorded, write by write and sync by sync, with the moments at which pushes were
//! acknowledged. From the record come the files as a power cut could have left them at many moments; each is opened by
//! the program's own store and looked at. `POWER_SEED` and `POWER_IMAGES` choose which and how many.

#[path = "../shim/mod.rs"]
mod shim;
#[path = "../support/mod.rs"]
mod support;

mod check;
mod dice;
mod platter;
mod run;

use std::collections::BTreeMap;

use check::Found;
use dice::Dice;
use platter::{Left, Platter};
use run::Recording;

const SEED: u64 = 20_261_122;
const IMAGES: usize = 500;
/// How many images the program itself is started on.
const STARTS: usize = 10;

fn variable(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|e| panic!("{name} is `{text}`: {e}")))
}

/// What was found in all images of a recording.
#[derive(Debug, Default)]
struct Sum {
    images: usize,
    /// Acknowledged pushes that should have been there, over all images.
    acknowledged: usize,
    lost: usize,
    images_with_loss: usize,
    /// By what was left of the unsynced writes: images, lost.
    by_left: BTreeMap<Left, (usize, usize)>,
}

/// Cuts the power at every barrier and at moments between, as often as asked for.
fn cut(recording: &Recording, seed: u64, images: usize, mut also: impl FnMut(usize, &Found)) -> Sum {
    let mut dice = Dice::new(seed);
    let mut moments = recording.barriers();
    // Half of them at the barriers, where a wrong order shows; the others anywhere.
    while moments.len() > images / 2 {
        moments.swap_remove(dice.below(moments.len()));
    }
    let end = recording.records.len();
    moments.extend((moments.len()..images).map(|_| dice.below(end + 1)));
    moments.sort_unstable();
    let mut platter = Platter::new(recording.folder());
    let (mut sum, mut next) = (Sum::default(), 0);
    for (number, moment) in moments.into_iter().enumerate() {
        for (_, record) in &recording.records[next..moment] {
            platter.take(record);
        }
        next = moment;
        let at = if moment == 0 { 0 } else { recording.records[moment - 1].0 };
        let left = Left::ALL[dice.below(Left::ALL.len())];
        let context = format!("seed {seed}, image {number}: cut after record {moment} of {end}, {left:?} is left");
        let image = platter.image(left, &mut dice);
        let acknowledged: Vec<_> = recording.acks.iter().filter(|ack| ack.at <= at).collect();
        let found = check::look(&image, &acknowledged, &context);
        sum.images += 1;
        sum.acknowledged += acknowledged.len();
        sum.lost += found.lost.len();
        sum.images_with_loss += usize::from(!found.lost.is_empty());
        let by_left = sum.by_left.entry(left).or_default();
        *by_left = (by_left.0 + 1, by_left.1 + found.lost.len());
        also(number, &found);
    }
    sum
}

#[test]
fn a_power_cut_at_any_moment_loses_nothing_that_was_acknowledged() {
    let recording = run::record("full", false);
    let seed = variable("POWER_SEED").unwrap_or(SEED);
    let images = variable("POWER_IMAGES").map_or(IMAGES, |n| n as usize);
    let sum = cut(&recording, seed, images, |number, found| {
        assert!(found.lost.is_empty(), "lost: {} {:#?}", found.context, found.lost);
        if number % (images / STARTS).max(1) == 0 {
            check::start_on(found);
        }
    });
    println!("power cuts, durability full, seed {seed}: {sum:?}");
    assert_eq!((sum.images, sum.lost), (images, 0));
    assert!(sum.acknowledged > 10 * images, "the cuts are not where they matter: {sum:?}");
}

#[test]
fn a_power_cut_after_syncs_that_failed_loses_nothing_that_was_acknowledged_since() {
    let recording = run::record("full", true);
    let sum = cut(&recording, variable("POWER_SEED").unwrap_or(SEED), 200, |_, found| {
        assert!(found.lost.is_empty(), "lost: {} {:#?}", found.context, found.lost);
    });
    println!("power cuts after syncs that failed: {sum:?}");
}

/// The harness has teeth: what is not promised is lost.
#[test]
fn without_syncs_a_power_cut_loses_acknowledged_jobs_but_never_the_database() {
    let recording = run::record("process", false);
    let sum = cut(&recording, variable("POWER_SEED").unwrap_or(SEED), 150, |_, _| {});
    println!("power cuts, durability process: {sum:?}");
    assert!(sum.lost > 0, "nothing was lost: the harness would not notice a loss: {sum:?}");
}

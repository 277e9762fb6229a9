//! A world around the core that goes wrong in every way we can think of, from a seed.
//!
//! Virtual time; a store whose batches commit late, fail and are retried; workers that crash, hang, ignore TERM, do
//! not read, leave children behind; operators who change their minds; clocks that jump; masters that die. After
//! every turn the invariants of `check` must hold; when the faults end, every job must end and every pool must be
//! whole again (`calm`).
//!
//! `SIM_SEEDS` worlds of `SIM_STEPS` turns each are simulated; `SIM_SEED=n` replays one of them, with
//! `SIM_TRACE=1` telling everything that happens.

mod calm;
mod chance;
mod check;
mod master;
mod operator;
mod process;
mod shell;
mod store;
mod world;

use world::World;

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

#[test]
fn the_core_keeps_its_invariants_whatever_goes_wrong_and_everything_ends_well_afterwards() {
    let steps = number("SIM_STEPS").unwrap_or(3000);
    let seeds = match number("SIM_SEED") {
        Some(seed) => seed..seed + 1,
        None => 1..number("SIM_SEEDS").unwrap_or(30) + 1,
    };
    let mut total = 0;
    for seed in seeds {
        let mut world = World::new(seed);
        for _ in 0..steps {
            world.turn();
        }
        world.calm_down();
        total += world.step;
    }
    println!("{total} turns");
}

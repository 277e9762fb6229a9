//! Every verb of the command line, through the real binary: the shapes of its JSON, its exit codes, its help, its
//! configuration, and what it says of bad input.

#[path = "../support/mod.rs"]
mod support;

mod autoscale;
mod collected;
mod collected_badly;
mod completion;
mod config;
mod config_bad;
mod config_found;
mod control;
mod databases;
mod doctor;
mod environment;
mod errors;
mod exposition;
mod folders;
mod help;
mod hints;
mod interrupted;
mod logs;
mod master;
mod metrics;
mod packagers;
mod quiet;
mod records;
mod released;
mod screen;
mod shape;
mod shapes;
mod status;
mod top;
mod usage;

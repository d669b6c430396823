//! All tests of behaviour in one executable, which is linked once: each module is about one thing.
//!
//! Apart from it are only the tests that measure the memory of their own process, and those of object stores, which
//! need servers.

#[path = "../support/mod.rs"]
mod support;

mod age;
mod bad_input;
#[cfg(unix)]
mod bookkeeping;
mod colours;
mod command;
mod compare;
mod config;
mod dashboard;
mod doctor;
mod documents;
#[cfg(target_os = "linux")]
mod faults;
mod follow;
mod golden;
mod hostile;
mod house;
mod integers;
#[cfg(unix)]
mod kept;
mod large;
mod layer_detail;
mod log;
#[cfg(unix)]
mod many_runs;
mod marked_runs;
mod neighbours;
#[cfg(target_os = "linux")]
mod outside;
mod paper;
mod prices;
#[cfg(unix)]
mod problems;
mod publish;
#[cfg(unix)]
mod ranks;
mod reliability;
#[cfg(unix)]
mod restart;
mod shards;
#[cfg(unix)]
mod slips;
#[cfg(target_os = "linux")]
mod soak;
mod started;
mod steps;
mod streams;
#[cfg(target_os = "linux")]
mod terminal;
#[cfg(target_os = "linux")]
mod unread;

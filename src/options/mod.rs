//! Every option, said once: the command line goes over the configuration file, and that over the default.

pub mod cli;
pub mod config;
pub mod settings;
pub mod suggest;

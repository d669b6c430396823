//! Faults that tests provoke, to check that the figures and the terminal survive them.

/// Panics if the environment variable `NEUROTOP_FAULT` names this point. Does nothing in release builds.
#[inline]
pub fn point(name: &str) {
    if cfg!(debug_assertions) && std::env::var_os("NEUROTOP_FAULT").is_some_and(|fault| fault == name) {
        panic!("a fault was provoked: {name}");
    }
}

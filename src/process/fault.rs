//! Faults that tests provoke, to see that the figures and the terminal survive them.

/// Panics where the environment variable `NEUROTOP_FAULT` names this point; in released builds it does
/// nothing.
#[inline]
pub fn point(name: &str) {
    if cfg!(debug_assertions) && std::env::var_os("NEUROTOP_FAULT").is_some_and(|fault| fault == name) {
        panic!("a fault was provoked: {name}");
    }
}

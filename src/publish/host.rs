//! The hosts that a request may be meant for.
//!
//! A page of a stranger can have its own name resolve to this machine, and a browser that shows the page then lets
//! it read what is served here ("DNS rebinding"). The request names the stranger's host, which tells it from others.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

/// The hosts that a request may be meant for.
#[derive(Debug)]
pub(super) enum Hosts {
    /// Addresses, localhost, and this machine's name where it has one: what is served on loopback is for this
    /// machine alone.
    Own(Option<String>),
    /// Any: what is served to other machines is theirs to name.
    Any,
}

impl Hosts {
    /// Those of a server at an address.
    pub(super) fn of(address: SocketAddr) -> Self {
        if address.ip().is_loopback() { Self::Own(machine()) } else { Self::Any }
    }

    /// Whether a request with this `Host` may be answered.
    pub(super) fn have(&self, host: &str) -> bool {
        let Self::Own(machine) = self else { return true };
        let name = without_port(host.trim());
        // Nobody can have an address resolve to another one. Whoever sends nothing is no browser.
        if name.is_empty() || is_address(name) {
            return true;
        }
        let name = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
        name == "localhost" || name.ends_with(".localhost") || machine.as_ref() == Some(&name)
    }
}

fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    }
}

fn is_address(name: &str) -> bool {
    match name.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        Some(inside) => inside.parse::<Ipv6Addr>().is_ok(),
        None => name.parse::<IpAddr>().is_ok(),
    }
}

/// This machine's name.
#[cfg(unix)]
fn machine() -> Option<String> {
    rustix::system::uname().nodename().to_str().ok().map(str::to_ascii_lowercase)
}

#[cfg(not(unix))]
fn machine() -> Option<String> {
    std::env::var("COMPUTERNAME").ok().map(|name| name.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_a_stranger_cannot_have_resolve_elsewhere_is_served_on_loopback() {
        let own = Hosts::Own(Some("node7".into()));
        for host in [
            "",
            "127.0.0.1:9464",
            "127.0.0.1",
            "10.0.0.3:1",
            "[::1]:9464",
            "[::1]",
            "localhost",
            "LOCALHOST:9464",
            "localhost.:9464",
            "a.localhost",
            "Node7:9464",
        ] {
            assert!(own.have(host), "{host}");
        }
        for host in [
            "evil.example",
            "evil.example:9464",
            "localhost.evil.example",
            "notlocalhost",
            "node7.evil.example",
            "127.0.0.1.evil.example",
            "127.0.0.1:9464.evil.example",
            "[::1].evil.example",
            "[evil.example]",
            "::1:x",
        ] {
            assert!(!own.have(host), "{host}");
            assert!(Hosts::of("0.0.0.0:9464".parse().expect("an address")).have(host), "{host}");
        }
        let on_loopback = Hosts::of("127.0.0.1:9464".parse().expect("an address"));
        assert!(!on_loopback.have("evil.example"));
        assert!(machine().is_none_or(|name| on_loopback.have(&name)));
    }
}

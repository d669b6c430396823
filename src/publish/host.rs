//! The hosts that a request may be meant for.
//!
//! A page of a stranger can have its own name resolve to this machine, and a browser that shows the page then lets
//! it read what is served here ("DNS rebinding"). The request names the stranger's host, which tells it from others.

use crate::platform::machine_name;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

/// The hosts that a request may be meant for.
#[derive(Debug)]
pub(super) enum Hosts {
    /// Addresses, localhost, and this machine's name if it has one: on loopback only this machine is served.
    Own(Option<String>),
    /// Any name: other machines may know this one by a name of their own.
    Any,
}

impl Hosts {
    /// Those of a server at an address.
    pub(super) fn served_at(address: SocketAddr) -> Self {
        if address.ip().is_loopback() {
            Self::Own(machine_name().map(|name| name.to_ascii_lowercase()))
        } else {
            Self::Any
        }
    }

    /// Whether a request with this `Host` may be answered.
    pub(super) fn include(&self, host: &str) -> bool {
        let Self::Own(machine) = self else { return true };
        let name = without_port(host.trim());
        // An address cannot be made to resolve elsewhere, and a browser always sends a host.
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
            assert!(own.include(host), "{host}");
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
            assert!(!own.include(host), "{host}");
            assert!(Hosts::served_at("0.0.0.0:9464".parse().expect("an address")).include(host), "{host}");
        }
        let on_loopback = Hosts::served_at("127.0.0.1:9464".parse().expect("an address"));
        assert!(!on_loopback.include("evil.example"));
        assert!(machine_name().is_none_or(|name| on_loopback.include(&name)));
    }
}

//! Where the OpenMetrics text goes: into a file, or to anyone who asks at an address.

use std::ffi::OsString;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;

/// A file to write, or an address to serve at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// The text replaces this file every few seconds.
    File(PathBuf),
    /// The text is served here, over HTTP.
    Address(SocketAddr),
}

impl TryFrom<OsString> for Target {
    type Error = String;

    /// As a text, if it is one; otherwise it is a file.
    fn try_from(given: OsString) -> Result<Self, String> {
        given.into_string().map_or_else(|path| Ok(Self::File(path.into())), |text| text.parse())
    }
}

impl FromStr for Target {
    type Err = String;

    /// `PORT`, `:PORT` and `localhost:PORT` are on loopback. Other addresses are numbers. Anything else is a file.
    fn from_str(text: &str) -> Result<Self, String> {
        if text.is_empty() {
            return Err("give a file or an address, as in 127.0.0.1:9464".into());
        }
        if let Ok(address) = text.parse() {
            return Ok(Self::Address(address));
        }
        let (host, port) = text.rsplit_once(':').unwrap_or(("", text));
        let is_port = !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
        if !is_port || host.contains(['/', '\\']) {
            return Ok(Self::File(text.into()));
        }
        let port = port.parse().map_err(|_| format!("{port} is no port; give one between 1 and 65535"))?;
        match host {
            "" | "localhost" => Ok(Self::Address(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port))),
            _ => Err(format!(
                "{host:?} is no address of this machine in numbers, as in 127.0.0.1:9464 or [::1]:9464; a file \
                 of this name is ./{text}"
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_looks_like_an_address_is_one_and_a_bare_port_is_on_loopback() {
        for (text, address) in [
            ("9464", "127.0.0.1:9464"),
            (":9464", "127.0.0.1:9464"),
            ("localhost:9464", "127.0.0.1:9464"),
            ("127.0.0.1:0", "127.0.0.1:0"),
            ("0.0.0.0:9464", "0.0.0.0:9464"),
            ("[::1]:9464", "[::1]:9464"),
        ] {
            let expected = Target::Address(address.parse().expect("an address"));
            assert_eq!(text.parse(), Ok(expected), "{text}");
        }
        for file in ["neurotop.prom", "./9464", "a:b", "out/localhost:9464", "1.2.3.4"] {
            assert_eq!(file.parse(), Ok(Target::File(file.into())), "{file}");
        }
        for wrong in ["", "99999", ":65536", "node7:9464", "300.0.0.1:9464"] {
            assert!(wrong.parse::<Target>().is_err(), "{wrong}");
        }
    }
}

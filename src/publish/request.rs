//! Reads the head of an HTTP request, within bounds of size and time, and decides on the answer.

use super::host::Hosts;
use std::io::{self, Read};
use std::net::TcpStream;
use std::time::Instant;

/// The longest head, in bytes, and the most fields in it.
const MAX_HEAD: usize = 8192;
const MAX_FIELDS: usize = 64;

/// The answer to a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum HttpAnswer {
    /// The metrics, or only their head.
    Metrics {
        /// False for HEAD.
        with_body: bool,
    },
    /// The request is not HTTP.
    BadRequest,
    /// It is meant for another host.
    Misdirected,
    /// There is nothing but `/metrics`.
    NotFound,
    /// Only GET and HEAD are allowed.
    MethodNotAllowed,
    /// The request did not come in time.
    TimedOut,
    /// Its head is too large.
    TooLarge,
    /// There are too many clients, and this one was slow.
    Busy,
}

impl HttpAnswer {
    /// The status line of HTTP.
    pub(super) fn phrase(self) -> &'static str {
        match self {
            Self::Metrics { .. } => "200 OK",
            Self::BadRequest => "400 Bad Request",
            Self::Misdirected => "421 Misdirected Request",
            Self::NotFound => "404 Not Found",
            Self::MethodNotAllowed => "405 Method Not Allowed",
            Self::TimedOut => "408 Request Timeout",
            Self::TooLarge => "431 Request Header Fields Too Large",
            Self::Busy => "503 Service Unavailable",
        }
    }

    pub(super) fn advice(self) -> &'static str {
        match self {
            Self::Misdirected => {
                ": the figures are served to this machine alone, under its addresses, localhost and its own name; \
                 ask for one of these, or serve them to others as --openmetrics 0.0.0.0:9464 does"
            }
            Self::NotFound => ": ask for /metrics",
            Self::Busy => ": too many clients ask at the same time; ask again",
            _ => "",
        }
    }
}

/// Reads the head of a request by a deadline; only requests for these hosts are answered.
///
/// # Errors
/// If the client goes away.
pub(super) fn read_request(
    mut stream: &TcpStream,
    hosts: &Hosts,
    deadline: Instant,
) -> io::Result<HttpAnswer> {
    let mut head = Vec::new();
    let mut piece = [0; 1024];
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(HttpAnswer::TimedOut);
        }
        stream.set_read_timeout(Some(left))?;
        match stream.read(&mut piece) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(read) => head.extend(&piece[..read]),
            Err(error) if is_timeout(&error) => return Ok(HttpAnswer::TimedOut),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
        if let Some(answer) = parse(&head, hosts) {
            return Ok(answer);
        }
    }
}

fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)
}

/// The answer to a head; `None` while it is not whole.
fn parse(head: &[u8], hosts: &Hosts) -> Option<HttpAnswer> {
    let mut fields = [httparse::EMPTY_HEADER; MAX_FIELDS];
    let mut request = httparse::Request::new(&mut fields);
    match request.parse(head) {
        Ok(httparse::Status::Partial) if head.len() >= MAX_HEAD => Some(HttpAnswer::TooLarge),
        Ok(httparse::Status::Partial) => None,
        Err(httparse::Error::TooManyHeaders) => Some(HttpAnswer::TooLarge),
        Err(_) => Some(HttpAnswer::BadRequest),
        Ok(httparse::Status::Complete(_)) if !is_meant_for(hosts, request.headers) => {
            Some(HttpAnswer::Misdirected)
        }
        Ok(httparse::Status::Complete(_)) => Some(answer_to(request.method?, request.path?)),
    }
}

/// Whether every host that the request names is one of these.
fn is_meant_for(hosts: &Hosts, fields: &[httparse::Header<'_>]) -> bool {
    let named = fields.iter().filter(|field| field.name.eq_ignore_ascii_case("host"));
    named.into_iter().all(|field| hosts.include(&String::from_utf8_lossy(field.value)))
}

fn answer_to(method: &str, path: &str) -> HttpAnswer {
    let path = path.split_once('?').map_or(path, |(path, _)| path);
    match (path, method) {
        ("/metrics", "GET") => HttpAnswer::Metrics { with_body: true },
        ("/metrics", "HEAD") => HttpAnswer::Metrics { with_body: false },
        ("/metrics", _) => HttpAnswer::MethodNotAllowed,
        (_, "GET" | "HEAD") => HttpAnswer::NotFound,
        _ => HttpAnswer::MethodNotAllowed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn only_metrics_can_be_had_and_only_read() {
        let hosts = Hosts::Own(None);
        for (head, answer) in [
            (
                &b"GET /metrics HTTP/1.1\r\nHost: [::1]:9464\r\n\r\n"[..],
                Some(HttpAnswer::Metrics { with_body: true }),
            ),
            (b"GET /metrics HTTP/1.1\r\nHOST:evil.example\r\n\r\n", Some(HttpAnswer::Misdirected)),
            (
                b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nhost: evil.example\r\n\r\n",
                Some(HttpAnswer::Misdirected),
            ),
            (b"GET /metrics HTTP/1.1\r\nHost: \xff\r\n\r\n", Some(HttpAnswer::Misdirected)),
            (b"GET /metrics?a=b HTTP/1.0\r\n\r\n", Some(HttpAnswer::Metrics { with_body: true })),
            (b"HEAD /metrics HTTP/1.1\r\n\r\n", Some(HttpAnswer::Metrics { with_body: false })),
            (b"GET / HTTP/1.1\r\n\r\n", Some(HttpAnswer::NotFound)),
            (b"GET /../metrics HTTP/1.1\r\n\r\n", Some(HttpAnswer::NotFound)),
            (b"POST /metrics HTTP/1.1\r\nContent-Length: 9\r\n\r\n", Some(HttpAnswer::MethodNotAllowed)),
            (b"DELETE /x HTTP/1.1\r\n\r\n", Some(HttpAnswer::MethodNotAllowed)),
            (b"\x16\x03\x01\x02\0\x01", Some(HttpAnswer::BadRequest)),
            (b"GET /metrics HTTP/1.1\r\nHost", None),
        ] {
            assert_eq!(parse(head, &hosts), answer, "{:?}", String::from_utf8_lossy(head));
        }
        let many = format!("GET /metrics HTTP/1.1\r\n{}\r\n", "a: b\r\n".repeat(MAX_FIELDS + 1));
        assert_eq!(parse(many.as_bytes(), &hosts), Some(HttpAnswer::TooLarge));
        let long = format!("GET /metrics HTTP/1.1\r\na: {}", "b".repeat(MAX_HEAD));
        assert_eq!(parse(long.as_bytes(), &hosts), Some(HttpAnswer::TooLarge));
    }

    proptest! {
        #[test]
        fn no_head_is_too_strange(head in prop::collection::vec(any::<u8>(), 0..200)) {
            prop_assert!(!matches!(parse(&head, &Hosts::Any), Some(HttpAnswer::Busy | HttpAnswer::TimedOut)));
        }
    }
}

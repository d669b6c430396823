//! Parses the URL of a run in an object store. Secrets in it do not leave this file.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::sync::{LazyLock, Mutex, PoisonError};

/// The advice for a URL with an unknown scheme.
const SCHEMES: &str = "s3://, gs://, az://, http:// or https://";

/// The logins that were in URLs, as `user:password`, by the URL of the server. Kept here so that no run's name contains
/// one.
static LOGINS: LazyLock<Mutex<HashMap<String, String>>> = LazyLock::new(Mutex::default);

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Scheme {
    /// Amazon S3 and compatible stores.
    S3,
    Gs,
    Az,
    Http,
}

#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(not(feature = "object-store"), allow(dead_code))]
pub(super) struct Address {
    pub(super) scheme: Scheme,
    /// The URL of the bucket or server alone.
    pub(super) store: String,
    pub(super) bucket: String,
    /// The key without slashes at its ends: percent-encoded for HTTP, literal otherwise.
    pub(super) key: String,
}

impl Address {
    /// # Errors
    /// If nothing can be read at such a URL; the text is for the user.
    pub(super) fn parse(path: &Path) -> Result<Self, String> {
        let text = path.to_str().ok_or("it is not UTF-8")?;
        let (name, rest) = text.split_once("://").ok_or("it is not a URL")?;
        let scheme = match name {
            "s3" => Scheme::S3,
            "gs" => Scheme::Gs,
            "az" => Scheme::Az,
            "http" | "https" => Scheme::Http,
            _ => return Err(format!("runs cannot be read from {name}://; name one as {SCHEMES}")),
        };
        let (bucket, key) = rest.split_once('/').unwrap_or((rest, ""));
        if bucket.is_empty() {
            return Err(format!("the URL names no {}", scheme.container()));
        }
        // A bucket's name is sent as it is.
        let is_sent = |byte: u8| byte.is_ascii_alphanumeric() || b"-._:$".contains(&byte);
        if scheme != Scheme::Http && !bucket.bytes().all(is_sent) {
            return Err(format!("no {} has the name {bucket:?}", scheme.container()));
        }
        Ok(Self {
            scheme,
            store: format!("{name}://{bucket}"),
            bucket: bucket.into(),
            key: key.trim_matches('/').into(),
        })
    }

    /// The login for its server, as `user:password`.
    #[cfg(feature = "object-store")]
    pub(super) fn login(&self) -> Option<String> {
        LOGINS.lock().unwrap_or_else(PoisonError::into_inner).get(&self.store).cloned()
    }
}

impl Scheme {
    /// What the user calls the first part of such a URL.
    pub(super) fn container(self) -> &'static str {
        match self {
            Self::S3 | Self::Gs => "bucket",
            Self::Az => "container",
            Self::Http => "server",
        }
    }
}

pub fn is_url(path: &Path) -> bool {
    let Some((scheme, _)) = path.to_str().and_then(|text| text.split_once("://")) else { return false };
    // A single letter is a Windows drive.
    scheme.len() > 1 && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
}

/// Turns the path that a user gave into one that may be shown. A URL loses its login, which is remembered for the
/// server, and its query, which may be a signature and is never needed to list.
pub fn location(given: &OsStr) -> PathBuf {
    let path = PathBuf::from(given);
    if !is_url(&path) {
        return path;
    }
    let Some((scheme, rest)) = path.to_str().and_then(|text| text.split_once("://")) else { return path };
    let (server, key) = rest.split_once('/').unwrap_or((rest, ""));
    let is_http = matches!(scheme, "http" | "https");
    let (login, server) = match server.rsplit_once('@') {
        Some((login, server)) => (Some(login), server),
        None => (None, server),
    };
    let without_query = |text: &str| text.split(['?', '#']).next().unwrap_or_default().to_owned();
    let (server, key) =
        if is_http { (without_query(server), without_query(key)) } else { (server.into(), key.to_owned()) };
    let store = format!("{scheme}://{server}");
    if let Some(login) = login {
        let (user, password) = login.split_once(':').unwrap_or((login, ""));
        let login = format!("{}:{}", decoded(user), decoded(password));
        LOGINS.lock().unwrap_or_else(PoisonError::into_inner).insert(store.clone(), login);
    }
    let key = key.trim_matches('/');
    if key.is_empty() { store.into() } else { format!("{store}/{key}").into() }
}

/// Decodes the `%xx` of a URL.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, behind)) = rest.split_first() {
        let code = behind.get(..2).filter(|_| byte == b'%');
        let code = code.and_then(|code| str::from_utf8(code).ok());
        match code.and_then(|code| u8::from_str_radix(code, 16).ok()) {
            Some(code) => {
                bytes.push(code);
                rest = &behind[2..];
            }
            None => {
                bytes.push(byte);
                rest = behind;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_a_url_and_what_is_a_path() {
        for url in ["s3://bucket/run", "http://host", "ftp://host/x"] {
            assert!(is_url(Path::new(url)), "{url}");
        }
        for path in ["runs/exp1", "/a://b", "c://runs", "s3:/bucket", "://x", ""] {
            assert!(!is_url(Path::new(path)), "{path}");
        }
    }

    #[test]
    fn logins_and_queries_are_no_part_of_the_name() {
        let shown = |text: &str| location(OsStr::new(text)).to_string_lossy().into_owned();
        assert_eq!(shown("http://ann:p%40ss@localhost:81/runs/a/?sig=x#y"), "http://localhost:81/runs/a");
        assert_eq!(shown("s3://key:secret@bucket/run?1/"), "s3://bucket/run?1");
        assert_eq!(shown("https://host?token=1"), "https://host");
        assert_eq!(shown("runs/a@b"), "runs/a@b");
        let logins = LOGINS.lock().unwrap_or_else(PoisonError::into_inner);
        assert_eq!(logins.get("http://localhost:81").map(String::as_str), Some("ann:p@ss"));
    }

    #[test]
    fn urls_are_taken_apart_or_refused() {
        let address = Address::parse(Path::new("s3://bucket/a/run")).expect("an address");
        assert_eq!((address.store.as_str(), address.key.as_str()), ("s3://bucket", "a/run"));
        let whole = Address::parse(Path::new("gs://bucket")).expect("an address");
        assert_eq!(whole.key, "");
        for (url, said) in [
            ("ftp://host/x", "ftp://"),
            ("s3:///x", "no bucket"),
            ("http://", "no server"),
            ("s3://my bucket/x", "no bucket has the name"),
            ("az://x?y/z", "no container has the name"),
        ] {
            let why = Address::parse(Path::new(url)).expect_err("refused");
            assert!(why.contains(said), "{why}");
        }
    }
}

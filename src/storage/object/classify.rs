//! Turns errors of the object store library into errors for the user, which contain nothing of a request but its outcome.
//!
//! An error is classified by its kind where it has one. But the library keeps the types behind most errors private
//! (`RetryError`, and all that WebDAV answers): status, error code and request are in the error's text alone. Only
//! this file reads that text. `tests/object-stores/` checks it against real servers.

use crate::storage::StoreError;
use crate::storage::address::{Address, Scheme};
use object_store::Error;
use std::error::Error as _;

/// The most characters of a foreign message that are shown.
const MOST: usize = 160;

/// Without credentials, the library asks the metadata servers of the cloud. An error from there means that there are
/// none.
const METADATA_SERVERS: [&str; 4] =
    ["/latest/api/token", "/latest/meta-data", "/computeMetadata/", "/metadata/identity"];

pub(super) fn classify_error(error: &Error, address: &Address) -> StoreError {
    let text = error.to_string();
    if matches!(code(&text), Some("NoSuchBucket" | "ContainerNotFound"))
        || text.contains("bucket does not exist")
    {
        let what = format!("there is no {} {:?}", address.scheme.container(), address.bucket);
        return StoreError::lasting(what, "check the URL, the endpoint and the region");
    }
    let lacks_credentials = METADATA_SERVERS.iter().any(|place| text.contains(place));
    let is_refused = match error {
        Error::PermissionDenied { .. } | Error::Unauthenticated { .. } => true,
        _ => matches!(status(&text), Some(401 | 403)) && !lacks_credentials,
    };
    if is_refused {
        let what = format!("the store refuses access{}", in_brackets(code(&text)));
        return StoreError::lasting(what, credentials(address));
    }
    match error {
        Error::NotFound { .. } => StoreError::lasting("it is gone", "write it again if it should be counted"),
        Error::Precondition { .. } => replaced(),
        Error::InvalidPath { source } => {
            let what = format!("a key there cannot be read: {}", short(&source.to_string()));
            StoreError::lasting(what, "move it to another prefix")
        }
        Error::NotSupported { .. } if address.scheme == Scheme::Http => StoreError::lasting(
            "the server gives no part of a file (range requests)",
            "copy the run to a directory",
        ),
        _ if lacks_credentials => StoreError::lasting("there are no credentials", credentials(address)),
        _ => from_answer(error, &text, address),
    }
}

/// Classifies an error of a client that could not be made. Nothing was requested yet.
pub(super) fn unusable_settings(error: &Error, address: &Address) -> StoreError {
    let cause = short(&error.source().map_or_else(|| error.to_string(), ToString::to_string));
    match address.scheme {
        Scheme::Http => StoreError::lasting(format!("no server has this URL: {cause}"), "correct the URL"),
        _ => {
            let what = format!("the settings in the environment cannot be used: {cause}");
            StoreError::lasting(what, credentials(address))
        }
    }
}

/// An object that is not any more what it was when it was first read.
pub(super) fn replaced() -> StoreError {
    StoreError::passing("it was replaced while it was read", "leave batches as they are; it is read again")
}

/// Classifies an error response without a kind of its own, and the lack of any response.
fn from_answer(error: &Error, text: &str, address: &Address) -> StoreError {
    if let Some(status) = status(text) {
        let is_listing = address.scheme == Scheme::Http && text.contains("PROPFIND");
        if is_listing && matches!(status, 400 | 404 | 405 | 501) {
            return no_listing();
        }
        let what = format!("the store answered {status}{}", in_brackets(code(text)));
        return if status >= 500 || matches!(status, 408 | 429) {
            StoreError::passing(what, "it is tried again; wait, or write less at once")
        } else {
            StoreError::lasting(what, "check the URL, the endpoint and the region")
        };
    }
    if text.contains("PROPFIND response") {
        return no_listing();
    }
    if text.contains("redirect without LOCATION") {
        return StoreError::lasting("the bucket is in another region", "set AWS_REGION");
    }
    let cause = short(&innermost(error));
    StoreError::passing(
        format!("the store cannot be reached: {cause}"),
        "check the network and the endpoint; it is tried again",
    )
}

fn no_listing() -> StoreError {
    StoreError::lasting(
        "this server cannot list what is there: it does not speak WebDAV (PROPFIND)",
        "turn WebDAV on, or copy the run to a directory",
    )
}

/// How the user gives credentials.
fn credentials(address: &Address) -> &'static str {
    match address.scheme {
        Scheme::S3 => {
            "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_SKIP_SIGNATURE=true for a public bucket"
        }
        Scheme::Gs => "set GOOGLE_APPLICATION_CREDENTIALS to the file of a service account",
        Scheme::Az => "set AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ACCOUNT_KEY",
        Scheme::Http => "give the login in the URL, as in http://user:password@host/run",
    }
}

/// The `<Code>` of an XML error response, if it looks like one.
fn code(text: &str) -> Option<&str> {
    let (_, rest) = text.split_once("<Code>")?;
    let (code, _) = rest.split_once("</Code>")?;
    (code.len() <= 64 && code.bytes().all(|byte| byte.is_ascii_alphanumeric())).then_some(code)
}

fn status(text: &str) -> Option<u16> {
    let (_, rest) = text.split_once("non-2xx status code: ")?;
    rest.get(..3)?.parse().ok()
}

fn in_brackets(code: Option<&str>) -> String {
    code.map_or(String::new(), |code| format!(" ({code})"))
}

/// The message of the error's root cause.
fn innermost(error: &Error) -> String {
    let mut deepest: &dyn std::error::Error = error;
    while let Some(source) = deepest.source() {
        deepest = source;
    }
    deepest.to_string()
}

/// The beginning of a message, without secrets in its URLs.
fn short(text: &str) -> String {
    let words: Vec<String> = text.split(' ').map(without_secrets).collect();
    words.join(" ").chars().take(MOST).collect()
}

/// A word; a URL loses its login and its query.
fn without_secrets(word: &str) -> String {
    let Some((scheme, rest)) = word.split_once("://") else { return word.to_owned() };
    let rest = rest.split('?').next().unwrap_or_default();
    let (server, path) = rest.split_once('/').map_or((rest, String::new()), |(s, p)| (s, format!("/{p}")));
    let server = server.rsplit('@').next().unwrap_or_default();
    format!("{scheme}://{server}{path}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    fn classified(error: Error) -> StoreError {
        classify_error(&error, &Address::parse(Path::new("s3://bucket/run")).expect("an address"))
    }

    fn generic(text: &str) -> Error {
        Error::Generic { store: "S3", source: text.to_owned().into() }
    }

    #[test]
    fn what_may_pass_is_told_from_what_stays() {
        let busy =
            classified(generic("x - Server returned non-2xx status code: 503 Busy: <Code>SlowDown</Code>"));
        assert_eq!((busy.to_string().as_str(), busy.is_passing), ("the store answered 503 (SlowDown)", true));
        let wrong = classified(generic(
            "x - Server returned non-2xx status code: 400 Bad Request: <Code>\u{1b}[2J</Code>",
        ));
        assert_eq!((wrong.to_string().as_str(), wrong.is_passing), ("the store answered 400", false));
        let gone = classified(generic("Connection refused (os error 111)"));
        assert!(gone.is_passing && gone.to_string().contains("Connection refused"), "{gone}");
    }

    #[test]
    fn a_kind_decides_and_else_the_text_of_the_answer() {
        let denied = classified(Error::PermissionDenied { path: "run".into(), source: "closed".into() });
        assert_eq!((denied.to_string().as_str(), denied.is_passing), ("the store refuses access", false));
        for (text, what) in [
            (
                "Error performing PUT http://169.254.169.254/latest/api/token in 1s",
                "there are no credentials",
            ),
            (
                "x - Server returned non-2xx status code: 404 Not Found: <Code>NoSuchBucket</Code>",
                "there is no bucket \"bucket\"",
            ),
            (
                "Received redirect without LOCATION, this normally indicates",
                "the bucket is in another region",
            ),
        ] {
            let error = classified(generic(text));
            assert_eq!((error.to_string().as_str(), error.is_passing), (what, false));
        }
    }

    #[test]
    fn neither_logins_nor_signatures_are_repeated() {
        let error = classified(generic("error for url (http://ann:secret@host/run?sig=abc) timed out"));
        let said = error.to_string();
        assert!(
            said.contains("http://host/run") && !said.contains("secret") && !said.contains("abc"),
            "{said}"
        );
    }
}

//! Makes the library's clients from the environment, and refuses what it would panic about.

use crate::storage::StoreError;
use crate::storage::address::Address;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey};
use object_store::azure::{AzureConfigKey, MicrosoftAzureBuilder};
use object_store::gcp::{GoogleCloudStorageBuilder, GoogleConfigKey};
use object_store::http::HttpBuilder;
use object_store::{ClientConfigKey, ClientOptions, HeaderMap, HeaderValue};
use reqwest::Url;
use std::env;

/// How long connecting, a pause within a response, and a whole request may take.
const TIMEOUTS: [(ClientConfigKey, &str); 3] = [
    (ClientConfigKey::ConnectTimeout, "5 seconds"),
    (ClientConfigKey::ReadTimeout, "20 seconds"),
    (ClientConfigKey::Timeout, "120 seconds"),
];

/// The ends of the names of variables that become parts of requests.
const IN_REQUESTS: [&str; 4] = ["_ACCESS_KEY_ID", "_TOKEN", "_REGION", "_ACCOUNT_NAME"];

pub(super) fn s3(address: &Address) -> Result<AmazonS3Builder, StoreError> {
    check("AWS_")?;
    let mut builder = AmazonS3Builder::from_env().with_bucket_name(&address.bucket);
    for (key, value) in TIMEOUTS {
        builder = builder.with_config(AmazonS3ConfigKey::Client(key), value);
    }
    // The aws command falls back to this variable too.
    if env::var_os("AWS_REGION").is_none()
        && let Ok(region) = env::var("AWS_DEFAULT_REGION")
    {
        builder = builder.with_region(region);
    }
    if is_plain(&["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT"])? {
        builder = builder.with_allow_http(true);
    }
    Ok(builder)
}

pub(super) fn gs(address: &Address) -> Result<GoogleCloudStorageBuilder, StoreError> {
    check("GOOGLE_")?;
    let mut builder = GoogleCloudStorageBuilder::from_env().with_bucket_name(&address.bucket);
    for (key, value) in TIMEOUTS {
        builder = builder.with_config(GoogleConfigKey::Client(key), value);
    }
    if is_plain(&["GOOGLE_BASE_URL"])? {
        builder = builder.with_config(GoogleConfigKey::Client(ClientConfigKey::AllowHttp), "true");
    }
    Ok(builder)
}

pub(super) fn az(address: &Address) -> Result<MicrosoftAzureBuilder, StoreError> {
    check("AZURE_")?;
    let mut builder = MicrosoftAzureBuilder::from_env().with_container_name(&address.bucket);
    for (key, value) in TIMEOUTS {
        builder = builder.with_config(AzureConfigKey::Client(key), value);
    }
    if is_plain(&["AZURE_STORAGE_ENDPOINT", "AZURE_ENDPOINT"])? {
        builder = builder.with_allow_http(true);
    }
    Ok(builder)
}

pub(super) fn http(address: &Address) -> Result<HttpBuilder, StoreError> {
    // The user chose between http:// and https://.
    let mut options = ClientOptions::new().with_allow_http(true);
    for (key, value) in TIMEOUTS {
        options = options.with_config(key, value);
    }
    if let Some(login) = address.login() {
        let mut value = HeaderValue::from_str(&format!("Basic {}", STANDARD.encode(login)))
            .map_err(|_| StoreError::lasting("the login in the URL cannot be sent", "correct the URL"))?;
        value.set_sensitive(true);
        let mut headers = HeaderMap::new();
        headers.insert("authorization", value);
        options = options.with_default_headers(headers);
    }
    Ok(HttpBuilder::new().with_url(&address.store).with_client_options(options))
}

/// Refuses values that cannot be sent.
fn check(prefix: &str) -> Result<(), StoreError> {
    for (name, value) in env::vars_os() {
        let name = name.to_string_lossy();
        let is_sent = name.starts_with(prefix) && IN_REQUESTS.iter().any(|end| name.ends_with(end));
        if is_sent && !value.as_encoded_bytes().iter().all(u8::is_ascii_graphic) {
            let what = format!("{name} has a space, a line break or another character that cannot be sent");
            return Err(StoreError::lasting(what, "correct it in the environment"));
        }
    }
    Ok(())
}

/// Whether the user allows requests without TLS, with the endpoint that the first of these variables names.
fn is_plain(variables: &[&str]) -> Result<bool, StoreError> {
    let Some((name, endpoint)) = variables.iter().find_map(|name| Some((name, env::var(name).ok()?))) else {
        return Ok(false);
    };
    match Url::parse(&endpoint).ok().filter(Url::has_host).as_ref().map(Url::scheme) {
        Some("http") => Ok(true),
        Some("https") => Ok(false),
        _ => Err(StoreError::lasting(
            format!("{name} is not the URL of a server"),
            "write it as https://host or http://host:port",
        )),
    }
}

//! The client of one bucket. The only file that knows about tokio.

use super::classify::{classify_error, replaced, unusable_settings};
use super::settings;
use crate::storage::address::{Address, Scheme};
use crate::storage::{Identity, StoreError};
use object_store::list::{PaginatedListOptions, PaginatedListStore};
use object_store::path::Path;
use object_store::{
    BackoffConfig, GetOptions, GetRange, GetResult, ListResult, ObjectMeta, ObjectStore, RetryConfig,
};
use std::borrow::Cow;
use std::collections::HashMap;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::time::Duration;
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinHandle;

/// Up to this size, an object is read whole with one request. Reading an archive piece by piece takes a dozen.
const WHOLE: u64 = 16 << 20;

/// A failing listing is reported soon, since the next scan tries it again. A read is retried for longer.
const LIST_RETRIES: usize = 3;
const READ_RETRIES: usize = 7;

/// The longest pause between two attempts, and how long a request is retried at all.
const MOST_BACKOFF: Duration = Duration::from_secs(5);
const RETRY_FOR: Duration = Duration::from_secs(60);

/// How often a body that breaks off is read again.
const BODY_RETRIES: u32 = 4;

/// The threads that wait for responses.
static RUNTIME: LazyLock<Result<Runtime, StoreError>> = LazyLock::new(|| {
    // This fails if a provider is already installed, which is just as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let runtime = Builder::new_multi_thread().worker_threads(2).thread_name("store").enable_all().build();
    runtime.map_err(|error| {
        StoreError::lasting(format!("the system gives no thread: {error}"), "end other programs")
    })
});

/// The clients so far, by the URLs of their buckets.
static CLIENTS: LazyLock<Mutex<HashMap<String, Arc<BucketClient>>>> = LazyLock::new(Mutex::default);

/// Waits for a response.
pub(super) fn wait<T>(answer: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
    RUNTIME.as_ref().map_err(Clone::clone)?.block_on(answer)
}

/// Starts a request. Dropping the result cancels it.
pub(super) fn begin<T: Send + 'static>(
    answer: impl Future<Output = Result<T, StoreError>> + Send + 'static,
) -> Result<PendingAnswer<T>, StoreError> {
    Ok(PendingAnswer(RUNTIME.as_ref().map_err(Clone::clone)?.spawn(answer)))
}

/// A response that is on its way.
#[derive(Debug)]
pub(super) struct PendingAnswer<T>(JoinHandle<Result<T, StoreError>>);

impl<T> PendingAnswer<T> {
    pub(super) fn end(mut self) -> Result<T, StoreError> {
        let failed = |_| StoreError::passing("reading it was interrupted", "it is tried again");
        wait(async { (&mut self.0).await.map_err(failed)? })
    }
}

impl<T> Drop for PendingAnswer<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Distinguishes one state of an object from another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ObjectVersion {
    pub(super) size: u64,
    /// When it was last written, in seconds since 1970.
    written: i64,
    /// The ETag, if the store has one.
    tag: Option<String>,
}

impl ObjectVersion {
    pub(super) fn from_meta(meta: &ObjectMeta) -> Self {
        Self { size: meta.size, written: meta.last_modified.timestamp(), tag: meta.e_tag.clone() }
    }

    /// Whether both may be the same bytes.
    fn agrees(&self, other: &Self) -> bool {
        let tags = match (&self.tag, &other.tag) {
            (Some(one), Some(other)) => bare(one) == bare(other),
            _ => self.written == other.written,
        };
        tags && self.size == other.size
    }

    /// The condition for the store to check before it responds. A weak tag never matches.
    fn condition(&self) -> Option<String> {
        let tag = self.tag.as_deref().filter(|tag| !tag.starts_with("W/"));
        tag.map(|tag| format!("\"{}\"", bare(tag)))
    }
}

/// A tag without quotes, which some stores add in some responses.
fn bare(tag: &str) -> &str {
    tag.trim_matches('"')
}

pub(crate) struct BucketClient {
    address: Address,
    /// For listings; retries less often.
    lister: Lister,
    store: Arc<dyn ObjectStore>,
    /// Whether listings contain tags. If not, no identity uses one, so that a listing and a single lookup agree.
    lists_tags: AtomicBool,
}

enum Lister {
    Pages(Box<dyn PaginatedListStore>),
    /// One level at once.
    Level(Box<dyn ObjectStore>),
}

impl std::fmt::Debug for BucketClient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "BucketClient({})", self.address.store)
    }
}

/// A page of a listing, and the token for the next page.
pub(super) type Page = (ListResult, Option<String>);

impl BucketClient {
    /// The client of the address's bucket. All addresses in a bucket share it.
    ///
    /// # Errors
    /// If the settings in the environment are unusable.
    pub(super) fn for_address(address: &Address) -> Result<Arc<Self>, StoreError> {
        let mut clients = CLIENTS.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = clients.get(&address.store) {
            return Ok(Arc::clone(client));
        }
        // Starting the runtime installs the cryptography provider.
        RUNTIME.as_ref().map_err(Clone::clone)?;
        let client = Arc::new(Self::build(address)?);
        clients.insert(address.store.clone(), Arc::clone(&client));
        Ok(client)
    }

    fn build(address: &Address) -> Result<Self, StoreError> {
        let failed = |error| unusable_settings(&error, address);
        // The builders of the library have nothing in common.
        macro_rules! build {
            ($settings:path, $lister:path) => {{
                let build = |retries| $settings(address)?.with_retry(retry(retries)).build().map_err(failed);
                ($lister(Box::new(build(LIST_RETRIES)?)), Arc::new(build(READ_RETRIES)?))
            }};
        }
        let (lister, store): (Lister, Arc<dyn ObjectStore>) = match address.scheme {
            Scheme::S3 => build!(settings::s3, Lister::Pages),
            Scheme::Gs => build!(settings::gs, Lister::Pages),
            Scheme::Az => build!(settings::az, Lister::Pages),
            Scheme::Http => build!(settings::http, Lister::Level),
        };
        Ok(Self { address: address.clone(), lister, store, lists_tags: AtomicBool::new(true) })
    }

    /// The key of an address in this bucket.
    ///
    /// # Errors
    /// If no object can have such a key.
    pub(super) fn key(&self, address: &Address) -> Result<String, StoreError> {
        let path = match address.scheme {
            Scheme::Http => Path::from_url_path(&address.key),
            _ => Path::parse(&address.key),
        };
        let path =
            path.map_err(|error| StoreError::lasting(format!("no key is such: {error}"), "correct the URL"))?;
        Ok(path.into())
    }

    /// Whether everything below a prefix can be listed at once.
    pub(super) fn lists_all(&self) -> bool {
        matches!(self.lister, Lister::Pages(_))
    }

    pub(super) fn identity(&self, version: &ObjectVersion) -> Identity {
        let tag = version.tag.as_deref().filter(|_| self.lists_tags.load(Ordering::Relaxed));
        Identity::from_object(version.size, version.written, tag)
    }

    /// One page of the keys that begin with `prefix`, at most `most`; with `one_level`, only up to the next `/`.
    pub(super) async fn page(
        &self,
        prefix: &str,
        one_level: bool,
        most: Option<usize>,
        token: Option<String>,
    ) -> Result<Page, StoreError> {
        let page = match &self.lister {
            Lister::Pages(store) => {
                let options = PaginatedListOptions {
                    delimiter: one_level.then_some(Cow::Borrowed("/")),
                    max_keys: most,
                    page_token: token,
                    ..PaginatedListOptions::default()
                };
                let prefix = (!prefix.is_empty()).then_some(prefix);
                let page = store.list_paginated(prefix, options).await;
                page.map(|page| (page.result, page.page_token))
            }
            Lister::Level(store) => {
                let path = self.path(prefix.trim_end_matches('/'))?;
                store.list_with_delimiter(Some(&path)).await.map(|level| (level, None))
            }
        };
        let page = page.map_err(|error| classify_error(&error, &self.address))?;
        if let Some(object) = page.0.objects.first() {
            self.lists_tags.store(object.e_tag.is_some(), Ordering::Relaxed);
        }
        Ok(page)
    }

    /// The current version of an object.
    pub(super) async fn head(&self, key: &str) -> Result<ObjectVersion, StoreError> {
        let options = GetOptions { head: true, ..GetOptions::default() };
        Ok(ObjectVersion::from_meta(&self.get(key, options).await?.meta))
    }

    /// The current version of an object, with its bytes if it is small.
    pub(super) async fn whole(&self, key: &str) -> Result<(ObjectVersion, Option<Vec<u8>>), StoreError> {
        let mut tries = 0;
        loop {
            let result = self.get(key, GetOptions::default()).await?;
            let version = ObjectVersion::from_meta(&result.meta);
            if version.size > WHOLE {
                return Ok((version, None));
            }
            if let Some(bytes) = self.body(result, version.size, &mut tries).await? {
                return Ok((version, Some(bytes)));
            }
        }
    }

    /// A range of this version of an object.
    pub(super) async fn range(
        &self,
        key: &str,
        range: Range<u64>,
        version: &ObjectVersion,
    ) -> Result<Vec<u8>, StoreError> {
        let mut tries = 0;
        loop {
            let options = GetOptions {
                range: Some(GetRange::Bounded(range.clone())),
                if_match: version.condition(),
                ..GetOptions::default()
            };
            let result = self.get(key, options).await?;
            // Not every store checks the condition.
            if !version.agrees(&ObjectVersion::from_meta(&result.meta)) {
                return Err(replaced());
            }
            if let Some(bytes) = self.body(result, range.end - range.start, &mut tries).await? {
                return Ok(bytes);
            }
        }
    }

    async fn get(&self, key: &str, options: GetOptions) -> Result<GetResult, StoreError> {
        let path = self.path(key)?;
        self.store.get_opts(&path, options).await.map_err(|error| classify_error(&error, &self.address))
    }

    /// The bytes of a response; `None` if it broke off and should be requested again.
    async fn body(
        &self,
        result: GetResult,
        length: u64,
        tries: &mut u32,
    ) -> Result<Option<Vec<u8>>, StoreError> {
        let error = match result.bytes().await {
            Ok(bytes) if bytes.len() as u64 == length => return Ok(Some(bytes.into())),
            Ok(_) => StoreError::passing("the store sent too few or too many bytes", "check the network"),
            Err(error) => classify_error(&error, &self.address),
        };
        *tries += 1;
        if *tries > BODY_RETRIES || !error.is_passing {
            return Err(error);
        }
        tokio::time::sleep(Duration::from_millis(100) * 2_u32.pow(*tries)).await;
        Ok(None)
    }

    fn path(&self, key: &str) -> Result<Path, StoreError> {
        Path::parse(key).map_err(|error| classify_error(&error.into(), &self.address))
    }
}

fn retry(retries: usize) -> RetryConfig {
    RetryConfig {
        backoff: BackoffConfig {
            init_backoff: Duration::from_millis(100),
            max_backoff: MOST_BACKOFF,
            base: 2.0,
        },
        max_retries: retries,
        retry_timeout: RETRY_FOR,
    }
}

//! Runs in object stores: a directory is a prefix of keys, a file is an object.

mod classify;
mod client;
mod listing;
mod reader;
mod settings;

pub(crate) use reader::ObjectReader;

use super::address::{Address, Scheme};
use super::{
    Container, Contents, Entry, Identity, Interest, Interests, LookIntervals, MAX_LEVELS, Root, Shape,
    Storage, StoreError, StoredFile, Wanted,
};
use client::{BucketClient, ObjectVersion, wait};
use listing::ListingDepth;
use std::collections::HashMap;
use std::ffi::OsString;
use std::io;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// Every look is a request that costs money, listings most of all.
const PACE: LookIntervals = LookIntervals {
    look: Duration::from_secs(1),
    root: Duration::from_secs(5),
    scan: Duration::from_secs(5),
};

pub(super) struct ObjectStores;

/// An object or a prefix.
struct ObjectPlace {
    client: Arc<BucketClient>,
    key: String,
}

fn place(path: &Path) -> Result<ObjectPlace, StoreError> {
    let address =
        Address::parse(path).map_err(|why| StoreError::lasting(why, "name the run as s3://bucket/run"))?;
    let client = BucketClient::for_address(&address)?;
    let key = client.key(&address)?;
    Ok(ObjectPlace { client, key })
}

/// Why nothing can ever be read at a URL, if so.
pub(super) fn refusal(path: &Path) -> Option<String> {
    let address = Address::parse(path).ok()?;
    if address.scheme != Scheme::Http && address.login().is_some() {
        return Some("credentials do not belong in such a URL; set them in the environment".into());
    }
    place(path).err().map(|error| error.in_full())
}

/// Whether a name is probably that of a directory batch. Then what is below it is requested first, since some servers
/// respond to a prefix as if it were an object.
fn has_no_suffix(name: &str) -> bool {
    Path::new(name).extension().is_none()
}

impl ObjectPlace {
    /// What is directly in it: the entries of objects and of prefixes about which no more is wanted, and the names of
    /// the other prefixes.
    fn level(&self, interests: Interests<'_>) -> Result<(Vec<Entry>, Vec<String>), StoreError> {
        let (mut entries, mut directories) = (Vec::new(), Vec::new());
        self.list(ListingDepth::One, &mut |name, version| {
            match (interests(name), version) {
                (Interest::None, _) => {}
                (_, Some(version)) => entries.push(self.file(name, &version)),
                (Interest::Itself, None) => entries.push(prefix(name.to_owned())),
                (Interest::WithFiles, None) => directories.push(name.to_owned()),
            }
            ControlFlow::Continue(())
        })?;
        Ok((entries, directories))
    }

    fn file(&self, name: &str, version: &ObjectVersion) -> Entry {
        Entry { name: name.to_owned(), shape: Shape::File, identity: self.client.identity(version) }
    }

    /// Directory batches, by one listing of everything below, or by one listing each if the store cannot do that.
    fn directories(&self, names: Vec<String>) -> Result<Vec<Entry>, StoreError> {
        if !self.client.lists_all() {
            return names.into_iter().filter_map(|name| self.directory(name).transpose()).collect();
        }
        let mut found: HashMap<String, Identity> =
            names.into_iter().map(|name| (name, Identity::unknown())).collect();
        self.list(ListingDepth::All, &mut |name, version| {
            if let Some(version) = version
                && let Some((directory, file)) = name.split_once('/')
                && let Some(identity) = found.get_mut(directory)
            {
                identity.add_object(file, &self.client.identity(&version));
            }
            ControlFlow::Continue(())
        })?;
        let entry = |(name, identity)| Entry { name, shape: Shape::Directory, identity };
        Ok(found.into_iter().map(entry).collect())
    }

    /// All objects below, down to [`MAX_LEVELS`]; level by level if the store cannot list everything at once.
    fn objects(&self, each: &mut dyn FnMut(&str, ObjectVersion)) -> Result<(), StoreError> {
        let depth = if self.client.lists_all() { ListingDepth::All } else { ListingDepth::One };
        let mut levels = vec![String::new()];
        while let Some(within) = levels.pop() {
            let level = if within.is_empty() { self } else { &self.below(&within) };
            let named =
                |name: &str| if within.is_empty() { name.to_owned() } else { format!("{within}/{name}") };
            level.list(depth, &mut |name, version| {
                match version {
                    Some(version) => each(&named(name), version),
                    None => levels.push(named(name)),
                }
                ControlFlow::Continue(())
            })?;
            levels.retain(|within| within.split('/').count() < MAX_LEVELS);
        }
        Ok(())
    }

    /// One directory batch; `None` if nothing is in it.
    fn directory(&self, name: String) -> Result<Option<Entry>, StoreError> {
        let mut identity = Identity::unknown();
        let mut is_empty = true;
        self.below(&name).objects(&mut |name, version| {
            is_empty = false;
            identity.add_object(name, &self.client.identity(&version));
        })?;
        Ok((!is_empty).then_some(Entry { name, shape: Shape::Directory, identity }))
    }

    fn below(&self, name: &str) -> Self {
        let key = if self.key.is_empty() { name.to_owned() } else { format!("{}/{name}", self.key) };
        Self { client: Arc::clone(&self.client), key }
    }

    /// Whether anything is below it.
    fn is_prefix(&self) -> Result<bool, StoreError> {
        let mut found = false;
        self.list(ListingDepth::First, &mut |_, _| {
            found = true;
            ControlFlow::Break(())
        })?;
        Ok(found)
    }
}

/// A prefix of which only its existence matters.
fn prefix(name: String) -> Entry {
    Entry { name, shape: Shape::Directory, identity: Identity::unknown() }
}

impl Storage for ObjectStores {
    fn root(&self, directory: &Path) -> Result<Option<Root>, String> {
        let found = place(directory).and_then(|place| place.is_prefix());
        match found.map_err(|error| error.in_full())? {
            true => Ok(None),
            false => Err("nothing is there yet".into()),
        }
    }

    fn entries(&self, directory: &Path, interests: Interests<'_>) -> io::Result<Vec<Entry>> {
        let place = place(directory)?;
        let (mut entries, directories) = place.level(interests)?;
        if !directories.is_empty() {
            entries.extend(place.directories(directories)?);
        }
        Ok(entries)
    }

    fn entry(&self, directory: &Path, name: &str, interest: Interest) -> Option<Entry> {
        let place = place(directory).ok()?;
        if interest == Interest::None {
            return None;
        }
        if interest == Interest::Itself && place.below(name).is_prefix().ok()? {
            return Some(prefix(name.to_owned()));
        }
        if has_no_suffix(name)
            && let Some(directory) = place.directory(name.to_owned()).ok()?
        {
            return Some(directory);
        }
        let file = place.below(name);
        let version = wait(file.client.head(&file.key)).ok()?;
        Some(place.file(name, &version))
    }

    fn any(&self, directory: &Path, wanted: Wanted<'_>) -> bool {
        let mut found = false;
        let listed = place(directory).and_then(|place| {
            place.list(ListingDepth::One, &mut |name, _| {
                found = wanted(name);
                if found { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            })
        });
        listed.is_ok() && found
    }

    fn directories(&self, directory: &Path) -> Vec<(OsString, SystemTime)> {
        let mut names = Vec::new();
        let listed = place(directory).and_then(|place| {
            place.list(ListingDepth::One, &mut |name, version| {
                if version.is_none() {
                    names.push((OsString::from(name), SystemTime::UNIX_EPOCH));
                }
                ControlFlow::Continue(())
            })
        });
        if listed.is_ok() { names } else { Vec::new() }
    }

    fn open(&self, path: &Path) -> io::Result<Option<(Contents, u64)>> {
        let place = place(path)?;
        if has_no_suffix(&place.key) && place.is_prefix()? {
            return Ok(None);
        }
        let (version, bytes) = wait(place.client.whole(&place.key))?;
        let length = version.size;
        let contents = match bytes {
            Some(bytes) => Contents::Memory(bytes),
            None => Contents::Object(ObjectReader::new(place.client, place.key, version)),
        };
        Ok(Some((contents, length)))
    }

    fn files(&self, directory: &Path, wanted: Wanted<'_>) -> io::Result<Vec<StoredFile>> {
        let place = place(directory)?;
        let mut files = Vec::new();
        place.objects(&mut |name, version| {
            if wanted(name) {
                let size = version.size;
                let below = place.below(name);
                let reader = ObjectReader::new(below.client, below.key, version);
                let container = Container::Open(Arc::new(Contents::Object(reader)));
                files.push(StoredFile { name: name.to_owned(), shape: Shape::File, size, container });
            }
        })?;
        Ok(files)
    }

    fn read(&self, path: &Path, most: u64) -> io::Result<Vec<u8>> {
        let place = place(path)?;
        let (version, bytes) = wait(place.client.whole(&place.key))?;
        let Some(mut bytes) = bytes else {
            return Ok(wait(place.client.range(&place.key, 0..version.size.min(most), &version))?);
        };
        bytes.truncate(usize::try_from(most).unwrap_or(usize::MAX));
        Ok(bytes)
    }

    fn pace(&self) -> LookIntervals {
        PACE
    }
}

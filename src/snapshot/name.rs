//! What the names in a run's directory mean.

use serde::{Deserialize, Serialize};
use std::num::{NonZeroU32, NonZeroU64};
use std::ops::RangeInclusive;

/// Identifies a batch of a run: its number, and the rank that wrote it.
///
/// Ordered by number, so that the newest batches are those of all ranks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BatchId {
    pub number: u64,
    /// `None` if the batch belongs to no rank.
    pub rank: Option<u32>,
}

impl BatchId {
    /// A hash of the batch and its count. The sum of these over all batches identifies the set of counted batches.
    pub fn fingerprint(self, digest: Option<NonZeroU64>) -> u64 {
        let rank = self.rank.map_or(0, |rank| u64::from(rank) + 1);
        let parts = [self.number, rank, digest.map_or(0, NonZeroU64::get)];
        parts.into_iter().fold(0, |mixed, part| mix(mixed ^ part))
    }
}

/// Spreads each bit over all bits (the finalizer of SplitMix64), so that differences do not cancel in a sum.
fn mix(bits: u64) -> u64 {
    let bits = bits.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

impl From<u64> for BatchId {
    /// The batch of this number that belongs to no rank.
    fn from(number: u64) -> Self {
        Self { number, rank: None }
    }
}

impl std::fmt::Display for BatchId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.rank {
            Some(rank) => write!(f, "batch number {} of rank {rank}", self.number),
            None => write!(f, "batch number {}", self.number),
        }
    }
}

/// What an entry of a run's directory is, judged by its name alone. The name is a path in the run's directory with
/// `/` as the separator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EntryName {
    /// `manifest.json`: the run's own, or that of a rank.
    Manifest(Option<u32>),
    /// `end.json`: the run's own, or that of a rank, which may also be `rank-R.end.json`.
    End(Option<u32>),
    /// `batch-N.npz`: a batch in one file.
    BatchFile(BatchId),
    /// `batch-N`: a batch as a directory of `.npy` files.
    BatchDirectory(BatchId),
    /// `rank-R`: the directory of a rank.
    Rank(u32),
    /// Looks like the directory of a rank, but contains no rank.
    MisnamedRank,
    /// Begins with `.` or ends in `.tmp`: it is being written, and never read.
    Temporary,
    /// Looks like a part of a run but is not named as one, so that it is not counted.
    Misnamed(Slip),
    /// Anything else, which is none of our business.
    Foreign,
}

/// How a name differs from the right name of what it looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Slip {
    /// It has a number, but not in the form of a batch: `batch_3.npz`, `step-3.npz`, or the directory `batch3`.
    Numbered,
    /// It has no number: `weights.npz`, `lif1.npy`.
    Unnumbered,
    /// `Batch-3.npz`, `batch-3.NPZ`.
    Capitals,
    /// A batch by its name, in another format: `batch-3.pt`.
    Format,
    /// Compressed as a whole: `batch-3.npz.gz`.
    Packed,
    /// What programs and people call a copy: `batch-3.npz.bak`, `batch-3.npz.1`, `batch-3.npz~`; or a blank at the end.
    Copy,
    /// Its name is no UTF-8.
    NotText,
    /// `Manifest.json`, `end.json.txt`.
    Document,
}

/// Formats in which people save potentials, and which are not read.
const OTHER_FORMATS: [&str; 9] =
    [".npy", ".pt", ".pth", ".pkl", ".pickle", ".mat", ".h5", ".hdf5", ".safetensors"];

/// Suffixes of files that are compressed as a whole.
const PACKED: [&str; 12] = [
    ".tar.gz", ".tar.bz2", ".tar.xz", ".tar.zst", ".tgz", ".tar", ".gz", ".bz2", ".xz", ".zst", ".lz4",
    ".zip",
];

impl EntryName {
    /// The batch, if it is one in either form.
    pub fn batch(&self) -> Option<BatchId> {
        match self {
            Self::BatchFile(id) | Self::BatchDirectory(id) => Some(*id),
            _ => None,
        }
    }

    /// Whether it is a manifest or an end, the run's or a rank's.
    pub fn is_document(&self) -> bool {
        matches!(self, Self::Manifest(_) | Self::End(_))
    }
}

/// Classifies the name of an entry of a run's directory, or of a rank's directory.
pub fn classify(name: &str) -> EntryName {
    if let Some((directory, inside)) = name.split_once('/') {
        // Ranks do not contain ranks.
        return rank_of(directory).map_or(EntryName::Foreign, |rank| with_rank(classify_one(inside), rank));
    }
    if is_temporary(name) {
        return EntryName::Temporary;
    }
    let Some(rest) = name.strip_prefix("rank-") else {
        let is_rank = word_and_number(&name.to_ascii_lowercase()).is_some_and(|(word, _)| word == "rank");
        return if is_rank { EntryName::MisnamedRank } else { classify_one(name) };
    };
    match rest.split_once('.') {
        None => rank_of(name).map_or(EntryName::MisnamedRank, EntryName::Rank),
        Some((rank, inside)) if inside.starts_with("batch-") || inside == "end.json" => match number(rank) {
            Some(rank) if rank < MAX_RANK => match with_rank(classify_one(inside), rank as u32) {
                // `rank-3.batch-x` is meant to be a batch.
                EntryName::Foreign => EntryName::Misnamed(Slip::Unnumbered),
                meaning => meaning,
            },
            _ => EntryName::Misnamed(Slip::Numbered),
        },
        Some(_) => classify_one(name),
    }
}

/// All ranks are below this.
const MAX_RANK: u64 = u32::MAX as u64;

/// The rank in the name of a directory.
fn rank_of(name: &str) -> Option<u32> {
    number(name.strip_prefix("rank-")?).filter(|&rank| rank < MAX_RANK).map(|rank| rank as u32)
}

/// A decimal number, with any leading zeros.
fn number(digits: &str) -> Option<u64> {
    let is_number = !digits.is_empty() && digits.bytes().all(|digit| digit.is_ascii_digit());
    is_number.then(|| digits.parse().ok()).flatten()
}

fn is_temporary(name: &str) -> bool {
    name.starts_with('.') || name.ends_with(".tmp")
}

fn with_rank(meaning: EntryName, rank: u32) -> EntryName {
    let of = |id: BatchId| BatchId { rank: Some(rank), ..id };
    match meaning {
        EntryName::Manifest(_) => EntryName::Manifest(Some(rank)),
        EntryName::End(_) => EntryName::End(Some(rank)),
        EntryName::BatchFile(id) => EntryName::BatchFile(of(id)),
        EntryName::BatchDirectory(id) => EntryName::BatchDirectory(of(id)),
        other => other,
    }
}

/// Classifies a name without a rank.
fn classify_one(name: &str) -> EntryName {
    if is_temporary(name) {
        return EntryName::Temporary;
    }
    match name {
        "manifest.json" => return EntryName::Manifest(None),
        "end.json" => return EntryName::End(None),
        _ => {}
    }
    let (stem, is_file) = match name.strip_suffix(".npz") {
        Some(stem) => (stem, true),
        None => (name, false),
    };
    match stem.strip_prefix("batch-").and_then(number) {
        Some(number) if is_file => EntryName::BatchFile(number.into()),
        Some(number) => EntryName::BatchDirectory(number.into()),
        None => slip(name).map_or(EntryName::Foreign, EntryName::Misnamed),
    }
}

/// How a wrong name differs from the right one, if it looks like a part of a run. Only reports what is certain
/// enough, since there may be notes, models, logs and plots beside batches.
fn slip(name: &str) -> Option<Slip> {
    let small = name.to_ascii_lowercase();
    if matches!(without_txt(&small), "manifest.json" | "end.json") {
        return Some(Slip::Document);
    }
    if small.contains(char::REPLACEMENT_CHARACTER) && small.contains("batch") && small.contains(".npz") {
        return Some(Slip::NotText);
    }
    if copied(&small).is_some() {
        return Some(Slip::Copy);
    }
    let stem = small.strip_suffix(".npz").unwrap_or(&small);
    let is_npz = stem.len() < small.len();
    if small != name && stem.strip_prefix("batch-").and_then(number).is_some() {
        return Some(Slip::Capitals);
    }
    if is_npz {
        let ends_in_number = stem.ends_with(|last: char| last.is_ascii_digit());
        return Some(if ends_in_number { Slip::Numbered } else { Slip::Unnumbered });
    }
    if let Some(inside) = without(&small, &PACKED) {
        return is_like_batch(inside.strip_suffix(".npz").unwrap_or(inside)).then_some(Slip::Packed);
    }
    match without(&small, &OTHER_FORMATS) {
        Some(stem) if is_like_batch(stem) => Some(Slip::Format),
        Some(_) => name.ends_with(".npy").then_some(Slip::Unnumbered),
        None => is_like_batch(&small).then_some(Slip::Numbered),
    }
}

/// The name of the batch that this is called a copy of, in small letters.
fn copied(small: &str) -> Option<&str> {
    let (name, rest) = small.split_at(small.find(".npz")? + ".npz".len());
    let word = rest.trim_matches(|around: char| "~.".contains(around) || around.is_whitespace());
    let is_copy = word.is_empty() || number(word).is_some() || ["bak", "old", "orig"].contains(&word);
    (!rest.is_empty() && is_copy && name.strip_suffix(".npz").is_some_and(is_like_batch)).then_some(name)
}

/// The name that a wrong one was probably meant to be.
pub fn meant_name(name: &str) -> Option<String> {
    if let Some((rank, inside)) = name.split_once('/') {
        return meant_name(inside).map(|inside| format!("{rank}/{inside}"));
    }
    let small = name.to_ascii_lowercase();
    let document = without_txt(&small);
    if matches!(document, "manifest.json" | "end.json") {
        return Some(document.to_owned());
    }
    let whole = copied(&small).or_else(|| without(&small, &PACKED)).unwrap_or(&small);
    let stem = whole.strip_suffix(".npz").or_else(|| without(whole, &OTHER_FORMATS)).unwrap_or(whole);
    let suffix = if stem.len() < small.len() { ".npz" } else { "" };
    let meant = match word_and_number(stem)? {
        ("rank", rank) if suffix.is_empty() => format!("rank-{rank}"),
        (_, number) => match stem.split_once('.').and_then(|(rank, _)| word_and_number(rank)) {
            Some((_, rank)) => format!("rank-{rank}.batch-{number}{suffix}"),
            None => format!("batch-{number}{suffix}"),
        },
    };
    // With a number that is no rank's, it is meant to be something else.
    (meant != name).then_some(meant)
}

/// Whether a name is that of a batch, or nearly, like `batch_3.npz`.
pub fn is_nearly_batch(name: &str) -> bool {
    let small = name.to_ascii_lowercase();
    let is_like_file = small.strip_suffix(".npz").is_some_and(is_like_batch) && !is_temporary(name);
    is_like_file || classify(name).batch().is_some()
}

/// Whether a name is that of a batch that is being written, or that its writer left behind.
pub fn is_unfinished_batch(name: &str) -> bool {
    is_temporary(name) && name.contains("batch-")
}

fn without_txt(name: &str) -> &str {
    name.strip_suffix(".txt").unwrap_or(name)
}

/// Removes the first of these suffixes that the name has.
fn without<'a>(name: &'a str, suffixes: &[&str]) -> Option<&'a str> {
    suffixes.iter().find_map(|suffix| name.strip_suffix(suffix))
}

/// Whether a name without its suffix means a batch, like `batch_3` and `rank0.batch3`.
fn is_like_batch(stem: &str) -> bool {
    word_and_number(stem).is_some_and(|(word, _)| word == "batch")
}

/// Splits a name without its suffix into a word and a number, like `step_3`. A rank may come first.
fn word_and_number(stem: &str) -> Option<(&str, &str)> {
    let of_batch = match stem.split_once('.') {
        Some((rank, of_batch)) => {
            word_and_number(rank).filter(|(word, _)| *word == "rank").map(|_| of_batch)?
        }
        None => stem,
    };
    let before = of_batch.trim_end_matches(|last: char| last.is_ascii_digit());
    let digits = &of_batch[before.len()..];
    let word = before.trim_end_matches(['-', '_', ' ']);
    let is_word = word.bytes().all(|byte| byte.is_ascii_alphabetic());
    (is_word && number(digits).is_some()).then_some((word, digits))
}

/// The name of a batch in 16 bytes without a heap allocation, since there is one for every batch of a run. Keeps
/// every detail of the spelling: the number of digits, whether the rank is a directory or a prefix, and whether there
/// is a suffix.
///
/// Ordered by number, then by rank.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct BatchName {
    pub number: u64,
    /// The rank plus 1, so that no rank takes no extra room.
    rank: Option<NonZeroU32>,
    rank_digits: u8,
    digits: u8,
    is_file: bool,
    /// Whether the rank is a directory and not a prefix.
    in_directory: bool,
}

impl BatchName {
    pub fn is_file(&self) -> bool {
        self.is_file
    }

    /// The rank that wrote it, if the name has one.
    pub fn rank(&self) -> Option<u32> {
        self.rank.map(|more| more.get() - 1)
    }

    /// The same form of name with another number.
    pub fn numbered(self, number: u64) -> Self {
        Self { number, ..self }
    }

    pub fn id(&self) -> BatchId {
        BatchId { number: self.number, rank: self.rank() }
    }

    /// `None` if it is not the name of a batch.
    pub fn parse(name: &str) -> Option<Self> {
        let (id, is_file) = match classify(name) {
            EntryName::BatchFile(id) => (id, true),
            EntryName::BatchDirectory(id) => (id, false),
            _ => return None,
        };
        let (rank_digits, in_directory, rest) = match id.rank {
            None => (0, false, name),
            Some(_) => {
                let at = name.find(['/', '.'])?;
                (at - "rank-".len(), name[at..].starts_with('/'), &name[at + 1..])
            }
        };
        let around = "batch-".len() + if is_file { ".npz".len() } else { 0 };
        Some(Self {
            number: id.number,
            rank: id.rank.and_then(|rank| NonZeroU32::new(rank.checked_add(1)?)),
            rank_digits: u8::try_from(rank_digits).ok()?,
            digits: u8::try_from(rest.len() - around).ok()?,
            is_file,
            in_directory,
        })
    }

    /// The range that contains all names of a batch and no others.
    pub fn all_of(id: BatchId) -> RangeInclusive<Self> {
        let name = |digits, flag| Self {
            number: id.number,
            rank: id.rank.and_then(|rank| NonZeroU32::new(rank.checked_add(1)?)),
            rank_digits: digits,
            digits,
            is_file: flag,
            in_directory: flag,
        };
        name(0, false)..=name(u8::MAX, true)
    }
}

impl std::fmt::Display for BatchName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if let Some(rank) = self.rank() {
            let separator = if self.in_directory { '/' } else { '.' };
            write!(f, "rank-{rank:0width$}{separator}", width = usize::from(self.rank_digits))?;
        }
        let suffix = if self.is_file { ".npz" } else { "" };
        write!(f, "batch-{:0width$}{suffix}", self.number, width = usize::from(self.digits))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_rank(number: u64, rank: u32) -> BatchId {
        BatchId { number, rank: Some(rank) }
    }

    #[test]
    fn names_of_batches_are_given_back() {
        let longest = format!("batch-{:0>245}.npz", 3);
        for name in [
            "batch-000012.npz",
            "batch-0",
            "batch-7.npz",
            "batch-18446744073709551615",
            "rank-0/batch-0",
            "rank-0003/batch-000012.npz",
            "rank-3.batch-000012.npz",
            "rank-007.batch-3",
            "rank-4294967294/batch-1.npz",
            &longest,
        ] {
            assert_eq!(BatchName::parse(name).expect("a batch").to_string(), name);
        }
        for other in [
            "manifest.json",
            ".batch-1.npz",
            "batch-1.npz.tmp",
            "batch-",
            "notes.txt",
            "rank-1",
            "rank-1/manifest.json",
            "rank-1/rank-2.batch-1.npz",
            "rank-1/rank-2/batch-1.npz",
            "rank-4294967295/batch-1.npz",
            "a/batch-1.npz",
            "rank-1/batch-1/a.post.npy",
        ] {
            assert_eq!(BatchName::parse(other), None, "{other}");
        }
    }

    #[test]
    fn a_name_takes_no_more_memory_for_its_rank() {
        assert_eq!(size_of::<BatchName>(), 16);
    }

    #[test]
    fn all_names_of_a_batch_are_in_one_range_and_no_others() {
        let name = |name| BatchName::parse(name).expect("a batch");
        let range = BatchName::all_of(of_rank(12, 3));
        for same in ["rank-3/batch-12", "rank-03/batch-012.npz", "rank-3.batch-12.npz", "rank-0003.batch-12"]
        {
            assert!(range.contains(&name(same)), "{same}");
        }
        for other in ["batch-12.npz", "rank-4/batch-12.npz", "rank-2.batch-12.npz", "rank-3/batch-13.npz"] {
            assert!(!range.contains(&name(other)), "{other}");
        }
        assert!(BatchName::all_of(12.into()).contains(&name("batch-012.npz")));
        assert!(!BatchName::all_of(12.into()).contains(&name("rank-0/batch-12.npz")));
    }

    #[test]
    fn names_of_the_format_are_told_apart() {
        for (name, expected) in [
            ("manifest.json", EntryName::Manifest(None)),
            ("end.json", EntryName::End(None)),
            ("batch-000012.npz", EntryName::BatchFile(12.into())),
            ("batch-7.npz", EntryName::BatchFile(7.into())),
            ("batch-000012", EntryName::BatchDirectory(12.into())),
            (".batch-000012.npz", EntryName::Temporary),
            ("batch-000012.npz.tmp", EntryName::Temporary),
            ("batch-.npz", EntryName::Misnamed(Slip::Unnumbered)),
            ("batch-+1.npz", EntryName::Misnamed(Slip::Numbered)),
            ("batch-99999999999999999999.npz", EntryName::Misnamed(Slip::Numbered)),
            ("lif1.npy", EntryName::Misnamed(Slip::Unnumbered)),
            ("batch-1.npz.part", EntryName::Foreign),
            ("notes.txt", EntryName::Foreign),
            ("rank-0", EntryName::Rank(0)),
            ("rank-0012", EntryName::Rank(12)),
            ("rank-3/manifest.json", EntryName::Manifest(Some(3))),
            ("rank-3/end.json", EntryName::End(Some(3))),
            ("rank-3.end.json", EntryName::End(Some(3))),
            ("rank-3/batch-7.npz", EntryName::BatchFile(of_rank(7, 3))),
            ("rank-3/batch-7", EntryName::BatchDirectory(of_rank(7, 3))),
            ("rank-3.batch-7.npz", EntryName::BatchFile(of_rank(7, 3))),
            ("rank-3.batch-7", EntryName::BatchDirectory(of_rank(7, 3))),
            ("rank-3/.batch-7.npz", EntryName::Temporary),
            ("rank-3.batch-7.npz.tmp", EntryName::Temporary),
            ("rank-3.batch-x.npz", EntryName::Misnamed(Slip::Unnumbered)),
            ("rank-3.batch-x", EntryName::Misnamed(Slip::Unnumbered)),
            ("rank-3/batch-x.npz", EntryName::Misnamed(Slip::Unnumbered)),
            ("rank--1.batch-7.npz", EntryName::Misnamed(Slip::Numbered)),
            ("rank-99999999999999999999.batch-7.npz", EntryName::Misnamed(Slip::Numbered)),
            ("rank-", EntryName::MisnamedRank),
            ("rank--1", EntryName::MisnamedRank),
            ("rank-99999999999999999999", EntryName::MisnamedRank),
            ("rank-4294967295", EntryName::MisnamedRank),
            ("rank--1/batch-7.npz", EntryName::Foreign),
            ("rank-3/rank-4", EntryName::Foreign),
            ("rank-3/", EntryName::Foreign),
            ("rank-3/notes.txt", EntryName::Foreign),
            ("rank-notes.txt", EntryName::Foreign),
        ] {
            assert_eq!(classify(name), expected, "{name}");
        }
    }

    #[test]
    fn names_that_are_nearly_right_are_told_and_what_they_were_meant_to_be() {
        for (name, slip, meant) in [
            ("batch_000003.npz", Slip::Numbered, "batch-000003.npz"),
            ("batch3.npz", Slip::Numbered, "batch-3.npz"),
            ("step-3.npz", Slip::Numbered, "batch-3.npz"),
            ("0012.npz", Slip::Numbered, "batch-0012.npz"),
            ("rank0.batch_3.npz", Slip::Numbered, "rank-0.batch-3.npz"),
            ("rank-0/batch_3.npz", Slip::Numbered, "rank-0/batch-3.npz"),
            ("batch_3", Slip::Numbered, "batch-3"),
            ("batch-3.NPZ", Slip::Capitals, "batch-3.npz"),
            ("Batch-3.npz", Slip::Capitals, "batch-3.npz"),
            ("BATCH-3", Slip::Capitals, "batch-3"),
            ("batch-3.npy", Slip::Format, "batch-3.npz"),
            ("batch_3.pt", Slip::Format, "batch-3.npz"),
            ("rank-0/batch-3.pth", Slip::Format, "rank-0/batch-3.npz"),
            ("batch-3.npz.gz", Slip::Packed, "batch-3.npz"),
            ("batch-3.zip", Slip::Packed, "batch-3.npz"),
            ("batch-3.tar", Slip::Packed, "batch-3.npz"),
            ("rank-0/batch-3.tar.gz", Slip::Packed, "rank-0/batch-3.npz"),
            ("batch-3.npz.bak", Slip::Copy, "batch-3.npz"),
            ("batch-3.npz.1", Slip::Copy, "batch-3.npz"),
            ("rank-0.batch_3.npz.~2~", Slip::Copy, "rank-0.batch-3.npz"),
            ("batch-3.npz~", Slip::Copy, "batch-3.npz"),
            ("batch-3.npz ", Slip::Copy, "batch-3.npz"),
            ("Manifest.json", Slip::Document, "manifest.json"),
            ("manifest.json.txt", Slip::Document, "manifest.json"),
            ("end.JSON", Slip::Document, "end.json"),
        ] {
            assert_eq!(classify(name), EntryName::Misnamed(slip), "{name}");
            assert_eq!(meant_name(name).as_deref(), Some(meant), "{name}");
            assert!(!matches!(classify(meant), EntryName::Misnamed(_) | EntryName::Foreign), "{meant}");
        }
        for (name, meant) in
            [("rank0", "rank-0"), ("rank_03", "rank-03"), ("Rank-3", "rank-3"), ("RANK3", "rank-3")]
        {
            assert_eq!(classify(name), EntryName::MisnamedRank, "{name}");
            assert_eq!(meant_name(name).as_deref(), Some(meant), "{name}");
        }
        for name in [
            "weights.npz",
            "batch-99999999999999999999.npz",
            "batch-x.npz",
            "rank-99999999999999999999",
            "rank-4294967295",
        ] {
            assert_eq!(meant_name(name), None, "{name}");
        }
    }

    #[test]
    fn what_people_keep_beside_batches_is_none_of_our_business() {
        for name in [
            "model.pt",
            "checkpoint-3.pt",
            "step-3.pt",
            "weights.h5",
            "batch_size.txt",
            "batch-3.log",
            "batch-3.json",
            "batch_3.png",
            "batch-3.npz.part",
            "batches",
            "notes.npz.bak",
            "manifest.json.bak",
            "manifest.json~",
            "manifest-old.json",
            "ranking",
            "rank-notes.txt",
            "rank_0.log",
            "epoch-3",
            "3",
            "logs.tar.gz",
        ] {
            assert_eq!(classify(name), EntryName::Foreign, "{name}");
        }
        for (name, is_nearly) in
            [("batch-3", true), ("Batch_3.npz", true), (".batch_3.npz", false), ("train_3.npz", false)]
        {
            assert_eq!(is_nearly_batch(name), is_nearly, "{name}");
        }
        assert_eq!(classify(".batch_3.npz"), EntryName::Temporary);
        assert_eq!(classify("batch_3.npz.tmp"), EntryName::Temporary);
    }
}

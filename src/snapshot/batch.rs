//! Opens and checks a batch: the membrane potentials of every layer for some samples.

use super::bounded::shown;
use super::hints::all_meant;
use super::member::{Encoding, Member};
use super::npy::{Dtype, ElementKind, Header, MAX_AXES, MemoryOrder, elements};
use super::remarks::{NAMES, remarks};
use super::zip::{self, MAX_MEMBERS};
use super::{LayerShape, Manifest, SnapshotError};
use crate::storage::{self, MAX_LEVELS, Shape, StoredFile};
use std::collections::BTreeMap;
use std::path::Path;

/// The largest deflated array in C order beside one in Fortran order, in bytes. It is inflated again for each window
/// of the other one, 16 times at most.
const MAX_INFLATED_AGAIN: u64 = 256 << 20;

/// One array of a batch.
#[derive(Debug, Clone)]
pub struct Array {
    pub member: Member,
    pub header: Header,
}

/// How a layer's membrane potentials were written. All arrays are `[T, B, …]`: time steps, then the batch's samples,
/// then one sample's neurons.
#[derive(Debug, Clone)]
pub enum Form {
    /// Potentials after each step, which are also those before the next step.
    Trace(Array),
    Pair {
        /// Before each step. Row 0 is never used.
        pre: Array,
        /// After each step.
        post: Array,
    },
    /// One bit per element of the flattened `[T - 1, B, …]`, set if the potential changed.
    Bits(Array),
}

#[derive(Debug, Clone)]
pub struct BatchLayer {
    /// The qualified name.
    pub name: String,
    /// `[T, B, …]`.
    pub shape: Vec<u64>,
    /// The number of elements of `[T, B, …]`.
    pub elements: u64,
    pub form: Form,
}

impl BatchLayer {
    /// Time steps.
    pub fn steps(&self) -> u64 {
        self.shape[0]
    }

    /// Elements per time step; 0 if there is no step.
    pub fn step_elements(&self) -> u64 {
        self.elements.checked_div(self.steps()).unwrap_or(0)
    }

    pub fn layer_shape(&self) -> LayerShape {
        let neurons = (self.elements > 0).then(|| self.shape[2..].to_vec());
        LayerShape { name: self.name.clone(), neurons }
    }
}

/// A batch that is ready to be counted: every header was read, every shape checked.
#[derive(Debug, Clone)]
pub struct Batch {
    /// Samples in the batch.
    pub samples: u64,
    /// Those of the manifest in its order, then the others by name.
    pub layers: Vec<BatchLayer>,
    /// Members that are not read: unknown to the format, with a hidden name, or without a suffix.
    pub ignored: Vec<String>,
    /// What the user should know about the batch although it counts.
    pub remarks: Vec<SnapshotError>,
}

/// The members of a batch, and the names of files that would be members if they had the suffix `.npy`.
#[derive(Debug, Default)]
pub(super) struct Listing {
    pub(super) members: Vec<Member>,
    pub(super) without_suffix: Vec<String>,
}

const MAX_WITHOUT_SUFFIX: usize = 20;

impl Listing {
    /// Records a file that is not an `.npy`, if it would be a member otherwise.
    pub(super) fn note_other(&mut self, name: &str) {
        if self.without_suffix.len() < MAX_WITHOUT_SUFFIX && is_known(name) {
            self.without_suffix.push(name.to_owned());
        }
    }
}

impl Batch {
    /// Opens an `.npz` file or a directory of `.npy` files and checks it, also against the manifest if there is one.
    ///
    /// # Errors
    /// If anything in it is missing, unreadable or contradictory. A batch is one unit: nothing of a batch with an
    /// error may be counted.
    pub fn open(path: &Path, manifest: Option<&Manifest>) -> Result<Self, SnapshotError> {
        let members =
            match storage::for_path(path).open(path).map_err(|error| SnapshotError::io("it", &error))? {
                None => directory_members(path)?,
                Some((contents, length)) => zip::members(contents, length)?,
            };
        Self::from_listing(members, manifest)
    }

    fn from_listing(listing: Listing, manifest: Option<&Manifest>) -> Result<Self, SnapshotError> {
        let Listing { members, without_suffix: mut ignored } = listing;
        let mut samples = None;
        let mut parts: BTreeMap<String, LayerMembers> = BTreeMap::new();
        for member in members {
            let slot = match role(&member.name) {
                MemberRole::Samples => &mut samples,
                MemberRole::Post(layer) => &mut of_layer(&mut parts, layer).post,
                MemberRole::Pre(layer) => &mut of_layer(&mut parts, layer).pre,
                MemberRole::Changed(layer) => &mut of_layer(&mut parts, layer).changed,
                MemberRole::Shape(layer) => &mut of_layer(&mut parts, layer).shape,
                MemberRole::Unknown => {
                    ignored.push(member.name);
                    continue;
                }
            };
            *slot = Some(member);
        }
        if parts.is_empty() && samples.is_none() {
            return Err(SnapshotError::new(
                "it has neither a layer nor the number of samples",
                with_meant("write <layer>.post for every layer, and samples", &ignored),
            ));
        }
        let mut layers =
            parts.into_iter().map(|(name, parts)| parts.layer(&name)).collect::<Result<Vec<_>, _>>()?;
        if let Some(manifest) = manifest {
            layers.sort_by_cached_key(|layer| manifest.layers.place(&layer.name).unwrap_or(usize::MAX));
            let shapes: Vec<LayerShape> = layers.iter().map(BatchLayer::layer_shape).collect();
            manifest.check(&shapes).map_err(|error| {
                let advice = with_meant(&error.advice, &ignored);
                SnapshotError { advice, ..error }
            })?;
        }
        let says_samples = samples.is_some();
        let samples = match samples {
            Some(member) => scalar_samples(&member)?,
            None => samples_from_axes(&layers, manifest)?,
        };
        let batch = Self { samples, layers, ignored, remarks: Vec::new() };
        Ok(Self { remarks: remarks(&batch, says_samples), ..batch })
    }
}

/// The advice, with what ignored members may have been meant to be.
fn with_meant(advice: &str, ignored: &[String]) -> String {
    match all_meant(ignored) {
        Some(meant) => format!("{advice} ({NAMES}: {meant})"),
        None => advice.to_owned(),
    }
}

/// Without a `samples` member, the length of axis 1 is the number of samples.
///
/// The first layer of the manifest decides. Without a manifest no layer is the first, since a directory has no order,
/// so that all layers must agree.
fn samples_from_axes(layers: &[BatchLayer], manifest: Option<&Manifest>) -> Result<u64, SnapshotError> {
    let first = &layers[0];
    let declared = manifest.is_some_and(|manifest| manifest.layers.place(&first.name).is_some());
    match layers.iter().find(|layer| layer.shape[1] != first.shape[1]) {
        Some(other) if !declared => Err(SnapshotError::new(
            format!(
                "it has no samples member, and axis 1 is {} in {} but {} in {}",
                first.shape[1],
                shown(&first.name),
                other.shape[1],
                shown(&other.name)
            ),
            "add the integer scalar samples",
        )),
        _ => Ok(first.shape[1]),
    }
}

/// What a member is; those of a layer with the layer's name.
enum MemberRole<'a> {
    Samples,
    Post(&'a str),
    Pre(&'a str),
    Changed(&'a str),
    Shape(&'a str),
    Unknown,
}

/// The layer's name is everything before the last dot, since module names contain dots.
///
/// An archive and the directory that it unpacks to are the same batch. So in both, slashes separate sub-directories,
/// and components that begin with a dot are of files being written, or lead elsewhere.
fn role(name: &str) -> MemberRole<'_> {
    let mut way = name.split('/');
    if way.any(|part| part.is_empty() || part.starts_with('.')) || name.split('/').count() > MAX_LEVELS {
        return MemberRole::Unknown;
    }
    if name == "samples" {
        return MemberRole::Samples;
    }
    match name.rsplit_once('.') {
        Some((layer, "post")) => MemberRole::Post(layer),
        Some((layer, "pre")) => MemberRole::Pre(layer),
        Some((layer, "changed")) => MemberRole::Changed(layer),
        Some((layer, "shape")) => MemberRole::Shape(layer),
        _ => MemberRole::Unknown,
    }
}

/// Whether a member of this name is read.
pub(super) fn is_known(name: &str) -> bool {
    !matches!(role(name), MemberRole::Unknown)
}

#[derive(Debug, Default)]
struct LayerMembers {
    post: Option<Member>,
    pre: Option<Member>,
    changed: Option<Member>,
    shape: Option<Member>,
}

fn of_layer<'a>(parts: &'a mut BTreeMap<String, LayerMembers>, layer: &str) -> &'a mut LayerMembers {
    parts.entry(layer.to_owned()).or_default()
}

impl LayerMembers {
    fn layer(self, full_name: &str) -> Result<BatchLayer, SnapshotError> {
        let name = &*shown(full_name);
        let (form, shape) = match self {
            Self { post: Some(post), pre: None, changed: None, shape: None } => {
                let post = read_header(post)?;
                let shape = post.header.shape.clone();
                (Form::Trace(post), shape)
            }
            Self { post: Some(post), pre: Some(pre), changed: None, shape: None } => {
                let (pre, post) = (read_header(pre)?, read_header(post)?);
                check_pair(name, &pre, &post)?;
                let shape = post.header.shape.clone();
                (Form::Pair { pre, post }, shape)
            }
            Self { post: None, pre: None, changed: Some(changed), shape: Some(shape) } => {
                let shape = declared_shape(&shape)?;
                (Form::Bits(packed_bits(changed, &shape)?), shape)
            }
            Self { post: None, changed: None, .. } => {
                return Err(SnapshotError::new(
                    format!("layer {name:?} has neither .post nor .changed"),
                    "write <layer>.post, or <layer>.changed with <layer>.shape",
                ));
            }
            Self { post: None, pre: None, shape: None, .. } => {
                return Err(SnapshotError::new(
                    format!("{name}.changed is there without {name}.shape"),
                    "write the shape [T, B, …] as <layer>.shape",
                ));
            }
            _ => {
                return Err(SnapshotError::new(
                    format!("layer {name:?} is in two forms at once"),
                    "write either .post (with .pre if need be) or .changed with .shape",
                ));
            }
        };
        if shape.len() < 2 {
            return Err(SnapshotError::new(
                format!("layer {name:?} has shape {shape:?}"),
                "the first axes must be time steps and samples: [T, B, …]",
            ));
        }
        let elements = elements(&shape).map_err(|error| error.of_member(name))?;
        Ok(BatchLayer { name: full_name.to_owned(), shape, elements, form })
    }
}

fn check_pair(name: &str, pre: &Array, post: &Array) -> Result<(), SnapshotError> {
    let advice = "write .pre and .post alike";
    if pre.header.shape != post.header.shape {
        return Err(SnapshotError::new(
            format!("{name}.pre has shape {:?} and {name}.post {:?}", pre.header.shape, post.header.shape),
            advice,
        ));
    }
    let (before, after) = (pre.header.dtype, post.header.dtype);
    if (before.kind, before.size) != (after.kind, after.size) {
        return Err(SnapshotError::new(format!("{name}.pre is {before} and {name}.post {after}"), advice));
    }
    check_orders(name, pre, post)
}

/// The array in C order is read again for each window of the one in Fortran order. If it is deflated, each read
/// inflates it from the start, so that a small file could take days.
fn check_orders(name: &str, pre: &Array, post: &Array) -> Result<(), SnapshotError> {
    if pre.header.order == post.header.order {
        return Ok(());
    }
    let again = if pre.header.order == MemoryOrder::C { pre } else { post };
    if again.member.is_stored() || again.member.size <= MAX_INFLATED_AGAIN {
        return Ok(());
    }
    Err(SnapshotError::new(
        format!(
            "{name}.pre and {name}.post are in different memory orders, deflated, and larger than {} MiB",
            MAX_INFLATED_AGAIN >> 20
        ),
        "write both in the same order, or with numpy.savez, which stores them",
    ))
}

fn read_header(member: Member) -> Result<Array, SnapshotError> {
    let header = Header::read(&mut member.reader()?)?;
    let needed = header.data_bytes().map_err(|error| error.of_member(&member.name))? + header.data_offset;
    if member.size < needed {
        return Err(SnapshotError::new(
            format!("{} has {} bytes, and its header declares {needed}", shown(&member.name), member.size),
            "it may have been cut off while it was written: write the batch again",
        ));
    }
    if member.size > needed {
        return Err(SnapshotError::new(
            format!("{} has {} bytes behind its last element", shown(&member.name), member.size - needed),
            "write the batch again with numpy.savez",
        ));
    }
    Ok(Array { member, header })
}

fn packed_bits(member: Member, shape: &[u64]) -> Result<Array, SnapshotError> {
    let array = read_header(member)?;
    let name = shown(&array.member.name).into_owned();
    let dtype = array.header.dtype;
    if (dtype.kind, dtype.size) != (ElementKind::Unsigned, 1) {
        return Err(SnapshotError::new(
            format!("{name} is {dtype}, not packed bits"),
            "pack it with numpy.packbits, which gives uint8",
        ));
    }
    if array.header.order == MemoryOrder::Fortran && array.header.shape.len() > 1 {
        return Err(SnapshotError::new(format!("{name} is in Fortran order"), "pack the flattened array"));
    }
    let later_steps = shape.first().map_or(0, |steps| steps.saturating_sub(1));
    let bits = std::iter::once(later_steps).chain(shape.iter().skip(1).copied()).collect::<Vec<_>>();
    let needed = elements(&bits).map_err(|error| error.of_member(&name))?.div_ceil(8);
    let found = array.header.elements()?;
    if found != needed {
        return Err(SnapshotError::new(
            format!("{name} has {found} bytes, and shape {shape:?} needs {needed}"),
            "pack the changes of steps 1 to T - 1, flattened",
        ));
    }
    Ok(array)
}

/// The integers of an array. The caller must have checked that the header declares few of them.
fn small_integers(array: &Array) -> Result<Vec<i128>, SnapshotError> {
    let dtype = array.header.dtype;
    if dtype.kind == ElementKind::Float {
        let name = shown(&array.member.name);
        return Err(SnapshotError::new(format!("{name} is {dtype}, not an integer"), "save it as int64"));
    }
    let mut bytes = vec![0; (array.header.data_offset + array.header.data_bytes()?) as usize];
    let mut reader = array.member.reader()?;
    reader.fill(&mut bytes)?;
    reader.finish()?;
    let elements = bytes[array.header.data_offset as usize..].chunks_exact(dtype.size);
    Ok(elements.map(|element| integer(dtype, element)).collect())
}

/// The integer in the bytes of an element.
fn integer(dtype: Dtype, element: &[u8]) -> i128 {
    let is_little_endian = cfg!(target_endian = "little") != dtype.swapped;
    let add = |number: u64, &byte: &u8| number << 8 | u64::from(byte);
    let number =
        if is_little_endian { element.iter().rev().fold(0, add) } else { element.iter().fold(0, add) };
    if dtype.kind == ElementKind::Signed {
        let more = u64::BITS - 8 * element.len() as u32;
        return ((number << more).cast_signed() >> more).into();
    }
    number.into()
}

/// The header of an array of integers. What to do about a dtype that is not read is otherwise said of potentials.
fn read_integers_header(member: &Member, advice: &str) -> Result<Array, SnapshotError> {
    read_header(member.clone()).map_err(|error| match error.what.contains("dtype") {
        true => SnapshotError { advice: advice.to_owned(), ..error },
        false => error,
    })
}

fn scalar_samples(member: &Member) -> Result<u64, SnapshotError> {
    let array =
        read_integers_header(member, "write one integer, the number of samples in the batch, as int64")?;
    let declared = array.header.elements()?;
    if declared != 1 {
        return Err(SnapshotError::new(
            format!("samples has {declared} values"),
            "write one integer, the number of samples in the batch",
        ));
    }
    let values = small_integers(&array)?;
    let value = values.first().copied().unwrap_or_default();
    u64::try_from(value).map_err(|_| {
        SnapshotError::new(format!("samples is {value}"), "write the number of samples in the batch")
    })
}

fn declared_shape(member: &Member) -> Result<Vec<u64>, SnapshotError> {
    let array = read_integers_header(member, "write the shape [T, B, …] as a list of integers, as int64")?;
    let name = shown(&member.name);
    match array.header.shape.as_slice() {
        &[axes] if axes <= MAX_AXES as u64 => {}
        [axes] => {
            return Err(SnapshotError::new(
                format!("{name} has {axes} axes, and arrays have {MAX_AXES} at the most"),
                "write the shape [T, B, …]",
            ));
        }
        other => {
            return Err(SnapshotError::new(
                format!("{name} is itself of shape {other:?}"),
                "write the shape [T, B, …] as a list of integers",
            ));
        }
    }
    let values = small_integers(&array)?;
    values
        .iter()
        .map(|&axis| u64::try_from(axis))
        .collect::<Result<_, _>>()
        .map_err(|_| SnapshotError::new(format!("{name} is {values:?}"), "axes cannot be negative"))
}

/// The `.npy` files of a directory batch and its sub-directories, by name.
fn directory_members(directory: &Path) -> Result<Listing, SnapshotError> {
    let mut listing = Listing::default();
    let mut count = 0;
    // Beyond the limit, files are only counted.
    let mut wanted = |name: &str| {
        let is_array = name.ends_with(".npy");
        if !is_array {
            listing.note_other(name);
        }
        count += usize::from(is_array);
        is_array && count <= MAX_MEMBERS
    };
    let files = storage::for_path(directory).files(directory, &mut wanted);
    let mut files = files.map_err(|error| SnapshotError::io("it", &error))?;
    if count > MAX_MEMBERS {
        return Err(SnapshotError::new(
            format!("it has more than {MAX_MEMBERS} members"),
            "write fewer layers to a batch",
        ));
    }
    files.sort_unstable_by(|a, b| a.name.cmp(&b.name));
    listing.without_suffix.sort_unstable();
    listing.members = files.into_iter().map(file_member).collect::<Result<_, _>>()?;
    Ok(listing)
}

fn file_member(file: StoredFile) -> Result<Member, SnapshotError> {
    let StoredFile { name, shape, size, container } = file;
    let name = name.strip_suffix(".npy").unwrap_or(&name).to_owned();
    // A file that is not read may be anything.
    if shape != Shape::File && !matches!(role(&name), MemberRole::Unknown) {
        let file = shown(&name);
        return Err(SnapshotError::new(format!("{file}.npy is not a regular file"), "write it as one"));
    }
    Ok(Member { name, container, range: 0..size, encoding: Encoding::Stored, size, crc: None })
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::ArrayD;
    use ndarray_npy::{ReadNpyExt, ReadableElement};

    fn npy(descr: &str, shape: &str, data: &[u8]) -> Vec<u8> {
        let header = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}\n");
        let length = (header.len() as u16).to_le_bytes();
        [b"\x93NUMPY\x01\x00", &length[..], header.as_bytes(), data].concat()
    }

    fn by_ndarray<T: ReadableElement + Into<i128>>(npy: &[u8]) -> Vec<i128> {
        let array = ArrayD::<T>::read_npy(npy).expect("an array");
        array.into_iter().map(Into::into).collect()
    }

    #[test]
    fn an_error_in_a_header_names_the_member_once() {
        let directory = tempfile::tempdir().expect("a directory");
        let whole = npy("<f4", "(1, 1)", &[0; 4]);
        for (bytes, what) in [
            (
                &b"PK\x03\x04 an archive"[..],
                "a.post: not a NumPy array (it does not begin with the .npy magic)",
            ),
            (
                &npy("|O", "(1, 1)", &[0; 8]),
                "a.post: dtype \"|O\" is an object array (a pickle), which is never loaded",
            ),
            (&whole[..20], "a.post: the data end early"),
        ] {
            std::fs::write(directory.path().join("a.post.npy"), bytes).expect("a file");
            assert_eq!(Batch::open(directory.path(), None).expect_err("it cannot be read").what, what);
        }
    }

    #[test]
    fn integers_are_what_ndarray_reads_whatever_their_type() {
        let directory = tempfile::tempdir().expect("a directory");
        for (descr, width) in
            [("|i1", 1), ("<i2", 2), (">i2", 2), ("<i4", 4), (">i4", 4), ("<i8", 8), (">i8", 8)]
        {
            for descr in [descr.to_owned(), descr.replace('i', "u")] {
                for (byte, shape, count) in [
                    (0x00, "()", 1),
                    (0x01, "(1,)", 1),
                    (0x7f, "(3,)", 3),
                    (0x80, "()", 1),
                    (0xff, "(2,)", 2),
                ] {
                    let data: Vec<u8> =
                        (0..width * count).map(|at: u8| if at == 0 { byte } else { 3 * at }).collect();
                    let npy = npy(&descr, shape, &data);
                    std::fs::write(directory.path().join("samples.npy"), &npy).expect("a file");
                    let member = directory_members(directory.path()).expect("members").members.remove(0);
                    let array = read_header(member).expect("a header");
                    let expected = match (array.header.dtype.kind, array.header.dtype.size) {
                        (ElementKind::Signed, 1) => by_ndarray::<i8>(&npy),
                        (ElementKind::Signed, 2) => by_ndarray::<i16>(&npy),
                        (ElementKind::Signed, 4) => by_ndarray::<i32>(&npy),
                        (ElementKind::Signed, _) => by_ndarray::<i64>(&npy),
                        (_, 1) => by_ndarray::<u8>(&npy),
                        (_, 2) => by_ndarray::<u16>(&npy),
                        (_, 4) => by_ndarray::<u32>(&npy),
                        _ => by_ndarray::<u64>(&npy),
                    };
                    assert_eq!(small_integers(&array), Ok(expected), "{descr} {shape} {byte}");
                }
            }
        }
    }
}

//! Reads the header of a NumPy `.npy` file: dtype, memory order and shape of one array.
//!
//! Existing libraries read a header only together with the whole array, lack half floats, or parse its Python literal
//! by recursion, which a hostile file can make arbitrarily deep. The format:
//! <https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html>.

use super::bounded::quoted;
use super::{MemberReader, SnapshotError};

const MAGIC: &[u8; 6] = b"\x93NUMPY";

/// The longest header, in bytes. NumPy itself refuses more than 10,000.
const MAX_HEADER: usize = 10_000;

/// The most axes of a NumPy array.
pub(super) const MAX_AXES: usize = 64;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ElementKind {
    /// IEEE floating point, `f`.
    Float,
    /// `i`.
    Signed,
    /// `u`.
    Unsigned,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dtype {
    pub kind: ElementKind,
    /// In bytes: 1, 2, 4 or 8.
    pub size: usize,
    /// Whether the byte order is not that of this machine.
    pub swapped: bool,
}

impl std::fmt::Display for Dtype {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let kind = match self.kind {
            ElementKind::Float => 'f',
            ElementKind::Signed => 'i',
            ElementKind::Unsigned => 'u',
        };
        write!(f, "{kind}{}", self.size)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MemoryOrder {
    /// The last axis varies fastest.
    C,
    /// The first axis varies fastest.
    Fortran,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    pub dtype: Dtype,
    pub order: MemoryOrder,
    pub shape: Vec<u64>,
    /// The offset of the elements in the file, in bytes.
    pub data_offset: u64,
}

impl Header {
    /// Reads the header at the start of an array.
    ///
    /// # Errors
    /// If it is not an `.npy`, has an unknown version, or has a dtype that no member of a batch may have, such as
    /// objects. Each error names the member.
    pub fn read(reader: &mut MemberReader) -> Result<Self, SnapshotError> {
        let name = reader.name().to_owned();
        let in_member = |error: SnapshotError| error.of_member(&name);
        let mut start = [0; 8];
        reader.fill(&mut start)?;
        if &start[..6] != MAGIC {
            return Err(in_member(bad("not a NumPy array (it does not begin with the .npy magic)")));
        }
        let (length, prefix) = match start[6] {
            1 => {
                let mut length = [0; 2];
                reader.fill(&mut length)?;
                (usize::from(u16::from_le_bytes(length)), 10)
            }
            2 | 3 => {
                let mut length = [0; 4];
                reader.fill(&mut length)?;
                (u32::from_le_bytes(length) as usize, 12)
            }
            version => {
                return Err(in_member(bad(format!("version {version} of the .npy format is unknown"))));
            }
        };
        if length > MAX_HEADER {
            return Err(in_member(bad(format!("its header has {length} bytes, more than {MAX_HEADER}"))));
        }
        let mut literal = vec![0; length];
        reader.fill(&mut literal)?;
        let literal = str::from_utf8(&literal).map_err(|_| in_member(bad("its header is not text")))?;
        let fields = Literal { rest: literal }.header().map_err(in_member)?;
        Ok(Self { data_offset: (prefix + length) as u64, ..fields })
    }

    /// # Errors
    /// If the product of the axes has more than 64 bits.
    pub fn elements(&self) -> Result<u64, SnapshotError> {
        elements(&self.shape)
    }

    /// The number of bytes of all elements.
    ///
    /// # Errors
    /// As [`Header::elements`].
    pub fn data_bytes(&self) -> Result<u64, SnapshotError> {
        self.elements()?
            .checked_mul(self.dtype.size as u64)
            .filter(|bytes| bytes.checked_add(self.data_offset).is_some())
            .ok_or_else(|| too_large(&self.shape))
    }
}

/// The product of the axes of a shape.
///
/// # Errors
/// If it has more than 64 bits.
pub fn elements(shape: &[u64]) -> Result<u64, SnapshotError> {
    if shape.contains(&0) {
        return Ok(0);
    }
    shape.iter().try_fold(1_u64, |product, &axis| product.checked_mul(axis)).ok_or_else(|| too_large(shape))
}

fn too_large(shape: &[u64]) -> SnapshotError {
    bad(format!("shape {shape:?} has more elements than can be addressed"))
}

fn bad(what: impl Into<String>) -> SnapshotError {
    SnapshotError::new(what, "write it with numpy.save or numpy.savez")
}

/// The error that no array of a batch may have this dtype, with what to convert it to.
fn unused(descr: &str) -> SnapshotError {
    let (what, advice) = match (descr.chars().nth(1), descr.get(2..)) {
        (Some('O'), _) => {
            ("an object array (a pickle), which is never loaded", "save a plain numeric array, as float32")
        }
        (Some('b' | '?'), _) => (
            "booleans",
            "pack the changes with numpy.packbits(changed) as <layer>.changed; potentials are numbers, as float32",
        ),
        (Some('V'), Some("1" | "2")) => (
            "raw bytes, as NumPy writes bfloat16 and 8-bit floats",
            "convert it to float32 before it is saved (float16 cannot hold all of its numbers)",
        ),
        (Some('V'), _) => ("raw bytes", "save the potentials as float32 or float64"),
        (Some('c'), _) => (
            "complex numbers",
            "save the part that is the membrane potential as float32, or both parts as two layers",
        ),
        (Some('f'), _) => ("floats of another width", "save it as float64, or as float32"),
        (Some('M' | 'm'), _) => ("times", "save the potentials themselves, as float32"),
        (Some('S' | 'U' | 'a'), _) => ("text", "save the potentials as numbers, as float32"),
        _ => (
            "not used in snapshots",
            "save the potentials as float32 or float64, or as integers of 1 to 8 bytes",
        ),
    };
    SnapshotError::new(format!("dtype {} is {what}", quoted(descr)), advice)
}

/// A cursor over the Python literal of a header, in which only a flat dictionary of the three fields is valid.
struct Literal<'a> {
    rest: &'a str,
}

impl<'a> Literal<'a> {
    fn header(mut self) -> Result<Header, SnapshotError> {
        let (mut dtype, mut order, mut shape) = (None, None, None);
        self.expect('{')?;
        while !self.take('}') {
            let key = self.string()?;
            self.expect(':')?;
            match key {
                "descr" => dtype = Some(self.dtype()?),
                "fortran_order" => order = Some(self.order()?),
                "shape" => shape = Some(self.shape()?),
                _ => return Err(bad(format!("its header has the unknown field {}", quoted(key)))),
            }
            if !self.take(',') {
                self.expect('}')?;
                break;
            }
        }
        if !self.rest.trim().is_empty() {
            return Err(bad("its header goes on behind the dictionary"));
        }
        match (dtype, order, shape) {
            (Some(dtype), Some(order), Some(shape)) => Ok(Header { dtype, order, shape, data_offset: 0 }),
            _ => Err(bad("its header lacks descr, fortran_order or shape")),
        }
    }

    fn dtype(&mut self) -> Result<Dtype, SnapshotError> {
        if self.peek() == Some('[') {
            return Err(SnapshotError::new(
                "structured dtypes are not potentials",
                "save the field that is the potential as an array of its own",
            ));
        }
        let descr = self.string()?;
        let mut characters = descr.chars();
        let endian = characters.next();
        let kind = match characters.next() {
            Some('f') => ElementKind::Float,
            Some('i') => ElementKind::Signed,
            Some('u') => ElementKind::Unsigned,
            _ => return Err(unused(descr)),
        };
        let size = match characters.as_str() {
            "1" if kind != ElementKind::Float => 1,
            "2" => 2,
            "4" => 4,
            "8" => 8,
            _ => return Err(unused(descr)),
        };
        let swapped = match endian {
            Some('<') => cfg!(target_endian = "big"),
            Some('>') => cfg!(target_endian = "little"),
            Some('=') => false,
            Some('|') if size == 1 => false,
            _ => return Err(bad(format!("dtype {} has no byte order", quoted(descr)))),
        };
        Ok(Dtype { kind, size, swapped: swapped && size > 1 })
    }

    fn order(&mut self) -> Result<MemoryOrder, SnapshotError> {
        for (word, order) in [("False", MemoryOrder::C), ("True", MemoryOrder::Fortran)] {
            if let Some(rest) = self.rest.trim_start().strip_prefix(word) {
                self.rest = rest;
                return Ok(order);
            }
        }
        Err(bad("fortran_order is neither True nor False"))
    }

    fn shape(&mut self) -> Result<Vec<u64>, SnapshotError> {
        let mut shape = Vec::new();
        self.expect('(')?;
        while !self.take(')') {
            let text = self.rest.trim_start();
            let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
            let axis = text[..digits].parse().map_err(|_| bad("an axis of its shape is not a length"))?;
            // Python 2 wrote long integers with an L.
            self.rest = text[digits..].strip_prefix('L').unwrap_or(&text[digits..]);
            if shape.len() == MAX_AXES {
                return Err(bad(format!("it has more than {MAX_AXES} axes")));
            }
            shape.push(axis);
            if !self.take(',') {
                self.expect(')')?;
                break;
            }
        }
        Ok(shape)
    }

    fn string(&mut self) -> Result<&'a str, SnapshotError> {
        let text = self.rest.trim_start();
        let quote = text.chars().next().filter(|&c| c == '\'' || c == '"');
        let quote = quote.ok_or_else(|| bad("its header is not a dictionary of named fields"))?;
        let (string, rest) =
            text[1..].split_once(quote).ok_or_else(|| bad("a string in its header has no end"))?;
        self.rest = rest;
        Ok(string)
    }

    fn peek(&self) -> Option<char> {
        self.rest.trim_start().chars().next()
    }

    fn take(&mut self, character: char) -> bool {
        match self.rest.trim_start().strip_prefix(character) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn expect(&mut self, character: char) -> Result<(), SnapshotError> {
        if self.take(character) { Ok(()) } else { Err(bad(format!("its header lacks a {character:?}"))) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(literal: &str) -> Result<Header, SnapshotError> {
        Literal { rest: literal }.header()
    }

    #[test]
    fn headers_as_numpy_writes_them() {
        let header =
            parse("{'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }   \n").expect("a header");
        assert_eq!(
            header.dtype,
            Dtype { kind: ElementKind::Float, size: 4, swapped: cfg!(target_endian = "big") }
        );
        assert_eq!((header.order, header.shape.as_slice()), (MemoryOrder::C, &[3, 4][..]));
        let header = parse("{'descr': '>f2', 'fortran_order': True, 'shape': (5,), }").expect("a header");
        assert_eq!((header.order, header.shape.as_slice()), (MemoryOrder::Fortran, &[5][..]));
        assert_eq!(header.dtype.swapped, cfg!(target_endian = "little"));
        let scalar = parse("{'descr': '<i8', 'fortran_order': False, 'shape': (), }").expect("a header");
        assert_eq!(scalar.elements(), Ok(1));
        let old = parse("{'shape': (3L, 4L), 'fortran_order': False, 'descr': '|u1'}").expect("a header");
        assert_eq!(old.shape, [3, 4]);
    }

    #[test]
    fn what_numpy_does_not_write_is_refused() {
        for literal in [
            "",
            "{}",
            "((((((((",
            "{'descr': '<f4', 'fortran_order': False}",
            "{'descr': '<f4', 'fortran_order': False, 'shape': (3,)} behind",
            "{'descr': '<f4', 'fortran_order': Maybe, 'shape': (3,)}",
            "{'descr': '<f4', 'fortran_order': False, 'shape': (-3,)}",
            "{'descr': '<f4', 'fortran_order': False, 'shape': (3,}",
            "{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999,)}",
            "{'descr': '<f3', 'fortran_order': False, 'shape': (3,)}",
            "{'descr': '|f4', 'fortran_order': False, 'shape': (3,)}",
            "{'descr': '<c8', 'fortran_order': False, 'shape': (3,)}",
            "{'descr': '', 'fortran_order': False, 'shape': (3,)}",
            "{'descr': '<\u{e9}\u{e9}', 'fortran_order': False, 'shape': (3,)}",
            "{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (3,)}",
            "{'descr': 'é', 'fortran_order': False, 'shape': (3,)}",
            "{'more': 1, 'descr': '<f4', 'fortran_order': False, 'shape': (3,)}",
        ] {
            assert!(parse(literal).is_err(), "{literal}");
        }
        let pickle = parse("{'descr': '|O', 'fortran_order': False, 'shape': (3,)}").unwrap_err();
        assert!(pickle.what.contains("pickle"), "{pickle}");
    }

    #[test]
    fn what_is_not_read_comes_with_what_to_convert_it_to() {
        for (descr, what, advice) in [
            ("|b1", "booleans", "numpy.packbits"),
            ("<V2", "bfloat16", "float32"),
            ("|V2", "bfloat16", "float32"),
            ("|V1", "8-bit floats", "float32"),
            ("|V16", "raw bytes", "float32"),
            ("<c8", "complex", "float32"),
            ("<c16", "complex", "two layers"),
            ("<f16", "another width", "float64"),
            ("<f12", "another width", "float64"),
            ("<M8[ns]", "times", "float32"),
            ("<m8", "times", "float32"),
            ("<U5", "text", "numbers"),
            ("|S5", "text", "numbers"),
            ("|O", "pickle", "plain numeric"),
            ("<i16", "not used", "integers of 1 to 8 bytes"),
        ] {
            let error =
                parse(&format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': (3,)}}")).unwrap_err();
            assert!(error.what.contains(what) && error.advice.contains(advice), "{descr}: {error}");
        }
        let fields = "{'descr': [('v', '<f4')], 'fortran_order': False, 'shape': (3,)}";
        assert!(parse(fields).unwrap_err().advice.contains("an array of its own"));
    }

    #[test]
    fn products_of_axes_are_checked() {
        assert_eq!(elements(&[1 << 40, 1 << 40, 0]), Ok(0));
        assert!(elements(&[1 << 40, 1 << 40]).is_err());
        assert_eq!(elements(&[]), Ok(1));
    }
}

//! The CRC-32 of a member's bytes, as in ZIP archives.

use crc32fast::Hasher;

/// The CRC-32 (ISO-HDLC, polynomial 0x04C11DB7) of the bytes so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Crc {
    value: u32,
    /// The number of bytes.
    length: u64,
}

impl Crc {
    /// Adds the next bytes.
    pub(crate) fn update(&mut self, bytes: &[u8]) {
        let mut hasher = Hasher::new_with_initial(self.value);
        hasher.update(bytes);
        self.value = hasher.finalize();
        self.length += bytes.len() as u64;
    }

    /// Adds the next bytes by their CRC-32.
    pub(crate) fn append(&mut self, next: Self) {
        let mut hasher = Hasher::new_with_initial_len(self.value, self.length);
        hasher.combine(&Hasher::new_with_initial_len(next.value, next.length));
        *self = Self { value: hasher.finalize(), length: self.length + next.length };
    }

    pub(crate) fn value(self) -> u32 {
        self.value
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn parts_give_the_crc_of_the_whole(
            bytes in prop::collection::vec(any::<u8>(), 0..1000),
            cuts in any::<(prop::sample::Index, prop::sample::Index)>(),
        ) {
            let (one, other) = (cuts.0.index(bytes.len() + 1), cuts.1.index(bytes.len() + 1));
            let (first, second) = (one.min(other), one.max(other));
            let (mut crc, mut last) = (Crc::default(), Crc::default());
            crc.update(&bytes[..first]);
            crc.update(&bytes[first..second]);
            last.update(&bytes[second..]);
            crc.append(last);
            prop_assert_eq!(crc.value(), crc32fast::hash(&bytes));
            prop_assert_eq!(crc.length, bytes.len() as u64);
        }
    }
}

//! The CRC-32s of both sides of a comparison.

use crc32fast::Hasher;

/// The checksums of the bytes before and after a step; `None` for a side that is not verified, or is already.
#[derive(Debug, Default)]
pub(crate) struct Crcs<'a> {
    pub(super) pre: Option<&'a mut Hasher>,
    pub(super) post: Option<&'a mut Hasher>,
}

impl Crcs<'_> {
    /// Adds the bytes that follow on either side.
    pub(crate) fn add(&mut self, pre: &[u8], post: &[u8]) {
        for (sum, bytes) in [(&mut self.pre, pre), (&mut self.post, post)] {
            if let Some(sum) = sum.as_mut().filter(|_| !bytes.is_empty()) {
                sum.update(bytes);
            }
        }
    }
}

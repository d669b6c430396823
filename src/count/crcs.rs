//! The CRC-32s of both sides of a comparison.

use crate::snapshot::Crc;

/// The checksums of the bytes before and after a step; `None` for a side that is not verified, or is already.
#[derive(Debug, Default)]
pub(crate) struct Crcs<'a> {
    pub(super) pre: Option<&'a mut Crc>,
    pub(super) post: Option<&'a mut Crc>,
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

//! TensorBoard's records: the messages of its `event.proto` and `summary.proto` that scalars need, and the framing of
//! TFRecord files.

use prost::Message;

/// `START` of `event.proto`.
const START: i32 = 1;

/// Version 2 of the files is the one in which a start purges.
const FILE_VERSION: &str = "brain.Event:2";

/// One record.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Event {
    #[prost(double, tag = "1")]
    wall_time: f64,
    #[prost(int64, tag = "2")]
    step: i64,
    #[prost(oneof = "What", tags = "3, 5, 7")]
    what: Option<What>,
}

/// The contents of a record.
#[derive(Clone, PartialEq, prost::Oneof)]
enum What {
    #[prost(string, tag = "3")]
    FileVersion(String),
    #[prost(message, tag = "5")]
    Summary(ScalarValues),
    #[prost(message, tag = "7")]
    SessionLog(SessionLog),
}

/// `Summary`.
#[derive(Clone, PartialEq, Message)]
struct ScalarValues {
    #[prost(message, repeated, tag = "1")]
    value: Vec<Value>,
}

/// `Summary.Value`, of a scalar.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Value {
    #[prost(string, tag = "1")]
    tag: String,
    /// Written even if it is 0.
    #[prost(float, optional, tag = "2")]
    simple_value: Option<f32>,
}

/// `SessionLog`.
#[derive(Clone, PartialEq, Message)]
struct SessionLog {
    #[prost(int32, tag = "1")]
    status: i32,
}

impl Value {
    /// A scalar, rounded to 32 bits: TensorBoard's data server leaves out 64-bit values (tensors of doubles).
    pub(super) fn scalar(tag: String, value: f64) -> Self {
        Self { tag, simple_value: Some(value as f32) }
    }
}

impl Event {
    /// The first record of a file.
    pub(super) fn version(wall_time: f64) -> Self {
        Self { wall_time, step: 0, what: Some(What::FileVersion(FILE_VERSION.into())) }
    }

    /// A new start at a step: readers forget this step and all later ones.
    pub(super) fn start(wall_time: f64, step: i64) -> Self {
        Self { wall_time, step, what: Some(What::SessionLog(SessionLog { status: START })) }
    }

    /// Scalars of a step.
    pub(super) fn values(wall_time: f64, step: i64, value: Vec<Value>) -> Self {
        Self { wall_time, step, what: Some(What::Summary(ScalarValues { value })) }
    }

    /// Appends the record: its length, the length's checksum, its bytes, their checksum.
    pub(super) fn append_to(&self, file: &mut Vec<u8>) {
        let record = self.encode_to_vec();
        let length = (record.len() as u64).to_le_bytes();
        file.extend(length);
        file.extend(masked(&length).to_le_bytes());
        file.extend(&record);
        file.extend(masked(&record).to_le_bytes());
    }
}

/// The CRC-32C of TFRecord files, rotated and shifted so that a checksum over data that hold checksums stays sound.
fn masked(bytes: &[u8]) -> u32 {
    crc32c::crc32c(bytes).rotate_right(15).wrapping_add(0xa282_ead8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_have_the_bytes_of_the_format() {
        let mut file = Vec::new();
        Event::version(1.0).append_to(&mut file);
        let record = b"\x09\0\0\0\0\0\0\xf0\x3f\x1a\x0dbrain.Event:2";
        assert_eq!(file[..8], 24_u64.to_le_bytes());
        assert_eq!(&file[12..36], record);
        assert_eq!(file.len(), 40);
    }

    #[test]
    fn a_scalar_of_nothing_is_written_too() {
        assert_eq!(Value::scalar("a".into(), 0.0).encode_to_vec(), b"\x0a\x01a\x15\0\0\0\0");
    }

    #[test]
    fn the_checksum_is_masked_as_in_the_specification() {
        // CRC-32C of "123456789" is e3069283 (RFC 3720's polynomial).
        assert_eq!(crc32c::crc32c(b"123456789"), 0xe306_9283);
        assert_eq!(masked(b"123456789"), 0xe306_9283_u32.rotate_right(15).wrapping_add(0xa282_ead8));
    }
}

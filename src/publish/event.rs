//! TensorBoard's records: the messages of its `event.proto` and `summary.proto` that scalars need, and the framing of
//! TFRecord files.

/// `START` of `event.proto`.
const START: u64 = 1;

/// Version 2 of the files is the one in which a start purges.
const FILE_VERSION: &str = "brain.Event:2";

/// `Summary.Value`, of a scalar.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Value {
    tag: String,
    simple_value: f32,
}

impl Value {
    /// A scalar, rounded to 32 bits: TensorBoard's data server leaves out 64-bit values (tensors of doubles).
    pub(super) fn scalar(tag: String, value: f64) -> Self {
        Self { tag, simple_value: value as f32 }
    }

    fn message(&self) -> Message {
        Message::default().bytes(1, self.tag.as_bytes()).fixed(2, self.simple_value.to_le_bytes())
    }
}

/// A record, or a message in one, in the encoding of Protocol Buffers. It is written field by field: each is a key (the
/// number of the field, and how its value is written) and a value.
#[derive(Default)]
pub(super) struct Message(Vec<u8>);

impl Message {
    /// The first record of a file.
    pub(super) fn version(wall_time: f64) -> Self {
        Self::event(wall_time, 0).bytes(3, FILE_VERSION.as_bytes())
    }

    /// A new start at a step: readers forget this step and all later ones.
    pub(super) fn start(wall_time: f64, step: i64) -> Self {
        Self::event(wall_time, step).message(7, &Self::default().integer(1, START))
    }

    /// Scalars of a step.
    pub(super) fn values(wall_time: f64, step: i64, values: &[Value]) -> Self {
        let add = |summary: Self, value: &Value| summary.message(1, &value.message());
        Self::event(wall_time, step).message(5, &values.iter().fold(Self::default(), add))
    }

    fn event(wall_time: f64, step: i64) -> Self {
        Self::default().fixed(1, wall_time.to_le_bytes()).integer(2, step as u64)
    }

    /// Appends the record to a file: its length, the length's checksum, its bytes, their checksum.
    pub(super) fn append_to(&self, file: &mut Vec<u8>) {
        let length = (self.0.len() as u64).to_le_bytes();
        file.extend(length);
        file.extend(masked(&length).to_le_bytes());
        file.extend(&self.0);
        file.extend(masked(&self.0).to_le_bytes());
    }

    /// A variable-length integer: seven bits a byte, the lowest first. 0 is the default, which is not written.
    fn integer(mut self, number: u8, value: u64) -> Self {
        if value != 0 {
            self.0.push(number << 3);
            self.push_integer(value);
        }
        self
    }

    /// A float, even if it is 0.
    fn fixed<const BYTES: usize>(mut self, number: u8, value: [u8; BYTES]) -> Self {
        self.0.push(number << 3 | if BYTES == 8 { 1 } else { 5 });
        self.0.extend(value);
        self
    }

    /// Text, or another message.
    fn bytes(mut self, number: u8, value: &[u8]) -> Self {
        self.0.push(number << 3 | 2);
        self.push_integer(value.len() as u64);
        self.0.extend(value);
        self
    }

    fn message(self, number: u8, value: &Self) -> Self {
        self.bytes(number, &value.0)
    }

    fn push_integer(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
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
        Message::version(1.0).append_to(&mut file);
        let record = b"\x09\0\0\0\0\0\0\xf0\x3f\x1a\x0dbrain.Event:2";
        assert_eq!(file[..8], 24_u64.to_le_bytes());
        assert_eq!(&file[12..36], record);
        assert_eq!(file.len(), 40);
    }

    #[test]
    fn a_scalar_of_nothing_is_written_too() {
        assert_eq!(Value::scalar("a".into(), 0.0).message().0, b"\x0a\x01a\x15\0\0\0\0");
    }

    #[test]
    fn messages_have_the_bytes_of_the_encoding() {
        let start = b"\x09\0\0\0\0\0\0\xf8\x3f\x10\xac\x02\x3a\x02\x08\x01";
        assert_eq!(Message::start(1.5, 300).0, start);
        let values = [Value::scalar("a".into(), 1.0), Value::scalar("b".repeat(130), -2.0)];
        let two = Message::values(1.5, 1 << 35, &values).0;
        let head = b"\x09\0\0\0\0\0\0\xf8\x3f\x10\x80\x80\x80\x80\x80\x01\x2a\x97\x01";
        let [one, other] =
            [&b"\x0a\x08\x0a\x01a\x15\0\0\x80\x3f\x0a\x8a\x01\x0a\x82\x01"[..], b"\x15\0\0\0\xc0"];
        assert_eq!(two, [&head[..], one, "b".repeat(130).as_bytes(), other].concat());
    }

    #[test]
    fn the_checksum_is_masked_as_in_the_specification() {
        // CRC-32C of "123456789" is e3069283 (RFC 3720's polynomial).
        assert_eq!(crc32c::crc32c(b"123456789"), 0xe306_9283);
        assert_eq!(masked(b"123456789"), 0xe306_9283_u32.rotate_right(15).wrapping_add(0xa282_ead8));
    }
}

//! Number types: how wide they are, how a number lies in bytes, half floats, and how a number is written as a label.

use hdf5_pure::{Datatype, DatatypeByteOrder};

/// Bytes of one element as stored.
pub(crate) fn element_size(datatype: &Datatype) -> u32 {
    match datatype {
        Datatype::FixedPoint { size, .. }
        | Datatype::FloatingPoint { size, .. }
        | Datatype::Time { size, .. }
        | Datatype::String { size, .. }
        | Datatype::BitField { size, .. }
        | Datatype::Opaque { size, .. }
        | Datatype::Compound { size, .. }
        | Datatype::Reference { size, .. }
        | Datatype::Enumeration { size, .. } => *size,
        Datatype::VariableLength { .. } => 16,
        Datatype::Array { base_type, dimensions } => {
            dimensions.iter().fold(element_size(base_type), |bytes, extent| bytes.saturating_mul(*extent))
        }
        // A class this version of the library does not tell apart; nothing here reads one.
        _ => 1,
    }
}

/// The number type behind a type: enumerations stand for their integers.
pub(crate) fn numeric(datatype: &Datatype) -> Option<&Datatype> {
    match datatype {
        Datatype::FixedPoint { .. } | Datatype::FloatingPoint { .. } => Some(datatype),
        Datatype::Enumeration { base_type, .. } => numeric(base_type),
        _ => None,
    }
}

/// A number as a label.
pub(crate) fn number_label(value: f64, is_boolean: bool) -> String {
    match (is_boolean, value == 0.0) {
        (true, true) => "False".into(),
        (true, false) => "True".into(),
        (false, _) => format!("{value}"),
    }
}

/// Half-precision bits as f32.
pub(crate) fn f32_of_half(bits: u16) -> f32 {
    let sign = if bits & 0x8000 == 0 { 1.0 } else { -1.0 };
    let exponent = i32::from((bits >> 10) & 0x1f);
    let mantissa = f32::from(bits & 0x3ff);
    sign * match exponent {
        0 => mantissa * 2f32.powi(-24),
        31 if mantissa == 0.0 => f32::INFINITY,
        31 => f32::NAN,
        _ => (1024.0 + mantissa) * 2f32.powi(exponent - 25),
    }
}

/// What kind of number it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NumberKind {
    Float,
    Signed,
    Unsigned,
}

/// How a number lies in bytes: integers of 1, 2, 4 or 8 bytes, floats of 2, 4 or 8.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Number {
    pub(crate) kind: NumberKind,
    pub(crate) size: usize,
    pub(crate) is_big: bool,
}

impl Number {
    /// A number of this width, if there is one.
    pub(crate) fn new(kind: NumberKind, size: usize, is_big: bool) -> Option<Number> {
        let widths: &[usize] = if kind == NumberKind::Float { &[2, 4, 8] } else { &[1, 2, 4, 8] };
        widths.contains(&size).then_some(Number { kind, size, is_big })
    }

    /// The number type behind an HDF5 type.
    pub(crate) fn of(datatype: &Datatype) -> Option<Number> {
        let is_big = |order: &DatatypeByteOrder| *order == DatatypeByteOrder::BigEndian;
        match numeric(datatype)? {
            Datatype::FloatingPoint { size, byte_order, .. } => {
                Number::new(NumberKind::Float, *size as usize, is_big(byte_order))
            }
            Datatype::FixedPoint { size, byte_order, layout } => {
                let kind = if layout.signed { NumberKind::Signed } else { NumberKind::Unsigned };
                Number::new(kind, *size as usize, is_big(byte_order))
            }
            _ => None,
        }
    }

    pub(crate) fn is_float(self) -> bool {
        self.kind == NumberKind::Float
    }

    /// Its name in numpy: `float32`, `uint8`.
    pub(crate) fn label(self) -> String {
        let kind = match self.kind {
            NumberKind::Float => "float",
            NumberKind::Signed => "int",
            NumberKind::Unsigned => "uint",
        };
        format!("{kind}{}", self.size * 8)
    }

    /// One number.
    pub(crate) fn f64(self, bytes: &[u8]) -> f64 {
        self.all::<f64>(bytes).first().copied().unwrap_or(f64::NAN)
    }

    /// All the numbers in some bytes.
    pub(crate) fn all<T: OfNumber>(self, raw: &[u8]) -> Vec<T> {
        use NumberKind::{Float, Signed, Unsigned};
        let big = self.is_big;
        match (self.kind, self.size) {
            (Float, 2) => each(raw, big, |bytes| T::of_f64(f32_of_half(u16::from_le_bytes(bytes)).into())),
            (Float, 4) => each(raw, big, |bytes| T::of_f64(f32::from_le_bytes(bytes).into())),
            (Float, _) => each(raw, big, |bytes| T::of_f64(f64::from_le_bytes(bytes))),
            (Signed, 1) => each(raw, big, |bytes| T::of_i64(i8::from_le_bytes(bytes).into())),
            (Signed, 2) => each(raw, big, |bytes| T::of_i64(i16::from_le_bytes(bytes).into())),
            (Signed, 4) => each(raw, big, |bytes| T::of_i64(i32::from_le_bytes(bytes).into())),
            (Signed, _) => each(raw, big, |bytes| T::of_i64(i64::from_le_bytes(bytes))),
            (Unsigned, 1) => each(raw, big, |bytes| T::of_u64(u8::from_le_bytes(bytes).into())),
            (Unsigned, 2) => each(raw, big, |bytes| T::of_u64(u16::from_le_bytes(bytes).into())),
            (Unsigned, 4) => each(raw, big, |bytes| T::of_u64(u32::from_le_bytes(bytes).into())),
            (Unsigned, _) => each(raw, big, |bytes| T::of_u64(u64::from_le_bytes(bytes))),
        }
    }
}

fn each<const N: usize, T>(raw: &[u8], is_big: bool, of: impl Fn([u8; N]) -> T) -> Vec<T> {
    let (numbers, _) = raw.as_chunks::<N>();
    let ordered = numbers.iter().map(|bytes| {
        let mut bytes = *bytes;
        if is_big {
            bytes.reverse();
        }
        of(bytes)
    });
    ordered.collect()
}

/// What numbers are read as. A float that is read as an integer loses its fraction: whoever minds looks first.
pub(crate) trait OfNumber: Sized {
    fn of_f64(value: f64) -> Self;
    fn of_i64(value: i64) -> Self;
    fn of_u64(value: u64) -> Self;
}

impl OfNumber for f32 {
    fn of_f64(value: f64) -> f32 {
        value as f32
    }

    fn of_i64(value: i64) -> f32 {
        value as f32
    }

    fn of_u64(value: u64) -> f32 {
        value as f32
    }
}

impl OfNumber for f64 {
    fn of_f64(value: f64) -> f64 {
        value
    }

    fn of_i64(value: i64) -> f64 {
        value as f64
    }

    fn of_u64(value: u64) -> f64 {
        value as f64
    }
}

impl OfNumber for i64 {
    fn of_f64(value: f64) -> i64 {
        value as i64
    }

    fn of_i64(value: i64) -> i64 {
        value
    }

    fn of_u64(value: u64) -> i64 {
        i64::try_from(value).unwrap_or(i64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::{Number, NumberKind, f32_of_half};

    #[test]
    fn numbers_of_every_width_and_order() {
        for (kind, size, bytes, expected) in [
            (NumberKind::Signed, 1, &[0xff][..], -1.0),
            (NumberKind::Unsigned, 1, &[0xff], 255.0),
            (NumberKind::Signed, 2, &[0xfe, 0xff], -2.0),
            (NumberKind::Unsigned, 4, &[0, 0, 0, 0x80], 2_147_483_648.0),
            (NumberKind::Unsigned, 8, &[0, 0, 0, 0, 0, 0, 0, 0x80], 9_223_372_036_854_775_808.0),
            (NumberKind::Float, 2, &[0x00, 0x3e], 1.5),
            (NumberKind::Float, 4, &[0, 0, 0xc0, 0x3f], 1.5),
            (NumberKind::Float, 8, &[0, 0, 0, 0, 0, 0, 0xf8, 0x3f], 1.5),
        ] {
            let mut big = bytes.to_vec();
            big.reverse();
            for (is_big, bytes) in [(false, bytes.to_vec()), (true, big)] {
                let number = Number::new(kind, size, is_big).unwrap();
                assert_eq!(number.all::<f64>(&bytes), [expected]);
                assert_eq!(number.all::<f32>(&bytes), [expected as f32]);
            }
        }
        assert_eq!(Number::new(NumberKind::Unsigned, 8, false).unwrap().all::<i64>(&[0xff; 8]), [i64::MAX]);
        assert_eq!(Number::new(NumberKind::Float, 1, false), None);
        assert_eq!((f32_of_half(1), f32_of_half(0xfc00)), (5.960_464_5e-8, f32::NEG_INFINITY));
    }
}

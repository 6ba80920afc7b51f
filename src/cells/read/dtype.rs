//! Number types: their width, the number behind an enumeration, half floats, and how a number is written as a label.

use hdf5_pure::Datatype;

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

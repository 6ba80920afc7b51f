//! The metadata of a zarr array, version 2 or 3: shape, chunks, type, what stands in unwritten places, codecs.

use serde_json::Value;

use crate::read::dtype::{Number, NumberKind};
use crate::read::grid::{Element, Text};

/// A step from stored bytes to plain ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    Blosc,
    Zstd,
    Zlib,
    Gzip,
    Lz4,
    Shuffle(usize),
    Crc32c,
}

/// What the elements are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ValueType {
    Number {
        number: Number,
        is_boolean: bool,
    },
    /// Text in elements of equal size, UTF-8 or four bytes a character.
    FixedText {
        size: usize,
        is_utf32: bool,
        is_big: bool,
    },
    /// Text of any length, each after its own.
    Text,
}

impl ValueType {
    /// Elements of equal size; none for text of any length.
    pub(crate) fn element(self) -> Option<Element> {
        match self {
            ValueType::Number { number, .. } => Some(Element::Number(number)),
            ValueType::FixedText { is_utf32: false, .. } => Some(Element::Text(Text::Bytes)),
            ValueType::FixedText { is_big, .. } => Some(Element::Text(Text::Utf32 { is_big })),
            ValueType::Text => None,
        }
    }
}

/// How chunks lie in the files of shards.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Shards {
    pub(crate) index_is_first: bool,
    pub(crate) index_has_checksum: bool,
}

/// What is known of an array.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ArrayMeta {
    pub(crate) shape: Vec<u64>,
    pub(crate) chunk_shape: Vec<u64>,
    /// Shape of what one file holds: a chunk, or a shard of several.
    pub(crate) file_shape: Vec<u64>,
    pub(crate) shards: Option<Shards>,
    pub(crate) value: ValueType,
    /// The bytes of an element that was never written; one byte where text has any length.
    pub(crate) fill: Vec<u8>,
    /// From stored bytes to plain ones.
    pub(crate) steps: Vec<Step>,
    /// What stands before and between the numbers of a chunk in the name of its file.
    pub(crate) prefix: &'static str,
    pub(crate) separator: char,
}

impl ArrayMeta {
    pub(crate) fn parse(json: &Value) -> Result<ArrayMeta, String> {
        let meta =
            if json.get("zarr_format").and_then(Value::as_u64) == Some(3) { version_3(json) } else { version_2(json) }?;
        let ranks = [meta.chunk_shape.len(), meta.file_shape.len()];
        if ranks != [meta.shape.len(); 2] || meta.chunk_shape.contains(&0) {
            return Err(format!("has the shape {:?} and chunks of {:?}", meta.shape, meta.chunk_shape));
        }
        if meta.file_shape.iter().zip(&meta.chunk_shape).any(|(file, chunk)| *file == 0 || file % chunk != 0) {
            return Err(format!("has shards of {:?} for chunks of {:?}", meta.file_shape, meta.chunk_shape));
        }
        Ok(meta)
    }
}

fn version_2(json: &Value) -> Result<ArrayMeta, String> {
    let dtype = json.get("dtype").and_then(Value::as_str).ok_or("is of a structured type, which is not read")?;
    let filters: &[Value] = json.get("filters").and_then(Value::as_array).map_or(&[], Vec::as_slice);
    let mut steps = Vec::new();
    let id = |codec: &Value| codec.get("id").and_then(Value::as_str).unwrap_or("").to_owned();
    if let Some(compressor) = json.get("compressor").filter(|compressor| !compressor.is_null()) {
        steps.push(step(&id(compressor))?);
    }
    let mut is_text = false;
    for filter in filters.iter().rev() {
        match id(filter).as_str() {
            "vlen-utf8" => is_text = true,
            "shuffle" => {
                steps.push(Step::Shuffle(filter.get("elementsize").and_then(Value::as_u64).unwrap_or(4) as usize))
            }
            other => steps.push(step(other)?),
        }
    }
    let value = if is_text { ValueType::Text } else { numpy_type(dtype)? };
    let shape = extents(json.get("shape"))?;
    if json.get("order").and_then(Value::as_str) == Some("F") && shape.len() > 1 {
        return Err("lies column by column (order F), which is not read; write it again in order C".into());
    }
    let chunk_shape = extents(json.get("chunks"))?;
    let is_nested = json.get("dimension_separator").and_then(Value::as_str) == Some("/");
    Ok(ArrayMeta {
        shape,
        file_shape: chunk_shape.clone(),
        chunk_shape,
        shards: None,
        value,
        fill: fill(value, json.get("fill_value")),
        steps,
        prefix: "",
        separator: if is_nested { '/' } else { '.' },
    })
}

fn version_3(json: &Value) -> Result<ArrayMeta, String> {
    let mut value = type_3(json.get("data_type").unwrap_or(&Value::Null))?;
    let grid = json.get("chunk_grid").unwrap_or(&Value::Null);
    let file_shape = extents(grid.pointer("/configuration/chunk_shape"))?;
    let codecs: &[Value] = json.get("codecs").and_then(Value::as_array).map_or(&[], Vec::as_slice);
    let (mut chunk_shape, mut shards) = (file_shape.clone(), None);
    let steps = match codecs {
        [sharding] if name_of(sharding) == "sharding_indexed" => {
            let inner = |key: &str| sharding.pointer(&format!("/configuration/{key}"));
            chunk_shape = extents(inner("chunk_shape"))?;
            let list = |key: &str| inner(key).and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
            let index = list("index_codecs").iter().map(name_of).collect::<Vec<_>>();
            if index.iter().any(|name| !["bytes", "crc32c"].contains(name)) {
                return Err(format!("has a shard index in {}, which is not read", index.join(", ")));
            }
            shards = Some(Shards {
                index_is_first: inner("index_location").and_then(Value::as_str) == Some("start"),
                index_has_checksum: index.contains(&"crc32c"),
            });
            steps_3(list("codecs"), &mut value)?
        }
        codecs => steps_3(codecs, &mut value)?,
    };
    let keys = json.get("chunk_key_encoding").unwrap_or(&Value::Null);
    let is_v2 = name_of(keys) == "v2";
    let separator = keys.pointer("/configuration/separator").and_then(Value::as_str);
    Ok(ArrayMeta {
        shape: extents(json.get("shape"))?,
        chunk_shape,
        file_shape,
        shards,
        value,
        fill: fill(value, json.get("fill_value")),
        steps,
        prefix: if is_v2 { "" } else { "c" },
        separator: if separator.unwrap_or(if is_v2 { "." } else { "/" }) == "/" { '/' } else { '.' },
    })
}

fn steps_3(codecs: &[Value], value: &mut ValueType) -> Result<Vec<Step>, String> {
    let mut steps = Vec::new();
    for codec in codecs.iter().rev() {
        match name_of(codec) {
            "bytes" => {
                if codec.pointer("/configuration/endian").and_then(Value::as_str) == Some("big") {
                    match value {
                        ValueType::Number { number, .. } => number.is_big = true,
                        ValueType::FixedText { is_big, .. } => *is_big = true,
                        ValueType::Text => {}
                    }
                }
            }
            "vlen-utf8" => *value = ValueType::Text,
            "crc32c" => steps.push(Step::Crc32c),
            "transpose" => return Err("is transposed, which is not read; write it again in order C".into()),
            name => steps.push(step(name)?),
        }
    }
    Ok(steps)
}

fn step(name: &str) -> Result<Step, String> {
    // Codecs of version 2 are called numcodecs.* where version 3 does not know them.
    match name.trim_start_matches("numcodecs.") {
        "blosc" => Ok(Step::Blosc),
        "zstd" => Ok(Step::Zstd),
        "zlib" => Ok(Step::Zlib),
        "gzip" => Ok(Step::Gzip),
        "lz4" => Ok(Step::Lz4),
        name => Err(format!("is compressed with {name:?}, which is not read; write it again with blosc, zstd or gzip")),
    }
}

fn name_of(codec: &Value) -> &str {
    codec.as_str().or_else(|| codec.get("name").and_then(Value::as_str)).unwrap_or("")
}

fn extents(value: Option<&Value>) -> Result<Vec<u64>, String> {
    let extents = value.and_then(Value::as_array).and_then(|extents| extents.iter().map(Value::as_u64).collect());
    extents.ok_or_else(|| "has metadata without its shape or that of its chunks".into())
}

/// A type as numpy writes it: `<f4`, `|b1`, `<U10`.
fn numpy_type(dtype: &str) -> Result<ValueType, String> {
    let unread = || format!("is of type {dtype}, which is not read");
    let is_big = dtype.starts_with('>');
    let body = dtype.trim_start_matches(['<', '>', '|']);
    let kind = body.chars().next().ok_or_else(unread)?;
    let size: usize = body[kind.len_utf8()..].parse().map_err(|_| unread())?;
    let number = |kind| Number::new(kind, size, is_big).map(|number| ValueType::Number { number, is_boolean: false });
    match kind {
        'f' => number(NumberKind::Float),
        'i' => number(NumberKind::Signed),
        'u' => number(NumberKind::Unsigned),
        'b' => Number::new(NumberKind::Unsigned, 1, false).map(|number| ValueType::Number { number, is_boolean: true }),
        'S' => Some(ValueType::FixedText { size, is_utf32: false, is_big }),
        'U' => size.checked_mul(4).map(|size| ValueType::FixedText { size, is_utf32: true, is_big }),
        _ => None,
    }
    .ok_or_else(unread)
}

/// A type as version 3 names it: `float32`, `bool`, `string`.
fn type_3(value: &Value) -> Result<ValueType, String> {
    let name = name_of(value);
    let size = value.pointer("/configuration/length_bytes").and_then(Value::as_u64).unwrap_or(0) as usize;
    match name {
        "string" => return Ok(ValueType::Text),
        "fixed_length_utf32" => return Ok(ValueType::FixedText { size, is_utf32: true, is_big: false }),
        "null_terminated_bytes" => return Ok(ValueType::FixedText { size, is_utf32: false, is_big: false }),
        "bool" => return numpy_type("|b1"),
        _ => {}
    }
    let digits = name.trim_start_matches(|letter: char| !letter.is_ascii_digit());
    let kind = match &name[..name.len() - digits.len()] {
        "float" => "f",
        "int" => "i",
        "uint" => "u",
        _ => return Err(format!("is of type {name:?}, which is not read")),
    };
    numpy_type(&format!("<{kind}{}", digits.parse::<usize>().unwrap_or(0) / 8))
}

/// The bytes of an element that was never written.
fn fill(value: ValueType, json: Option<&Value>) -> Vec<u8> {
    match value {
        ValueType::Text => vec![0],
        ValueType::FixedText { size, .. } => vec![0; size],
        ValueType::Number { number, .. } => {
            let float = match json {
                Some(Value::String(text)) if text == "NaN" => f64::NAN,
                Some(Value::String(text)) if text == "Infinity" => f64::INFINITY,
                Some(Value::String(text)) if text == "-Infinity" => f64::NEG_INFINITY,
                Some(Value::Bool(is_true)) => f64::from(u8::from(*is_true)),
                json => json.and_then(Value::as_f64).unwrap_or(0.0),
            };
            let mut bytes = match (number.kind, number.size) {
                (NumberKind::Float, 4) => (float as f32).to_le_bytes().to_vec(),
                (NumberKind::Float, 8) => float.to_le_bytes().to_vec(),
                // Half floats: only what needs no rounding matters here.
                (NumberKind::Float, _) => (if float.is_nan() { 0x7e00u16 } else { 0 }).to_le_bytes().to_vec(),
                (_, size) => {
                    let whole = json.and_then(Value::as_i64).unwrap_or(float as i64);
                    whole.to_le_bytes()[..size].to_vec()
                }
            };
            if number.is_big {
                bytes.reverse();
            }
            bytes
        }
    }
}

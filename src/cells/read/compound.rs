//! Columns of a compound dataset: how AnnData before 0.7 stored `obs` and `var`, one record per row.

use hdf5_pure::{CompoundMember, Datatype};

use crate::read::array::Array;
use crate::read::dtype::Number;
use crate::read::error::ReadError;
use crate::read::frame::Column;
use crate::read::heap::HeapReader;

/// Records decoded at once.
const WINDOW_ROWS: u64 = 1 << 14;

/// Names of the fields.
pub(crate) fn fields(array: &Array) -> Result<Vec<String>, ReadError> {
    Ok(members(array)?.iter().map(|member| member.name.clone()).collect())
}

/// One field of every record; none where it is neither text nor a number.
pub(crate) fn column(array: &Array, name: &str) -> Result<Option<Column>, ReadError> {
    let members = members(array)?;
    let Some(member) = members.iter().find(|member| member.name == name) else { return Ok(None) };
    let record = array.row_bytes() as usize;
    let offset = usize::try_from(member.byte_offset).unwrap_or(usize::MAX);
    let field = |width: u32| {
        let end = offset.checked_add(width as usize).filter(|end| *end <= record);
        end.map(|end| offset..end).ok_or_else(|| array.malformed(&format!("has a field {name} outside its record")))
    };
    match &member.datatype {
        Datatype::String { size, .. } => {
            let range = field(*size)?;
            Ok(Some(Column::from_text(decode(array, record, |bytes| Ok(text(&bytes[range.clone()])))?)))
        }
        Datatype::VariableLength { is_string: true, .. } => {
            let mut heap = HeapReader::new(array.heap()?, array.path());
            let range = field(heap.reference_bytes() as u32)?;
            Ok(Some(Column::from_text(decode(array, record, |bytes| heap.text(&bytes[range.clone()]))?)))
        }
        datatype => {
            let Some(number) = Number::of(datatype) else { return Ok(None) };
            let range = field(number.size as u32)?;
            Ok(Some(Column::Numbers(decode(array, record, |bytes| Ok(number.f64(&bytes[range.clone()])))?)))
        }
    }
}

fn members(array: &Array) -> Result<&[CompoundMember], ReadError> {
    match array.datatype() {
        Some(Datatype::Compound { members, .. }) if array.shape().len() == 1 => Ok(members),
        _ => Err(array.malformed("is a dataset, but neither a group nor a table of records")),
    }
}

fn decode<T>(
    array: &Array,
    record: usize,
    mut read: impl FnMut(&[u8]) -> Result<T, ReadError>,
) -> Result<Vec<T>, ReadError> {
    let mut column = Vec::new();
    let mut start = 0;
    while start < array.n_rows() {
        let raw = array.raw(start, WINDOW_ROWS)?;
        for bytes in raw.chunks_exact(record.max(1)) {
            column.push(read(bytes)?);
        }
        start += WINDOW_ROWS;
    }
    Ok(column)
}

fn text(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    String::from_utf8_lossy(&bytes[..end]).trim_end().to_owned()
}

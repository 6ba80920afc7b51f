//! What a file of parameters is, by its first bytes; its name does not count.

use crate::error::Error;

/// The formats that parameters come in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// safetensors.
    Safetensors,
    /// The zip archive of `torch.save`, torch 1.6 and later.
    Torch,
}

/// A zip archive: its first entry.
const ZIP: &[u8] = b"PK\x03\x04";
/// `torch.save` before 1.6: a pickle of protocol 2 whose first value is torch's magic number.
const LEGACY: &[u8] = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19";
/// Where a tar archive says that it is one; the first releases of torch wrote such.
const TAR: (usize, &[u8]) = (257, b"ustar");
/// Length of the header of a safetensors file, ahead of it.
const N_LENGTH: usize = 8;
/// No safetensors header is longer, in bytes.
const MAX_HEADER: u64 = 100_000_000;
/// How many first bytes are shown of a file that is none of these.
const N_SHOWN: usize = 16;

/// Tells the formats apart.
///
/// # Errors
/// Where the file is none of them: says what it begins with and what is wanted.
pub fn format(bytes: &[u8]) -> Result<Format, Error> {
    if bytes.starts_with(ZIP) {
        return Ok(Format::Torch);
    }
    if let Some((length, rest)) = bytes.split_first_chunk::<N_LENGTH>()
        && u64::from_le_bytes(*length) <= MAX_HEADER
        && rest.first() == Some(&b'{')
    {
        return Ok(Format::Safetensors);
    }
    Err(Error::Checkpoint { problem: refusal(bytes) })
}

fn refusal(bytes: &[u8]) -> String {
    const WANTED: &str = "wanted is a safetensors file or one of torch.save (torch 1.6 or later)";
    if bytes.starts_with(LEGACY) || bytes.get(TAR.0..).is_some_and(|rest| rest.starts_with(TAR.1)) {
        return "a file of torch before 1.6: load it in Python and save it again with torch.save of torch 1.6 or later"
            .into();
    }
    if bytes.is_empty() {
        return format!("the file is empty; {WANTED}");
    }
    let shown = begins_with(bytes);
    match bytes {
        [0x80, 2..=5, ..] => format!("a pickle that torch.save did not write (it begins with {shown}); {WANTED}"),
        _ => format!("it begins with {shown}; {WANTED}"),
    }
}

/// The first bytes: as text where they are, else as numbers.
fn begins_with(bytes: &[u8]) -> String {
    let first = &bytes[..bytes.len().min(N_SHOWN)];
    let is_text = |byte: &u8| byte.is_ascii_graphic() || matches!(byte, b' ' | b'\n' | b'\r' | b'\t');
    if first.iter().all(is_text) {
        return format!("{:?}", String::from_utf8_lossy(first));
    }
    let numbers: Vec<String> = first.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    format!("the bytes {}", numbers.join(" "))
}

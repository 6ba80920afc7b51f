//! Files as `torch.save` writes them: a zip that stores a pickle and raw storages. Written by hand, so that a test can
//! write what torch would not.

use flate2::Crc;
use jepa::tensors::TensorMap;

/// A storage: `Float` for `torch.FloatStorage`, and its bytes.
pub type Storage<'a> = (&'a str, Vec<u8>);

/// A tensor that looks at a storage.
pub struct View<'a> {
    pub name: &'a str,
    pub storage: usize,
    pub offset: usize,
    pub shape: &'a [usize],
    pub strides: &'a [usize],
}

/// A `.pt` file of `views` of `storages`.
pub fn write(storages: &[Storage<'_>], views: &[View<'_>]) -> Vec<u8> {
    of_pickle(&pickle(storages, views), storages)
}

/// The pickle of a state dict.
pub fn pickle(storages: &[Storage<'_>], views: &[View<'_>]) -> Vec<u8> {
    let mut pickle = b"\x80\x02}(".to_vec();
    for view in views {
        text(&mut pickle, view.name);
        let (kind, bytes) = &storages[view.storage];
        tensor(&mut pickle, view, kind, bytes.len());
    }
    pickle.extend(b"u.");
    pickle
}

/// A `.pt` file of whole tensors, each with a storage of f32 of its own.
pub fn of_tensors(tensors: &TensorMap) -> Vec<u8> {
    let bytes = |values: &[f32]| values.iter().flat_map(|value| value.to_le_bytes()).collect();
    let storages: Vec<Storage<'_>> = tensors.values().map(|tensor| ("Float", bytes(&tensor.values))).collect();
    let strides: Vec<Vec<usize>> = tensors
        .values()
        .map(|t| (0..t.shape.len()).map(|axis| t.shape[axis + 1..].iter().product()).collect())
        .collect();
    let views: Vec<View<'_>> = tensors
        .iter()
        .zip(&strides)
        .enumerate()
        .map(|(storage, ((name, tensor), strides))| View { name, storage, offset: 0, shape: &tensor.shape, strides })
        .collect();
    write(&storages, &views)
}

/// A `.pt` file of the tensors whose names begin with `path`, which is taken away.
pub fn of_part(tensors: &TensorMap, path: &str) -> Vec<u8> {
    let part = tensors.iter().filter_map(|(name, tensor)| Some((name.strip_prefix(path)?.to_owned(), tensor.clone())));
    of_tensors(&part.collect())
}

/// A `.pt` file around any pickle.
pub fn of_pickle(pickle: &[u8], storages: &[Storage<'_>]) -> Vec<u8> {
    let names: Vec<String> = (0..storages.len()).map(|key| format!("archive/data/{key}")).collect();
    let mut files = vec![("archive/data.pkl", pickle), ("archive/byteorder", b"little")];
    files.extend(names.iter().map(String::as_str).zip(storages.iter().map(|(_, bytes)| bytes.as_slice())));
    let entries: Vec<(&str, usize)> = files.iter().enumerate().map(|(body, (name, _))| (*name, body)).collect();
    let bodies: Vec<&[u8]> = files.iter().map(|(_, body)| *body).collect();
    zip(&bodies, &entries)
}

/// A zip that stores `bodies`; `entries` are names and the body of each, so that names can share one.
pub fn zip(bodies: &[&[u8]], entries: &[(&str, usize)]) -> Vec<u8> {
    let mut file = Vec::new();
    let mut offsets = Vec::new();
    for (at, body) in bodies.iter().enumerate() {
        offsets.push(file.len());
        let name = entries.iter().find(|(_, body)| *body == at).map_or("", |(name, _)| name);
        file.extend(b"PK\x03\x04");
        entry(&mut file, body, name);
        file.extend(name.as_bytes());
        file.extend(*body);
    }
    let start = file.len();
    for (name, body) in entries {
        file.extend(b"PK\x01\x02\x14\0");
        entry(&mut file, bodies[*body], name);
        // Comment, disk and attributes: none.
        file.extend([0; 10]);
        file.extend((offsets[*body] as u32).to_le_bytes());
        file.extend(name.as_bytes());
    }
    let length = file.len() - start;
    file.extend(b"PK\x05\x06\0\0\0\0");
    file.extend((entries.len() as u16).to_le_bytes().repeat(2));
    file.extend((length as u32).to_le_bytes());
    file.extend((start as u32).to_le_bytes());
    file.extend([0; 2]);
    file
}

/// What the local and the central header of an entry have in common.
fn entry(file: &mut Vec<u8>, body: &[u8], name: &str) {
    let mut crc = Crc::new();
    crc.update(body);
    // Version 2.0, no flags, stored, no time.
    file.extend(b"\x14\0\0\0\0\0\0\0\x21\0");
    file.extend(crc.sum().to_le_bytes());
    file.extend((body.len() as u32).to_le_bytes().repeat(2));
    file.extend((name.len() as u16).to_le_bytes());
    file.extend([0; 2]);
}

fn text(pickle: &mut Vec<u8>, text: &str) {
    pickle.push(b'X');
    pickle.extend((text.len() as u32).to_le_bytes());
    pickle.extend(text.as_bytes());
}

fn number(pickle: &mut Vec<u8>, value: usize) {
    pickle.push(b'J');
    pickle.extend((value as u32).to_le_bytes());
}

fn tensor(pickle: &mut Vec<u8>, view: &View<'_>, kind: &str, n_bytes: usize) {
    pickle.extend(b"ctorch._utils\n_rebuild_tensor_v2\n((");
    text(pickle, "storage");
    pickle.extend(format!("ctorch\n{kind}Storage\n").as_bytes());
    text(pickle, &view.storage.to_string());
    text(pickle, "cpu");
    number(pickle, n_bytes);
    pickle.extend(b"tQ");
    number(pickle, view.offset);
    for sizes in [view.shape, view.strides] {
        pickle.push(b'(');
        for size in sizes {
            number(pickle, *size);
        }
        pickle.push(b't');
    }
    pickle.extend(b"\x89ccollections\nOrderedDict\n)RtR");
}

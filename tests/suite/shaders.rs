//! Every shader is valid WGSL as it lies on disk, has one entry point, and stays within what every WebGPU device allows.

use std::fs;
use std::path::{Path, PathBuf};

use naga::valid::{Capabilities, ValidationFlags, Validator};
use naga::{AddressSpace, Module};

const MOST_INVOCATIONS: u32 = 256;
const MOST_WORKGROUP_BYTES: u32 = 16 << 10;
const MOST_STORAGE_BUFFERS: usize = 8;

fn shaders() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shaders");
    let entries = fs::read_dir(&folder).expect("the folder of shaders");
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.expect("a readable folder").path()).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "wgsl"));
    files.sort();
    assert!(!files.is_empty(), "no shaders");
    files
}

/// What is wrong with a shader; empty where nothing is.
fn problems(source: &str) -> Vec<String> {
    let module = match naga::front::wgsl::parse_str(source) {
        Ok(module) => module,
        Err(error) => return vec![error.emit_to_string(source)],
    };
    let mut validator = Validator::new(ValidationFlags::all(), Capabilities::empty());
    if let Err(error) = validator.validate(&module) {
        return vec![error.emit_to_string(source)];
    }
    let mut problems = Vec::new();
    match module.entry_points.as_slice() {
        [entry] if entry.name == "main" => {
            let n_invocations = entry.workgroup_size.iter().product::<u32>();
            if n_invocations > MOST_INVOCATIONS {
                problems.push(format!("{n_invocations} invocations in a workgroup"));
            }
        }
        others => problems.push(format!("{} entry points, or one not called main", others.len())),
    }
    problems.extend(memory_problems(&module));
    if source.contains("{{") {
        problems.push("two braces in a row: burn would take them for a template".into());
    }
    for line in source.lines().filter(|line| line.contains("@binding") && line.contains("array<")) {
        if !(line.contains("// ") && line.contains('[')) {
            problems.push(format!("no shape beside the binding: {line}"));
        }
    }
    problems
}

fn memory_problems(module: &Module) -> Vec<String> {
    let mut problems = Vec::new();
    let mut layouter = naga::proc::Layouter::default();
    layouter.update(module.to_ctx()).expect("a validated module has layouts");
    let of = |space: AddressSpace| module.global_variables.iter().filter(move |(_, variable)| variable.space == space);
    let bytes: u32 = of(AddressSpace::WorkGroup).map(|(_, variable)| layouter[variable.ty].size).sum();
    if bytes > MOST_WORKGROUP_BYTES {
        problems.push(format!("{bytes} bytes of workgroup memory"));
    }
    let n_buffers =
        module.global_variables.iter().filter(|(_, v)| matches!(v.space, AddressSpace::Storage { .. })).count();
    if n_buffers > MOST_STORAGE_BUFFERS {
        problems.push(format!("{n_buffers} storage buffers"));
    }
    problems
}

#[test]
fn shaders_are_valid() {
    let files = shaders();
    for file in &files {
        let source = fs::read_to_string(file).expect("a readable shader");
        let found = problems(&source);
        assert!(found.is_empty(), "{}:\n{}", file.display(), found.join("\n"));
    }
    println!("{} shaders are valid", files.len());
}

#[test]
fn a_bad_shader_is_noticed() {
    let good = "@group(0) @binding(0) var<storage, read_write> a: array<f32>; // [N]
        @compute @workgroup_size(64) fn main(@builtin(global_invocation_id) id: vec3<u32>) { a[id.x] = 1.0; }";
    assert_eq!(problems(good), Vec::<String>::new());
    for (from, to) in [
        ("1.0", "true"),
        ("workgroup_size(64)", "workgroup_size(512)"),
        ("// [N]", ""),
        ("fn main", "fn other"),
        ("a[id.x] = 1.0;", "{{ a[id.x] = 1.0; }}"),
    ] {
        assert!(!problems(&good.replace(from, to)).is_empty(), "{to} went unnoticed");
    }
}

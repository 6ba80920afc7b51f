//! Every type of number, in both formats, as f32; tensors that share, repeat or turn round a storage.

use jepa::checkpoint::{self, pt};
use safetensors::tensor::{Dtype, TensorView};

use super::torch_file::{self, View};

const NAN: f32 = f32::NAN;
const INF: f32 = f32::INFINITY;

/// Reads the bytes of four numbers from both formats; `kind` is torch's name of the type, empty where it has none.
fn check(kind: &str, dtype: Dtype, bytes: &[u8], expected: [f32; 4]) {
    let same = |read: &[f32], format: &str| {
        let is_same = |(read, expected): (&f32, &f32)| read == expected || (read.is_nan() && expected.is_nan());
        let all = read.len() == expected.len() && read.iter().zip(&expected).all(is_same);
        assert!(all, "{dtype:?} in {format}: {read:?}, not {expected:?}");
    };
    let view = TensorView::new(dtype, vec![2, 2], bytes).expect("four numbers");
    let file = safetensors::serialize([("x", view)], None).expect("a file of one tensor");
    let (read, _) = checkpoint::read_raw(&file).unwrap_or_else(|error| panic!("{dtype:?}: {error}"));
    assert_eq!(read["x"].shape, [2, 2]);
    same(&read["x"].values, "safetensors");
    if !kind.is_empty() {
        let view = View { name: "x", storage: 0, offset: 0, shape: &[2, 2], strides: &[2, 1] };
        let file = torch_file::write(&[(kind, bytes.to_vec())], &[view]);
        let read = pt::state_dict(&file).unwrap_or_else(|error| panic!("{kind}: {error}"));
        assert_eq!(read["x"].shape, [2, 2]);
        same(&read["x"].values, ".pt");
    }
}

fn bytes<const N: usize>(numbers: [[u8; N]; 4]) -> Vec<u8> {
    numbers.concat()
}

#[test]
fn every_type_is_read_as_f32() {
    check("Float", Dtype::F32, &bytes([1.5f32, -0.25, NAN, -INF].map(f32::to_le_bytes)), [1.5, -0.25, NAN, -INF]);
    // The third is beyond f32, the fourth below it.
    check("Double", Dtype::F64, &bytes([0.1f64, f64::NAN, 1e300, 1e-300].map(f64::to_le_bytes)), [0.1, NAN, INF, 0.0]);
    // 1.5, the smallest subnormal, NaN and minus infinity.
    let halves = [0x3e00u16, 0x0001, 0x7e00, 0xfc00];
    check("Half", Dtype::F16, &bytes(halves.map(u16::to_le_bytes)), [1.5, 2f32.powi(-24), NAN, -INF]);
    // 1.5, 2 to the 127, NaN and infinity.
    let brains = [0x3fc0u16, 0x7f00, 0x7fc0, 0x7f80];
    check("BFloat16", Dtype::BF16, &bytes(brains.map(u16::to_le_bytes)), [1.5, 2f32.powi(127), NAN, INF]);
    check("Long", Dtype::I64, &bytes([-1i64, 0, 7, 1 << 40].map(i64::to_le_bytes)), [-1.0, 0.0, 7.0, 2f32.powi(40)]);
    check("Int", Dtype::I32, &bytes([-1i32, 0, 7, i32::MIN].map(i32::to_le_bytes)), [-1.0, 0.0, 7.0, -2f32.powi(31)]);
    check("Short", Dtype::I16, &bytes([-1i16, 0, 7, -32768].map(i16::to_le_bytes)), [-1.0, 0.0, 7.0, -32768.0]);
    check("Char", Dtype::I8, &[0xff, 0, 7, 0x80], [-1.0, 0.0, 7.0, -128.0]);
    check("Byte", Dtype::U8, &[0xff, 0, 7, 0x80], [255.0, 0.0, 7.0, 128.0]);
    check("Bool", Dtype::BOOL, &[1, 0, 0, 1], [1.0, 0.0, 0.0, 1.0]);
    check("", Dtype::U16, &bytes([65535u16, 0, 7, 1].map(u16::to_le_bytes)), [65535.0, 0.0, 7.0, 1.0]);
    check("", Dtype::U32, &bytes([1u32 << 31, 0, 7, 1].map(u32::to_le_bytes)), [2f32.powi(31), 0.0, 7.0, 1.0]);
    check("", Dtype::U64, &bytes([1u64 << 63, 0, 7, 1].map(u64::to_le_bytes)), [2f32.powi(63), 0.0, 7.0, 1.0]);
}

#[test]
fn a_type_without_a_place_in_f32_is_named() {
    let view = TensorView::new(Dtype::F8_E4M3, vec![1], &[0x38]).expect("one number");
    let file = safetensors::serialize([("x", view)], None).expect("a file of one tensor");
    let said = checkpoint::read_raw(&file).expect_err("eight bits").to_string();
    assert!(said.contains("`x`") && said.contains("F8_E4M3"), "{said}");
    let view = View { name: "x", storage: 0, offset: 0, shape: &[1], strides: &[1] };
    let said = pt::state_dict(&torch_file::write(&[("ComplexFloat", vec![0; 8])], &[view])).expect_err("complex");
    assert!(said.to_string().contains("torch.ComplexFloatStorage"), "{said}");
}

#[test]
fn tensors_look_at_their_storage_as_their_strides_say() {
    let check = |offset: usize, shape: &[usize], strides: &[usize], expected: &[f32]| {
        let numbers: Vec<u8> = (0..6).flat_map(|number| (number as f32).to_le_bytes()).collect();
        let view = View { name: "x", storage: 0, offset, shape, strides };
        let read = pt::state_dict(&torch_file::write(&[("Float", numbers)], &[view]));
        let read = read.unwrap_or_else(|error| panic!("{shape:?} {strides:?}: {error}"));
        assert_eq!(read["x"].values, expected, "{shape:?} {strides:?}");
        assert_eq!(read["x"].shape, shape);
    };
    check(0, &[2, 3], &[3, 1], &[0.0, 1.0, 2.0, 3.0, 4.0, 5.0]);
    // Turned round.
    check(0, &[3, 2], &[1, 3], &[0.0, 3.0, 1.0, 4.0, 2.0, 5.0]);
    // Part of it.
    check(2, &[2], &[2], &[2.0, 4.0]);
    check(5, &[], &[], &[5.0]);
    // Expanded: a stride of 0 repeats, here to more values than are stored.
    check(1, &[4, 2], &[0, 1], &[1.0, 2.0, 1.0, 2.0, 1.0, 2.0, 1.0, 2.0]);
    check(3, &[7], &[0], &[3.0; 7]);
    // No values, wherever they would be.
    check(6, &[0, 3], &[3, 1], &[]);
}

#[test]
fn no_file_makes_more_than_it_could_hold() {
    let check = |file: &[u8], parts: &[&str]| {
        let said = pt::state_dict(file).expect_err("too much").to_string();
        assert!(parts.iter().all(|part| said.contains(part)), "{said}");
    };
    let one = || vec![("Float", vec![0; 4])];
    // A single number, expanded to a million, and to more than can be counted.
    let wide = |shape: &[usize]| {
        let strides = vec![0; shape.len()];
        torch_file::write(&one(), &[View { name: "wide", storage: 0, offset: 0, shape, strides: &strides }])
    };
    check(&wide(&[1_000_000]), &["`wide`", "more values than the file has bytes"]);
    check(&wide(&[1 << 30, 1 << 30, 1 << 30]), &["`wide`", "more values than the file has bytes"]);
    // Each tensor would fit, not so all.
    let names: Vec<String> = (0..50).map(|at| format!("part{at:02}")).collect();
    let part = |name| View { name, storage: 0, offset: 0, shape: &[900], strides: &[0] };
    let parts: Vec<View<'_>> = names.iter().map(|name| part(name)).collect();
    let file = torch_file::write(&one(), &parts);
    assert!(file.len() > 900 && file.len() < 50 * 900, "{} bytes", file.len());
    check(&file, &["`part", "more values than the file has bytes"]);
    // Storages that share their bytes in the zip.
    let names: Vec<String> = (0..9).map(|at| format!("tensor{at}")).collect();
    let view = |(storage, name)| View { name, storage, offset: 0, shape: &[1], strides: &[1] };
    let views: Vec<View<'_>> = names.iter().map(String::as_str).enumerate().map(view).collect();
    let pickle = torch_file::pickle(&vec![("Float", Vec::new()); 9], &views);
    let names: Vec<String> = (0..9).map(|key| format!("a/data/{key}")).collect();
    let mut entries = vec![("a/data.pkl", 0)];
    entries.extend(names.iter().map(|name| (name.as_str(), 1)));
    check(&torch_file::zip(&[&pickle, &[0; 20_000]], &entries), &["`tensor", "longer than the file"]);
}

// The gradients of keys and values: dk = φ'(k) dS [v | 1]ᵀ and dv = φ(k) dS, without the last column of dS.
//
// An invocation makes one number of each, a workgroup those of 16 tokens x 16 columns. Grid: columns / 16, tokens / 16,
// cells * heads.

struct Sizes {
    n_queries: u32,
    n_keys: u32,
    n_heads: u32,
    head_width: u32,
}

// Everything is bound for writing: buffers may be parts of one larger buffer, which allows no other mixture.
@group(0) @binding(0) var<storage, read_write> sizes: Sizes;
@group(0) @binding(1) var<storage, read_write> keys: array<f32>; // [B, N, H * Dh]
@group(0) @binding(2) var<storage, read_write> values: array<f32>; // [B, N, H * Dh]
@group(0) @binding(3) var<storage, read_write> grad_summary: array<f32>; // dS, [B * H, Dh, Dh + 1]
@group(0) @binding(4) var<storage, read_write> grad_keys: array<f32>; // [B, N, H * Dh], written
@group(0) @binding(5) var<storage, read_write> grad_values: array<f32>; // [B, N, H * Dh], written

const TILE: u32 = 16u;
// One more than the tile, so that a column of it does not fall on one memory bank.
const SUMMARY_ROW: u32 = 17u;

var<workgroup> shared_sizes: Sizes;
var<workgroup> key_tile: array<f32, 256>; // [token, row of dS]
var<workgroup> value_tile: array<f32, 256>; // [token, column of dS]
var<workgroup> rows_tile: array<f32, 272>; // the rows of dS that belong to this workgroup's columns of dk
var<workgroup> columns_tile: array<f32, 256>; // the columns of dS that belong to this workgroup's columns of dv

// φ(u) = elu(u) + 1
fn feature_map(u: f32) -> f32 {
    return max(u, 0.0) + exp(min(u, 0.0));
}

// φ'(u)
fn feature_slope(u: f32) -> f32 {
    return select(exp(min(u, 0.0)), 1.0, u > 0.0);
}

@compute @workgroup_size(16, 16, 1)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_id) local: vec3<u32>) {
    if (local.x == 0u && local.y == 0u) {
        shared_sizes = sizes;
    }
    let size = workgroupUniformLoad(&shared_sizes);
    let cell = group.z / size.n_heads;
    let head_start = (group.z % size.n_heads) * size.head_width;
    let column = group.x * TILE + local.x;
    let token = group.y * TILE + local.y;
    let is_token = token < size.n_keys;
    let start = (cell * size.n_keys + token) * size.n_heads * size.head_width + head_start;
    let summary_start = group.z * size.head_width * (size.head_width + 1u);
    let loaded_row = group.x * TILE + local.y;

    var grad_key = 0.0;
    var grad_value = 0.0;
    for (var first = 0u; first <= size.head_width; first += TILE) {
        let j = first + local.x;
        var key = 0.0;
        var value = 1.0;
        if (is_token && j < size.head_width) {
            key = feature_map(keys[start + j]);
            value = values[start + j];
        }
        key_tile[local.y * TILE + local.x] = key;
        value_tile[local.y * TILE + local.x] = value;
        var row_entry = 0.0;
        if (loaded_row < size.head_width && j <= size.head_width) {
            row_entry = grad_summary[summary_start + loaded_row * (size.head_width + 1u) + j];
        }
        rows_tile[local.y * SUMMARY_ROW + local.x] = row_entry;
        let i = first + local.y;
        var column_entry = 0.0;
        if (i < size.head_width && column < size.head_width) {
            column_entry = grad_summary[summary_start + i * (size.head_width + 1u) + column];
        }
        columns_tile[local.y * TILE + local.x] = column_entry;
        workgroupBarrier();
        for (var t = 0u; t < TILE; t += 1u) {
            grad_key += value_tile[local.y * TILE + t] * rows_tile[local.x * SUMMARY_ROW + t];
            grad_value += key_tile[local.y * TILE + t] * columns_tile[t * TILE + local.x];
        }
        workgroupBarrier();
    }
    if (is_token && column < size.head_width) {
        grad_keys[start + column] = grad_key * feature_slope(keys[start + column]);
        grad_values[start + column] = grad_value;
    }
}

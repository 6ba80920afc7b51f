// What every query reads: the summary S = φ(K)ᵀ [V | 1] of each cell and head; its last column is Σ φ(k).
//
// An invocation makes one entry, a workgroup a tile of 16 x 16. Grid: columns / 16, rows / 16, cells * heads.

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
@group(0) @binding(3) var<storage, read_write> summary: array<f32>; // [B * H, Dh, Dh + 1], written

const TILE: u32 = 16u;

var<workgroup> shared_sizes: Sizes;
var<workgroup> key_tile: array<f32, 256>; // [token, row]
var<workgroup> value_tile: array<f32, 256>; // [token, column]

// φ(u) = elu(u) + 1
fn feature_map(u: f32) -> f32 {
    return max(u, 0.0) + exp(min(u, 0.0));
}

@compute @workgroup_size(16, 16, 1)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_id) local: vec3<u32>) {
    if (local.x == 0u && local.y == 0u) {
        shared_sizes = sizes;
    }
    let size = workgroupUniformLoad(&shared_sizes);
    let cell = group.z / size.n_heads;
    let head_start = (group.z % size.n_heads) * size.head_width;
    let token_width = size.n_heads * size.head_width;
    let column = group.x * TILE + local.x;
    let row = group.y * TILE + local.y;
    let loaded_row = group.y * TILE + local.x;
    let slot = local.y * TILE + local.x;

    var sum = 0.0;
    for (var first = 0u; first < size.n_keys; first += TILE) {
        let token = first + local.y;
        let start = (cell * size.n_keys + token) * token_width + head_start;
        var key = 0.0;
        var value = 1.0;
        if (token < size.n_keys) {
            if (loaded_row < size.head_width) {
                key = feature_map(keys[start + loaded_row]);
            }
            if (column < size.head_width) {
                value = values[start + column];
            }
        }
        key_tile[slot] = key;
        value_tile[slot] = value;
        workgroupBarrier();
        var tile_sum = 0.0;
        for (var t = 0u; t < TILE; t += 1u) {
            tile_sum += key_tile[t * TILE + local.y] * value_tile[t * TILE + local.x];
        }
        sum += tile_sum;
        workgroupBarrier();
    }
    if (row < size.head_width && column <= size.head_width) {
        summary[(group.z * size.head_width + row) * (size.head_width + 1u) + column] = sum;
    }
}

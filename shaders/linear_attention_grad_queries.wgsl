// The gradient of the queries: dq = φ'(q) S [dn | dd]ᵀ, where dn = dy / d and dd = -(dy · y) / d.
//
// An invocation makes one number, a workgroup those of 16 tokens x 16 columns. Grid: columns / 16, tokens / 16,
// cells * heads.

struct Sizes {
    n_queries: u32,
    n_keys: u32,
    n_heads: u32,
    head_width: u32,
}

// Everything is bound for writing: buffers may be parts of one larger buffer, which allows no other mixture.
@group(0) @binding(0) var<storage, read_write> sizes: Sizes;
@group(0) @binding(1) var<storage, read_write> queries: array<f32>; // [B, Nq, H * Dh]
@group(0) @binding(2) var<storage, read_write> summary: array<f32>; // [B * H, Dh, Dh + 1]
@group(0) @binding(3) var<storage, read_write> outputs: array<f32>; // y, [B, Nq, H * Dh]
@group(0) @binding(4) var<storage, read_write> normalisers: array<f32>; // d, [B * H, Nq]
@group(0) @binding(5) var<storage, read_write> grad_outputs: array<f32>; // dy, [B, Nq, H * Dh]
@group(0) @binding(6) var<storage, read_write> grad_queries: array<f32>; // [B, Nq, H * Dh], written

const TILE: u32 = 16u;
// One more than the tile, so that a column of it does not fall on one memory bank.
const SUMMARY_ROW: u32 = 17u;

var<workgroup> shared_sizes: Sizes;
var<workgroup> grad_tile: array<f32, 256>; // [token, column of S]
var<workgroup> summary_tile: array<f32, 272>; // [row of S, column of S]

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
    let is_token = token < size.n_queries;
    let start = (cell * size.n_queries + token) * size.n_heads * size.head_width + head_start;
    let loaded_row = group.x * TILE + local.y;
    let row_start = (group.z * size.head_width + loaded_row) * (size.head_width + 1u);

    var sum = 0.0;
    for (var first = 0u; first <= size.head_width; first += TILE) {
        let j = first + local.x;
        var grad = 0.0;
        if (is_token) {
            if (j < size.head_width) {
                grad = grad_outputs[start + j];
            } else if (j == size.head_width) {
                for (var i = 0u; i < size.head_width; i += 1u) {
                    grad -= grad_outputs[start + i] * outputs[start + i];
                }
            }
            grad /= normalisers[group.z * size.n_queries + token];
        }
        grad_tile[local.y * TILE + local.x] = grad;
        var entry = 0.0;
        if (loaded_row < size.head_width && j <= size.head_width) {
            entry = summary[row_start + j];
        }
        summary_tile[local.y * SUMMARY_ROW + local.x] = entry;
        workgroupBarrier();
        for (var t = 0u; t < TILE; t += 1u) {
            sum += grad_tile[local.y * TILE + t] * summary_tile[local.x * SUMMARY_ROW + t];
        }
        workgroupBarrier();
    }
    if (is_token && column < size.head_width) {
        grad_queries[start + column] = sum * feature_slope(queries[start + column]);
    }
}

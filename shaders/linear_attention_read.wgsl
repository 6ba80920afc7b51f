// What the queries read: [n | d] = φ(Q) S, and from it y = n / (d + 1e-6).
//
// An invocation makes one number of y, a workgroup those of 16 tokens x 16 columns. Grid: columns / 16, tokens / 16,
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
@group(0) @binding(3) var<storage, read_write> outputs: array<f32>; // [B, Nq, H * Dh], written
@group(0) @binding(4) var<storage, read_write> normalisers: array<f32>; // d + 1e-6, [B * H, Nq], written

const TILE: u32 = 16u;
const EPSILON: f32 = 1e-6;

var<workgroup> shared_sizes: Sizes;
var<workgroup> query_tile: array<f32, 256>; // [token, row of S]
var<workgroup> summary_tile: array<f32, 256>; // [row of S, column]
var<workgroup> sum_tile: array<f32, 16>; // the last column of S, [row of S]

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
    let column = group.x * TILE + local.x;
    let token = group.y * TILE + local.y;
    let start = (cell * size.n_queries + token) * size.n_heads * size.head_width + head_start;
    let slot = local.y * TILE + local.x;

    var numerator = 0.0;
    var normaliser = 0.0;
    for (var first = 0u; first < size.head_width; first += TILE) {
        let query_row = first + local.x;
        var query = 0.0;
        if (token < size.n_queries && query_row < size.head_width) {
            query = feature_map(queries[start + query_row]);
        }
        query_tile[slot] = query;
        let row = first + local.y;
        let row_start = (group.z * size.head_width + row) * (size.head_width + 1u);
        var entry = 0.0;
        if (row < size.head_width && column < size.head_width) {
            entry = summary[row_start + column];
        }
        summary_tile[slot] = entry;
        if (local.x == 0u) {
            var key_sum = 0.0;
            if (row < size.head_width) {
                key_sum = summary[row_start + size.head_width];
            }
            sum_tile[local.y] = key_sum;
        }
        workgroupBarrier();
        for (var t = 0u; t < TILE; t += 1u) {
            let q = query_tile[local.y * TILE + t];
            numerator += q * summary_tile[t * TILE + local.x];
            normaliser += q * sum_tile[t];
        }
        workgroupBarrier();
    }
    normaliser += EPSILON;
    if (token < size.n_queries && column < size.head_width) {
        outputs[start + column] = numerator / normaliser;
        if (column == 0u) {
            normalisers[group.z * size.n_queries + token] = normaliser;
        }
    }
}

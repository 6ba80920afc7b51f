// The gradient of the summary: dS = φ(Q)ᵀ [dn | dd], where dn = dy / d and dd = -(dy · y) / d.
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
@group(0) @binding(1) var<storage, read_write> queries: array<f32>; // [B, Nq, H * Dh]
@group(0) @binding(2) var<storage, read_write> outputs: array<f32>; // y, [B, Nq, H * Dh]
@group(0) @binding(3) var<storage, read_write> normalisers: array<f32>; // d, [B * H, Nq]
@group(0) @binding(4) var<storage, read_write> grad_outputs: array<f32>; // dy, [B, Nq, H * Dh]
@group(0) @binding(5) var<storage, read_write> grad_summary: array<f32>; // dS, [B * H, Dh, Dh + 1], written

const TILE: u32 = 16u;

var<workgroup> shared_sizes: Sizes;
var<workgroup> query_tile: array<f32, 256>; // [token, row]
var<workgroup> grad_tile: array<f32, 256>; // [token, column]

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
    for (var first = 0u; first < size.n_queries; first += TILE) {
        let token = first + local.y;
        let start = (cell * size.n_queries + token) * token_width + head_start;
        var query = 0.0;
        var grad = 0.0;
        if (token < size.n_queries) {
            if (loaded_row < size.head_width) {
                query = feature_map(queries[start + loaded_row]);
            }
            if (column < size.head_width) {
                grad = grad_outputs[start + column];
            } else if (column == size.head_width) {
                for (var j = 0u; j < size.head_width; j += 1u) {
                    grad -= grad_outputs[start + j] * outputs[start + j];
                }
            }
            grad /= normalisers[group.z * size.n_queries + token];
        }
        query_tile[slot] = query;
        grad_tile[slot] = grad;
        workgroupBarrier();
        var tile_sum = 0.0;
        for (var t = 0u; t < TILE; t += 1u) {
            tile_sum += query_tile[t * TILE + local.y] * grad_tile[t * TILE + local.x];
        }
        sum += tile_sum;
        workgroupBarrier();
    }
    if (row < size.head_width && column <= size.head_width) {
        grad_summary[(group.z * size.head_width + row) * (size.head_width + 1u) + column] = sum;
    }
}

//! Launches the shaders of linear attention; their layouts are written at their bindings.

use burn::backend::TensorMetadata;
use burn::backend::tensor::FloatTensor;
use burn::tensor::{DType, Shape};
use burn_cubecl::CubeBackend;
use burn_cubecl::kernel::into_contiguous;
use burn_cubecl::ops::numeric::empty_device_contiguous_dtype;
use burn_cubecl::template::{KernelSource, SourceKernel, SourceTemplate};
use burn_cubecl::tensor::CubeTensor;
use cubecl::prelude::KernelId;
use cubecl::server::KernelArguments;
use cubecl::{CubeCount, CubeDim};

use super::{LinearAttention, Passes, Saved, Sizes};

/// Side of the square of numbers that a workgroup makes.
const TILE: usize = 16;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Shader {
    Summary,
    Read,
    GradSummary,
    GradQueries,
    GradKeysValues,
}

impl KernelSource for Shader {
    fn source(&self) -> SourceTemplate {
        SourceTemplate::new(match self {
            Shader::Summary => include_str!("../../../../shaders/linear_attention_summary.wgsl"),
            Shader::Read => include_str!("../../../../shaders/linear_attention_read.wgsl"),
            Shader::GradSummary => include_str!("../../../../shaders/linear_attention_grad_summary.wgsl"),
            Shader::GradQueries => include_str!("../../../../shaders/linear_attention_grad_queries.wgsl"),
            Shader::GradKeysValues => include_str!("../../../../shaders/linear_attention_grad_keys_values.wgsl"),
        })
    }

    fn id(&self) -> KernelId {
        KernelId::new::<Self>().info(*self)
    }

    fn lang(&self) -> &'static str {
        "wgsl"
    }
}

impl LinearAttention for CubeBackend {
    fn linear_attention(
        q: FloatTensor<Self>,
        k: FloatTensor<Self>,
        v: FloatTensor<Self>,
        n_heads: usize,
    ) -> FloatTensor<Self> {
        Self::forward(q, k, v, n_heads).outputs
    }
}

impl Passes for CubeBackend {
    fn forward(q: FloatTensor<Self>, k: FloatTensor<Self>, v: FloatTensor<Self>, n_heads: usize) -> Saved<Self> {
        let sizes = Sizes::of_tensors::<Self>(&q, &k, n_heads);
        let (q, k, v) = (into_contiguous(q), into_contiguous(k), into_contiguous(v));
        let summary = empty_like(&q, sizes.summary_shape());
        let outputs = empty_like(&q, q.shape().dims::<3>());
        let normalisers = empty_like(&q, sizes.normalisers_shape());
        let (columns, rows) = (sizes.head_width + 1, sizes.head_width);
        launch(Shader::Summary, sizes, [columns, rows], &[&k, &v, &summary]);
        launch(Shader::Read, sizes, [rows, sizes.n_queries], &[&q, &summary, &outputs, &normalisers]);
        Saved { n_heads, q, k, v, summary, outputs, normalisers }
    }

    fn backward(saved: Saved<Self>, grad_outputs: FloatTensor<Self>) -> [FloatTensor<Self>; 3] {
        let Saved { n_heads, q, k, v, summary, outputs, normalisers } = saved;
        let sizes = Sizes::of_tensors::<Self>(&q, &k, n_heads);
        let (columns, rows) = (sizes.head_width + 1, sizes.head_width);
        let grad = into_contiguous(grad_outputs);
        let grad_summary = empty_like(&q, sizes.summary_shape());
        let [grad_q, grad_k, grad_v] = [&q, &k, &v].map(|like| empty_like(like, like.shape().dims::<3>()));
        let read = [&q, &outputs, &normalisers, &grad, &grad_summary];
        launch(Shader::GradSummary, sizes, [columns, rows], &read);
        let read = [&q, &summary, &outputs, &normalisers, &grad, &grad_q];
        launch(Shader::GradQueries, sizes, [rows, sizes.n_queries], &read);
        launch(Shader::GradKeysValues, sizes, [rows, sizes.n_keys], &[&k, &v, &grad_summary, &grad_k, &grad_v]);
        [grad_q, grad_k, grad_v]
    }
}

fn empty_like<const D: usize>(like: &CubeTensor, shape: [usize; D]) -> CubeTensor {
    empty_device_contiguous_dtype(like.client.clone(), like.device.clone(), Shape::from(shape), DType::F32)
}

/// Runs a shader over `[columns, rows]` numbers of each cell and head; the tensors are bound after the sizes.
fn launch(shader: Shader, sizes: Sizes, [n_columns, n_rows]: [usize; 2], tensors: &[&CubeTensor]) {
    let client = &tensors[0].client;
    let Sizes { n_cells, n_queries, n_keys, n_heads, head_width } = sizes;
    let numbers = [n_queries, n_keys, n_heads, head_width].map(|size| (size as u32).to_le_bytes()).concat();
    let mut arguments = KernelArguments::new().with_buffer(client.create_from_slice(&numbers).binding());
    for tensor in tensors {
        arguments = arguments.with_buffer(tensor.handle.clone().binding());
    }
    let tiles = |n: usize| n.div_ceil(TILE) as u32;
    let count = CubeCount::Static(tiles(n_columns), tiles(n_rows), (n_cells * n_heads) as u32);
    let kernel = SourceKernel::new(shader, CubeDim::new_2d(TILE as u32, TILE as u32));
    client.launch(Box::new(kernel), count, arguments);
}

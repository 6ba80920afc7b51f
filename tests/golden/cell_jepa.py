"""Makes tests/golden/cell_jepa.safetensors: a tiny Cell-JEPA in PyTorch, written from the paper's formulas.

    python tests/golden/cell_jepa.py

Needs torch (1.13 or newer) and numpy alone. There is no public code of Cell-JEPA; this twin follows arXiv 2602.02093 and,
where the paper says "as scGPT", scGPT's published rules: its bins, its encoder (PyTorch's own TransformerEncoderLayer,
normalising after each step, ReLU), its names of parameters. Where neither says, the assumptions are those of
spec::cell_jepa. Everything is computed in double precision and written as f32, so that the reference has no rounding
noise of its own. The attention mask is a whole [tokens, tokens] matrix per cell here, which the program avoids.
"""

import copy
import json
import pathlib
import struct

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

GENES, WIDTH, HEADS, LAYERS, HIDDEN, BINS = 14, 16, 2, 2, 24, 50
CLS, PAD = GENES, GENES + 1
LENGTHS = [11, 8, 5, 9]
EMA, WEIGHT_DECAY, CLIP, TEMPERATURE = 0.996, 2e-4, 1.0, 0.1
KINDS = [0, 1, 0, 2]
RATES = [1e-3, 1e-3 * 0.9, 1e-3 * 0.9**2]
ATTENTION = [f"student.transformer_encoder.layers.{layer}.self_attn.in_proj_weight" for layer in range(LAYERS)]
torch.set_default_dtype(torch.float64)
torch.manual_seed(0)
rng = np.random.default_rng(0)


def bins_of(values, u):
    """scGPT's bins of the values above zero of one cell; `u` decides where a value that meets edges goes."""
    edges = np.quantile(values, np.linspace(0, 1, BINS))
    below = np.digitize(values, edges, right=True)
    up_to = np.digitize(values, edges)
    return np.ceil(up_to - u * (up_to - below)).astype(np.int64)


class GeneEncoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(GENES + 2, WIDTH)
        self.enc_norm = nn.LayerNorm(WIDTH)

    def forward(self, genes):
        return self.enc_norm(self.embedding(genes))


class ValueEncoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear1 = nn.Linear(1, WIDTH)
        self.linear2 = nn.Linear(WIDTH, WIDTH)
        self.norm = nn.LayerNorm(WIDTH)

    def forward(self, values):
        values = values.unsqueeze(-1).clamp(max=512)
        return self.norm(self.linear2(F.relu(self.linear1(values))))


class Encoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder = GeneEncoder()
        self.value_encoder = ValueEncoder()
        layer = nn.TransformerEncoderLayer(WIDTH, HEADS, HIDDEN, dropout=0.0, activation="relu", batch_first=True)
        self.transformer_encoder = nn.TransformerEncoder(layer, LAYERS)

    def forward(self, genes, values, hidden, more=0.0):
        """`hidden` is true where a value is masked; its token reads what is not, and itself."""
        is_pad = genes == PAD
        has_value = (genes < GENES).unsqueeze(-1)
        values = torch.where(hidden, torch.full_like(values, -1.0), values)
        tokens = self.encoder(genes) + self.value_encoder(values) * has_value + more
        n = genes.shape[1]
        is_read = ~(hidden | is_pad)
        allowed = is_read.unsqueeze(1) | torch.eye(n, dtype=torch.bool)
        mask = torch.where(allowed, 0.0, -torch.inf)
        return self.transformer_encoder(tokens, mask=mask.repeat_interleave(HEADS, dim=0))


class ValueHead(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Sequential(
            nn.Linear(WIDTH, WIDTH), nn.LeakyReLU(), nn.Linear(WIDTH, WIDTH), nn.LeakyReLU(), nn.Linear(WIDTH, 1)
        )

    def forward(self, tokens):
        return self.fc(tokens).squeeze(-1)


class CellJepa(nn.Module):
    def __init__(self):
        super().__init__()
        self.student = Encoder()
        self.teacher = Encoder()
        self.predictor = nn.Sequential(nn.Linear(WIDTH, WIDTH), nn.GELU(), nn.Linear(WIDTH, WIDTH))
        self.value_head = ValueHead()
        self.generator = nn.Linear(WIDTH, WIDTH, bias=False)

    def tuned(self, genes, values, hidden, kinds):
        """What fine-tuning by cell types adds: values told by the cell's embedding, and the contrast of types."""
        cell = self.student(genes, values, hidden)[:, 0]
        told = (self.student.encoder(genes) * self.generator(cell).unsqueeze(1)).sum(-1)
        generated = ((told - values)[hidden] ** 2).sum() / hidden.sum()
        rows = F.normalize(cell, dim=-1)
        alike = (kinds.unsqueeze(0) == kinds.unsqueeze(1)).double()
        wanted = alike / alike.sum(1, keepdim=True)
        contrast = F.cross_entropy(rows @ rows.T / TEMPERATURE, wanted)
        return generated, contrast

    def forward(self, genes, values, hidden):
        tokens = self.student(genes, values, hidden)
        with torch.no_grad():
            target = self.teacher(genes, values, torch.zeros_like(hidden))[:, 0]
        predicted = self.predictor(tokens[:, 0])
        guessed = self.value_head(tokens)
        value = ((guessed - values)[hidden] ** 2).sum() / hidden.sum()
        embedding = (1 - F.cosine_similarity(predicted, target, dim=-1)).mean()
        return tokens, target, predicted, guessed, value, embedding


def perturbed(model, tensors):
    """The perturbation task: flags on the control cell's genes, the teacher reads the perturbed cell; no masking."""
    genes = rng.permutation(GENES)[:9]
    targets = np.array([[genes[1], genes[1]], [genes[4], genes[1]], [genes[1], genes[1]], [genes[7], genes[7]]])
    control = np.log1p(rng.poisson(2, (4, 9))).astype(np.float32).astype(np.float64)
    after = np.log1p(rng.poisson(2, (4, 9))).astype(np.float32).astype(np.float64)
    flags = nn.Embedding(2, WIDTH)
    with torch.no_grad():
        flags.weight.copy_((torch.randn(2, WIDTH) * 0.5).float().double())
    with_cls = lambda rows, first: torch.tensor(np.concatenate([np.full((4, 1), first), rows], axis=1))
    tokens = with_cls(np.tile(genes, (4, 1)), CLS)
    is_flagged = with_cls((genes[None, None, :] == targets[:, :, None]).any(1).astype(np.int64), 0)
    before, wanted = with_cls(control, 0.0), with_cls(after, 0.0)
    is_gene = (tokens < GENES).unsqueeze(-1)
    hidden = torch.zeros_like(tokens, dtype=torch.bool)
    kinds = torch.tensor([0, 1, 0, 2])
    tensors["pert.genes"], tensors["pert.targets"] = genes.astype(np.int32), targets.astype(np.int32)
    tensors["pert.control"], tensors["pert.perturbed"] = control, after
    tensors["pert.flags"] = flags.weight.detach().clone()
    for name in ["absolute", "delta"]:
        model.zero_grad(set_to_none=True)
        flags.zero_grad(set_to_none=True)
        read = model.student(tokens, before, hidden, flags(is_flagged) * is_gene)
        told = model.value_head(read) + (before if name == "delta" else 0.0)
        with torch.no_grad():
            target = model.teacher(tokens, wanted, hidden)[:, 0]
        value = ((told - wanted)[:, 1:] ** 2).mean()
        embedding = (1 - F.cosine_similarity(model.predictor(read[:, 0]), target, dim=-1)).mean()
        rows = F.normalize(read[:, 0], dim=-1)
        alike = (kinds.unsqueeze(0) == kinds.unsqueeze(1)).double()
        contrast = F.cross_entropy(rows @ rows.T / TEMPERATURE, alike / alike.sum(1, keepdim=True))
        loss = value + 1000 * embedding + 0.8 * contrast
        loss.backward()
        tensors[f"pert.{name}.told"] = told[:, 1:]
        for part, one in [("value", value), ("embedding", embedding), ("contrast", contrast)]:
            tensors[f"pert.{name}.loss.{part}"] = one
        tensors[f"loss.pert.{name}"] = loss
        tensors[f"grad.pert.{name}.pert_encoder.weight"] = flags.weight.grad
        for parameter_name, parameter in model.named_parameters():
            if parameter.grad is not None:
                tensors[f"grad.pert.{name}.model.{parameter_name}"] = parameter.grad


def tokens_of_cells():
    n_tokens = 1 + max(LENGTHS)
    genes = np.full((len(LENGTHS), n_tokens), PAD)
    values = np.zeros((len(LENGTHS), n_tokens))
    hidden = np.zeros((len(LENGTHS), n_tokens), dtype=bool)
    for cell, length in enumerate(LENGTHS):
        genes[cell, 0] = CLS
        genes[cell, 1 : length + 1] = rng.permutation(GENES)[:length]
        values[cell, 1 : length + 1] = rng.integers(1, BINS + 1, length)
        hidden[cell, 1 + rng.permutation(length)[: 1 + length // 3]] = True
    return torch.tensor(genes), torch.tensor(values), torch.tensor(hidden)


def binned(tensors):
    """Cells of counts, scaled and logged as f32: many ties, few values, one value, all different, exactly on edges."""
    cells = [
        np.log1p(rng.poisson(2, 300).clip(1) * 1e4 / 3517),
        np.log1p(rng.negative_binomial(1, 0.05, 140).clip(1) * 1e4 / 2803),
        np.array([0.7]),
        np.full(60, 1.25),
        rng.random(50) + 0.1,
        np.arange(1.0, 51.0),
        np.arange(1.0, 100.0),
        np.concatenate([np.ones(500), [2, 3, 40]]),
    ]
    cells = [cell.astype(np.float32).astype(np.float64) for cell in cells]
    u = [rng.random(len(cell)).astype(np.float32).astype(np.float64) for cell in cells]
    tensors["bin.lengths"] = np.array([len(cell) for cell in cells], dtype=np.int32)
    tensors["bin.values"] = np.concatenate(cells)
    tensors["bin.u"] = np.concatenate(u)
    tensors["bin.first"] = np.concatenate([bins_of(c, np.zeros(len(c))) for c in cells]).astype(np.int32)
    tensors["bin.drawn"] = np.concatenate([bins_of(c, draws) for c, draws in zip(cells, u)]).astype(np.int32)


def write(path, tensors, metadata):
    header, data = {"__metadata__": metadata}, b""
    kinds = {"int32": "I32", "uint8": "U8", "float32": "F32"}
    for name, tensor in sorted(tensors.items()):
        array = np.asarray(tensor.detach() if torch.is_tensor(tensor) else tensor)
        array = array.astype(np.float32) if array.dtype == np.float64 else array
        raw = np.ascontiguousarray(array).tobytes()
        shape = list(array.shape) or [1]
        header[name] = {"dtype": kinds[str(array.dtype)], "shape": shape, "data_offsets": [len(data), len(data) + len(raw)]}
        data += raw + b"\0" * (-len(raw) % 4)
        if len(raw) % 4:
            raise SystemExit(f"{name} does not end on a multiple of four bytes")
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)


def main():
    model = CellJepa()
    # Every parameter matters, those that start as zero or one too; the teacher is another network than the student.
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.1)
            parameter.copy_(parameter.float().double())
    genes, values, hidden = tokens_of_cells()
    is_pad = genes == PAD
    tensors = {f"model.{name}": value.clone() for name, value in model.state_dict().items()}
    tensors["in.genes"] = genes.numpy().astype(np.int32)
    tensors["in.values"] = values
    tensors["in.hidden"] = hidden.numpy().astype(np.uint8)
    binned(tensors)

    tokens, target, predicted, guessed, value, embedding = model(genes, values, hidden)
    tensors["out.tokens"] = tokens * ~is_pad.unsqueeze(-1)
    tensors["out.cell"] = tokens[:, 0]
    tensors["out.target"] = target
    tensors["out.predicted"] = predicted
    tensors["out.guessed"] = guessed * hidden
    tensors["loss.value"], tensors["loss.embedding"] = value, embedding
    loss = value + 1000 * embedding
    tensors["loss.pretrain"] = loss
    loss.backward()
    for name, parameter in model.named_parameters():
        if parameter.grad is not None:
            tensors[f"grad.pretrain.{name}"] = parameter.grad

    tuned = copy.deepcopy(model)
    tuned.zero_grad(set_to_none=True)
    generated, contrast = tuned.tuned(genes, values, hidden, torch.tensor(KINDS))
    (generated + contrast).backward()
    tensors["in.kinds"] = np.array(KINDS, dtype=np.int32)
    tensors["loss.generated"], tensors["loss.contrast"] = generated, contrast
    for name in ["generator.weight", "student.encoder.embedding.weight", *ATTENTION]:
        tensors[f"grad.tune.{name}"] = tuned.get_parameter(name).grad

    trained = copy.deepcopy(model)
    for parameter in trained.teacher.parameters():
        parameter.requires_grad_(False)
    trained.generator.weight.requires_grad_(False)
    learned = [parameter for parameter in trained.parameters() if parameter.requires_grad]
    optimiser = torch.optim.AdamW(learned, lr=RATES[0], weight_decay=WEIGHT_DECAY)
    losses = []
    for rate in RATES:
        optimiser.param_groups[0]["lr"] = rate
        optimiser.zero_grad()
        *_, value, embedding = trained(genes, values, hidden)
        loss = value + 1000 * embedding
        loss.backward()
        nn.utils.clip_grad_norm_(learned, CLIP)
        optimiser.step()
        with torch.no_grad():
            for average, current in zip(trained.teacher.parameters(), trained.student.parameters()):
                average.mul_(EMA).add_(current, alpha=1 - EMA)
        losses.append(loss.item())
    tensors["train.losses"] = np.array(losses)
    tensors["train.lr"] = np.array(RATES)
    for name, value in trained.state_dict().items():
        if name.startswith("generator"):
            continue
        tensors[f"train.after3.{name}"] = value
    perturbed(copy.deepcopy(model), tensors)
    metadata = {
        "architecture": "cell_jepa",
        "n_genes": GENES,
        "d_model": WIDTH,
        "n_heads": HEADS,
        "n_layers": LAYERS,
        "feed_forward": HIDDEN,
        "n_bins": BINS,
    }
    path = pathlib.Path(__file__).parent / "cell_jepa.safetensors"
    write(path, tensors, {key: str(value) for key, value in metadata.items()})
    print(f"{path.name}: {path.stat().st_size} bytes, losses {losses}")


main()

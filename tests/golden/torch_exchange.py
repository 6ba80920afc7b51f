"""Loads a checkpoint of ours into PyTorch modules with the reference's names, and predicts with them.

usage: torch_exchange.py CHECKPOINT < question.json

The question: {"x": [[log1p, ...], ...], "vector": [...], "mode": code}. The answer: the mean predicted change per gene.
Needs torch alone (1.13 or newer); a safetensors file is a length, a JSON header and the values. `strict` loading shows
that no name and no shape differs. Run by tests/suite/training/exchange.rs, which compares the answer with ours.
"""

import json
import struct
import sys

import torch
from torch import nn
from torch.nn import functional as F


def read(path):
    with open(path, "rb") as file:
        data = file.read()
    length = struct.unpack("<Q", data[:8])[0]
    header = json.loads(data[8 : 8 + length])
    metadata = header.pop("__metadata__")
    tensors = {}
    for name, entry in header.items():
        assert entry["dtype"] == "F32", name
        start, end = (8 + length + offset for offset in entry["data_offsets"])
        tensors[name] = torch.frombuffer(bytearray(data[start:end]), dtype=torch.float32).reshape(entry["shape"])
    return json.loads(metadata["waddington"]), tensors


class Attention(nn.Module):
    def __init__(self, d, heads):
        super().__init__()
        self.heads = heads
        self.q_proj, self.k_proj, self.v_proj, self.c_proj = (nn.Linear(d, d) for _ in range(4))

    def forward(self, x, context):
        def split(t):
            return t.unflatten(-1, (self.heads, -1)).transpose(1, 2)

        q = F.elu(split(self.q_proj(x))) + 1
        k = F.elu(split(self.k_proj(context))) + 1
        summary = k.transpose(-2, -1) @ split(self.v_proj(context))
        below = q @ k.sum(-2).unsqueeze(-1) + 1e-6
        return self.c_proj((q @ summary / below).transpose(1, 2).flatten(-2))


class Mlp(nn.Module):
    def __init__(self, d):
        super().__init__()
        self.c_fc, self.c_proj = nn.Linear(d, 4 * d), nn.Linear(4 * d, d)

    def forward(self, x):
        return self.c_proj(F.gelu(self.c_fc(x), approximate="tanh"))


class CellBlock(nn.Module):
    def __init__(self, d, heads):
        super().__init__()
        self.ln_1, self.ln_2 = nn.LayerNorm(d), nn.LayerNorm(d)
        self.attn, self.mlp = Attention(d, heads), Mlp(d)

    def forward(self, x):
        normed = self.ln_1(x)
        x = x + self.attn(normed, normed)
        return x + self.mlp(self.ln_2(x))


class ActionBlock(nn.Module):
    def __init__(self, d, heads):
        super().__init__()
        self.ln_1, self.ln_2, self.ln_3 = (nn.LayerNorm(d) for _ in range(3))
        self.action_attn, self.self_attn, self.mlp = Attention(d, heads), Attention(d, heads), Mlp(d)

    def forward(self, x, action):
        x = x + self.action_attn(self.ln_1(x), action)
        normed = self.ln_2(x)
        x = x + self.self_attn(normed, normed)
        return x + self.mlp(self.ln_3(x))


class FourierProjection(nn.Module):
    def __init__(self, d):
        super().__init__()
        self.register_buffer("B", torch.zeros(1, d // 2))

    def forward(self, x):
        angle = 2 * torch.pi * x @ self.B
        return torch.cat([angle.sin(), angle.cos()], -1)


class Encoder(nn.Module):
    def __init__(self, c):
        super().__init__()
        d = c["d_model"]
        self.gene_embeddings = nn.Parameter(torch.zeros(c["n_genes"], d))
        self.mask_token = nn.Parameter(torch.zeros(1, 1, d))
        self.total_count_proj = nn.Linear(1, d)
        self.has_film = c["version"] == "v05"
        if self.has_film:
            self.linear_scaler = nn.Linear(1, 1, bias=False)
            self.fourier_input_scaler = nn.Linear(1, 1, bias=False)
            self.fourier_projection = FourierProjection(d)
            self.film_generator = nn.Sequential(nn.Linear(d, d), nn.GELU(), nn.Linear(d, 2 * d))
        self.blocks = nn.ModuleList(CellBlock(d, c["n_heads"]) for _ in range(c["n_layers"]))
        self.ln_f = nn.LayerNorm(d)

    def forward(self, x, log_total):
        x = x.unsqueeze(-1)
        if self.has_film:
            features = self.fourier_projection(self.fourier_input_scaler(x))
            gamma, beta = self.film_generator(features).chunk(2, -1)
            tokens = self.linear_scaler(x) * self.gene_embeddings * (1 + gamma) + beta
        else:
            tokens = x * self.gene_embeddings
        tokens = tokens + self.total_count_proj(log_total.reshape(-1, 1, 1))
        for block in self.blocks:
            tokens = block(tokens)
        return self.ln_f(tokens)


class Composer(nn.Module):
    def __init__(self, c):
        super().__init__()
        latent, mode = c["n_latent"], c["n_mode"]
        self.projectors = nn.ModuleList(nn.Linear(c[key], latent) for key in ("n_protein", "n_chemical", "n_dna"))
        self.mode_embedding = nn.Embedding(10, mode)
        self.film_scale, self.film_shift = nn.Linear(mode, latent), nn.Linear(mode, latent)

    def forward(self, vector, mode):
        mode = self.mode_embedding(mode)
        return self.projectors[0](vector) * (1 + self.film_scale(mode)) + self.film_shift(mode)


class AcPredictor(nn.Module):
    def __init__(self, c):
        super().__init__()
        d, latent = c["d_model"], c["composer"]["n_latent"]
        self.adapter = nn.Sequential(nn.Linear(latent, d), nn.LayerNorm(d), nn.GELU(), nn.Linear(d, d))
        self.mask_queries = nn.Embedding(c["n_genes"], d)
        self.blocks = nn.ModuleList(ActionBlock(d, c["n_heads"]) for _ in range(c["n_layers"]))
        self.final_norm, self.head_mu, self.head_logvar = nn.LayerNorm(d), nn.Linear(d, d), nn.Linear(d, d)

    def forward(self, context, action):
        n_cells, n_genes, _ = context.shape
        action = self.adapter(action).unsqueeze(1)
        tokens = torch.cat([context, self.mask_queries.weight.expand(n_cells, -1, -1)], 1)
        for block in self.blocks:
            tokens = block(tokens, action)
        return self.head_mu(self.final_norm(tokens[:, n_genes:]))


class MaskedPredictor(nn.Module):
    def __init__(self, c):
        super().__init__()
        d = c["d_model"]
        self.blocks = nn.ModuleList(CellBlock(d, c["n_heads"]) for _ in range(c["n_pretrain_layers"]))
        self.norm, self.pred_head = nn.LayerNorm(d), nn.Linear(d, d)


class BioJepa(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.student, self.teacher = Encoder(c), Encoder(c)
        self.composer, self.predictor = Composer(c["composer"]), AcPredictor(c)
        self.masked_predictor = MaskedPredictor(c)


class Decoder(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.head = nn.Linear(c["d_model"], 1)

    def forward(self, tokens):
        return self.head(tokens).squeeze(-1)


def main():
    header, tensors = read(sys.argv[1])
    model, decoder = BioJepa(header["model"]), Decoder(header["model"])
    for part, prefix in ((model, "model."), (decoder, "decoder.")):
        named = {name[len(prefix) :]: tensor for name, tensor in tensors.items() if name.startswith(prefix)}
        part.load_state_dict(named, strict=True)
    question = json.load(sys.stdin)
    with torch.no_grad():
        x = torch.tensor(question["x"])
        context = model.student(x, torch.log1p(x.sum(1)))
        vector = torch.tensor(question["vector"]).expand(len(x), -1)
        action = model.composer(vector, torch.full((len(x),), question["mode"]))
        change = decoder(model.predictor(context, action)) - decoder(context)
    print(json.dumps(change.mean(0).tolist()))


if __name__ == "__main__":
    main()

"""Times the model on this project's CPU backend against PyTorch, on the same cores, in one run.

    python3 benches/compare.py [--threads N] [--browser steps.json] [path of the waddington binary]

The PyTorch side is a plain twin of BioJEPA-AC v0.5, written from its formulas, with the same arithmetic in the same
order; its parameters are counted and compared with the binary's own count, so that both sides time the same model.
The two take turns (two rounds each unless told) and the smallest median of each is reported: other load on the machine
then hits both. Without PyTorch the binary's times alone are printed. `--browser`: what `benches/steps.mjs` has measured just before,
one round on one core (a page has no threads here); only the training step is measured there.
"""

import argparse
import copy
import json
import os
import pathlib
import statistics
import subprocess
import sys
import time

SIZES = json.loads(pathlib.Path(__file__).with_name("sizes.json").read_text())
TIMES = ["encoder", "predictor", "pretrain_step"]

try:
    import torch
    from torch import nn
    from torch.nn import functional as F
except ImportError:
    torch = None


if torch is not None:

    def phi(u):
        return F.elu(u) + 1

    class Attention(nn.Module):
        def __init__(self, d, heads):
            super().__init__()
            self.heads = heads
            self.q, self.k, self.v, self.out = (nn.Linear(d, d) for _ in range(4))

        def forward(self, x, context=None):
            context = x if context is None else context
            b, n, d = x.shape
            split = lambda t: t.view(b, -1, self.heads, d // self.heads).transpose(1, 2)
            q, k, v = phi(split(self.q(x))), phi(split(self.k(context))), split(self.v(context))
            top = q @ (k.transpose(-2, -1) @ v)
            bottom = (q * k.sum(-2, keepdim=True)).sum(-1, keepdim=True) + 1e-6
            return self.out((top / bottom).transpose(1, 2).reshape(b, n, d))

    class Mlp(nn.Module):
        def __init__(self, d):
            super().__init__()
            self.wide, self.narrow = nn.Linear(d, 4 * d), nn.Linear(4 * d, d)

        def forward(self, x):
            return self.narrow(F.gelu(self.wide(x), approximate="tanh"))

    class Block(nn.Module):
        def __init__(self, d, heads):
            super().__init__()
            self.ln_1, self.ln_2 = nn.LayerNorm(d), nn.LayerNorm(d)
            self.attention, self.mlp = Attention(d, heads), Mlp(d)

        def forward(self, x):
            x = x + self.attention(self.ln_1(x))
            return x + self.mlp(self.ln_2(x))

    class Encoder(nn.Module):
        def __init__(self, s):
            super().__init__()
            d = s["d_model"]
            self.genes = nn.Parameter(torch.randn(s["n_genes"], d) * 0.02)
            self.mask_token = nn.Parameter(torch.randn(d) * 0.02)
            self.total = nn.Linear(1, d)
            self.linear_scale = nn.Parameter(torch.tensor(0.75))
            self.fourier_scale = nn.Parameter(torch.tensor(0.1))
            self.register_buffer("frequencies", torch.randn(1, d // 2) * 2)
            self.film = nn.Sequential(nn.Linear(d, d), nn.GELU(), nn.Linear(d, 2 * d))
            self.blocks = nn.ModuleList(Block(d, s["n_heads"]) for _ in range(s["n_layers"]))
            self.norm = nn.LayerNorm(d)

        def forward(self, x, total, mask=None):
            x = x.unsqueeze(-1)
            angle = 2 * torch.pi * (x * self.fourier_scale) @ self.frequencies
            gamma, beta = self.film(torch.cat([angle.sin(), angle.cos()], -1)).chunk(2, -1)
            tokens = x * self.linear_scale * self.genes * (1 + gamma) + beta
            if mask is not None:
                tokens = torch.where(mask.unsqueeze(-1), self.mask_token, tokens)
            tokens = tokens + self.total(total.unsqueeze(-1)).unsqueeze(1)
            for block in self.blocks:
                tokens = block(tokens)
            return self.norm(tokens)

    class MaskedPredictor(nn.Module):
        def __init__(self, s):
            super().__init__()
            d = s["d_model"]
            self.blocks = nn.ModuleList(Block(d, s["n_heads"]) for _ in range(s["n_pretrain_layers"]))
            self.norm, self.head = nn.LayerNorm(d), nn.Linear(d, d)

        def forward(self, x):
            for block in self.blocks:
                x = block(x)
            return self.head(self.norm(x))

    class ActionBlock(nn.Module):
        def __init__(self, d, heads):
            super().__init__()
            self.ln_1, self.ln_2, self.ln_3 = (nn.LayerNorm(d) for _ in range(3))
            self.cross, self.own, self.mlp = Attention(d, heads), Attention(d, heads), Mlp(d)

        def forward(self, x, action):
            x = x + self.cross(self.ln_1(x), action)
            x = x + self.own(self.ln_2(x))
            return x + self.mlp(self.ln_3(x))

    class Predictor(nn.Module):
        def __init__(self, s, latent=320):
            super().__init__()
            d = s["d_model"]
            self.adapter = nn.Sequential(nn.Linear(latent, d), nn.LayerNorm(d), nn.GELU(), nn.Linear(d, d))
            self.queries = nn.Parameter(torch.randn(s["n_genes"], d) * 0.02)
            self.blocks = nn.ModuleList(ActionBlock(d, s["n_heads"]) for _ in range(s["n_layers"]))
            self.norm, self.mu, self.logvar = nn.LayerNorm(d), nn.Linear(d, d), nn.Linear(d, d)

        def forward(self, context, action):
            b, n, _ = context.shape
            action = self.adapter(action).unsqueeze(1)
            x = torch.cat([context, self.queries.expand(b, -1, -1)], 1)
            for block in self.blocks:
                x = block(x, action)
            x = self.norm(x[:, n:])
            return self.mu(x), self.logvar(x).clamp(-10, 2)

    def vicreg(z):
        z = z.reshape(-1, z.shape[-1])
        hinge = F.relu(1 - (z.var(0) + 1e-4).sqrt()).mean()
        centred = z - z.mean(0)
        c = centred.T @ centred / (len(z) - 1)
        return 25 * hinge + ((c**2).sum() - (c.diagonal() ** 2).sum()) / z.shape[1]

    def median_secs(work, repeats):
        work()
        times = []
        for _ in range(repeats):
            start = time.perf_counter()
            work()
            times.append(time.perf_counter() - start)
        return statistics.median(times)

    def time_torch(s):
        torch.manual_seed(0)
        student, masked, predictor = Encoder(s), MaskedPredictor(s), Predictor(s)
        teacher = copy.deepcopy(student).requires_grad_(False)
        parameters = [*student.parameters(), *masked.parameters()]
        optimiser = torch.optim.AdamW(parameters, lr=1e-3, weight_decay=0.05)
        b, n = s["batch"], s["n_genes"]
        x = torch.rand(b, n) * 3
        total = torch.log1p(x.sum(1))
        mask = torch.rand(b, n) < 0.6
        action = torch.randn(b, 320)

        def step():
            context = student(x, total, mask)
            with torch.no_grad():
                target = teacher(x, total)
            predicted = masked(context)
            loss = 25 * (predicted - target)[mask].abs().mean() + vicreg(context) + vicreg(target)
            optimiser.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(parameters, 1.0)
            optimiser.step()
            with torch.no_grad():
                for t, p in zip(teacher.parameters(), student.parameters()):
                    t.mul_(0.996).add_(p, alpha=0.004)

        with torch.no_grad():
            times = {"encoder": median_secs(lambda: student(x, total), s["repeats"])}
            context = student(x, total)
            times["predictor"] = median_secs(lambda: predictor(context, action), s["repeats"])
        times["pretrain_step"] = median_secs(step, s["repeats"])
        times["n_encoder"] = sum(p.numel() for p in student.parameters())
        times["n_predictor"] = sum(p.numel() for p in predictor.parameters())
        return times


def time_waddington(binary, s):
    command = [binary, "bench"]
    for key, value in s.items():
        if key == "name":
            continue
        command += [f"--{key.replace('_', '-')}", str(value)]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def shown(seconds):
    return "–" if seconds is None else f"{seconds * 1e3:.0f}"


def ratio(seconds, floor):
    return "–" if seconds is None or floor is None else f"{seconds / floor:.2f}"


def main():
    parser = argparse.ArgumentParser(description="Times the model against PyTorch on the same cores.")
    parser.add_argument("binary", nargs="?", default=os.path.join("target", "release", "waddington"))
    parser.add_argument("--threads", type=int, help="threads of each side (default: all cores)")
    parser.add_argument("--rounds", type=int, default=2, help="rounds of each side (default: 2)")
    parser.add_argument("--browser", help="seconds of a training step in the browser, by size (JSON)")
    arguments = parser.parse_args()
    in_browser = json.loads(pathlib.Path(arguments.browser).read_text()) if arguments.browser else {}
    binary = arguments.binary
    n_cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    n_threads = arguments.threads or n_cores
    os.environ["RAYON_NUM_THREADS"] = str(n_threads)
    if torch is None:
        print("PyTorch is not installed: no comparison, this project's times alone")
    else:
        torch.set_num_threads(n_threads)
        print(f"PyTorch {torch.__version__}, {n_threads} of {n_cores} cores")
    started = time.perf_counter()
    load = os.getloadavg() if hasattr(os, "getloadavg") else ("unknown",)
    print(f"load average at the start: {load[0]}")
    print("| preset (genes, d, heads, layers, batch) | part | PyTorch (ms) | native (ms) | ratio | browser (ms) | ratio |")
    print("|---|---|---|---|---|---|---|")
    for s in SIZES:
        ours, theirs = [], []
        for _ in range(arguments.rounds):
            ours.append(time_waddington(binary, s))
            if torch is not None:
                theirs.append(time_torch(s))
        sizes = ", ".join(str(s[k]) for k in ["n_genes", "d_model", "n_heads", "n_layers", "batch"])
        for count in ["n_encoder", "n_predictor"]:
            if theirs and ours[0][count] != theirs[0][count]:
                sys.exit(f"{count}: {ours[0][count]} here, {theirs[0][count]} in PyTorch: not the same model")
        for part in TIMES:
            floor = min((r[part] for r in theirs), default=None)
            browser = in_browser.get(s["name"]) if part == "pretrain_step" else None
            sides = [min(r[part] for r in ours), browser]
            columns = [shown(floor)] + [column for side in sides for column in (shown(side), ratio(side, floor))]
            print(f"| {s['name']} ({sizes}) | {part.replace('_', ' ')} | {' | '.join(columns)} |", flush=True)
    if hasattr(os, "getloadavg"):
        print(f"load average at the end: {os.getloadavg()[0]}; {time.perf_counter() - started:.0f} s")


if __name__ == "__main__":
    main()

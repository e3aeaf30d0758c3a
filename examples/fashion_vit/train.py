"""Train the vision transformer of this example and write vit.onnx. Needs torch and onnxscript.

python examples/fashion_vit/train.py [--epochs 6] [--output vit.onnx]

One core takes a few minutes. The file in the repository was made this way, once. Three small
convolutions make the tokens, which a transformer learns from faster than from square patches (Xiao
et al., 2021, "Early Convolutions Help Transformers See Better").
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
import onnx
import torch
from images import MEAN, STD, load
from torch import Tensor, nn
from torch.nn import functional

WIDTH, DEPTH, HEADS, HIDDEN, TOKENS = 64, 4, 4, 128, 16
BATCH = 256


class Attention(nn.Module):
    """Every token looks at every other one, in HEADS ways."""

    def __init__(self) -> None:
        super().__init__()
        self.qkv = nn.Linear(WIDTH, 3 * WIDTH)
        self.proj = nn.Linear(WIDTH, WIDTH)

    def forward(self, x: Tensor) -> Tensor:
        batch, tokens, _ = x.shape
        qkv = self.qkv(x).reshape(batch, tokens, 3, HEADS, WIDTH // HEADS).permute(2, 0, 3, 1, 4)
        query, key, value = qkv.unbind(0)
        x = functional.scaled_dot_product_attention(query, key, value)
        return self.proj(x.transpose(1, 2).reshape(batch, tokens, WIDTH))


class Block(nn.Module):
    """A transformer's block, normalized before each half."""

    def __init__(self) -> None:
        super().__init__()
        self.norm1, self.attn = nn.LayerNorm(WIDTH), Attention()
        self.norm2 = nn.LayerNorm(WIDTH)
        self.mlp = nn.Sequential(nn.Linear(WIDTH, HIDDEN), nn.GELU(), nn.Linear(HIDDEN, WIDTH))

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attn(self.norm1(x))
        return x + self.mlp(self.norm2(x))


class VisionTransformer(nn.Module):
    """Pictures [n, 1, 28, 28] to the scores [n, 10] of the classes."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(1, 16, 3, 2, 1, bias=False), nn.BatchNorm2d(16), nn.ReLU(),
            nn.Conv2d(16, 32, 3, 2, 1, bias=False), nn.BatchNorm2d(32), nn.ReLU(),
            nn.Conv2d(32, WIDTH, 3, 2, 1),
        )  # fmt: skip
        self.class_token = nn.Parameter(torch.zeros(1, 1, WIDTH))
        self.position = nn.Parameter(torch.randn(1, TOKENS + 1, WIDTH) * 0.02)
        self.blocks = nn.Sequential(*(Block() for _ in range(DEPTH)))
        self.norm = nn.LayerNorm(WIDTH)
        self.head = nn.Linear(WIDTH, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.class_token.expand(x.shape[0], -1, -1), x], 1) + self.position
        return self.head(self.norm(self.blocks(x))[:, 0])


def tensors(part: str) -> tuple[Tensor, Tensor]:
    """Pictures as the network takes them, and their classes."""
    pictures, labels = load("train" if part == "train" else "t10k")
    x = (pictures[:, None].astype(np.float32) - MEAN) / STD
    return torch.from_numpy(x), torch.from_numpy(labels.astype(np.int64))


def train(epochs: int) -> VisionTransformer:
    torch.manual_seed(0)
    net = VisionTransformer()
    x, y = tensors("train")
    steps = len(x) // BATCH
    optimizer = torch.optim.AdamW(net.parameters(), lr=3e-3, weight_decay=0.05)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 3e-3, epochs * steps, pct_start=0.15)
    for epoch in range(epochs):
        start, total = time.perf_counter(), 0.0
        order = torch.randperm(len(x))
        net.train()
        for step in range(steps):
            chosen = order[step * BATCH : (step + 1) * BATCH]
            flipped = torch.rand(BATCH) < 0.5
            batch = torch.where(flipped[:, None, None, None], x[chosen].flip(3), x[chosen])
            loss = functional.cross_entropy(net(batch), y[chosen], label_smoothing=0.05)
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(net.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            total += loss.item()
        seconds = time.perf_counter() - start
        print(f"epoch {epoch + 1}: loss {total / steps:.3f}, {seconds:.0f} s", flush=True)
    return net


def accuracy(net: VisionTransformer) -> float:
    x, y = tensors("t10k")
    net.eval()
    with torch.no_grad():
        found = torch.cat([net(part).argmax(1) for part in x.split(500)])
    return float((found == y).float().mean())


def forget_origins(path: Path) -> None:
    """Takes away what the exporter notes of the Python code that each node comes from."""
    model = onnx.load(path)
    graph = model.graph
    for part in (model, graph, *graph.node, *graph.initializer, *graph.input, *graph.output):
        del part.metadata_props[:]
    for value in graph.value_info:
        del value.metadata_props[:]
    onnx.save(model, path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--output", type=Path, default=Path(__file__).with_name("vit.onnx"))
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    net = train(options.epochs)
    print(f"top-1 of the 10,000 test pictures: {accuracy(net):.2%}", flush=True)
    torch.onnx.export(
        net.eval(),
        (torch.zeros(1, 1, 28, 28),),
        str(options.output),
        input_names=["image"],
        output_names=["scores"],
        external_data=False,
    )
    forget_origins(options.output)


if __name__ == "__main__":
    main()

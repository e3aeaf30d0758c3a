"""The benchmark's networks are the real architectures, and its roofline counts them right."""

from __future__ import annotations

from collections.abc import Callable
from math import prod

import onnx
import pytest

from bench.networks import detector, mobilenet_v1, mobilenet_v2, resnet18, resnet50, vit_tiny
from bench.roofline import bound, count_work


def test_published_macs() -> None:
    assert count_work(mobilenet_v1()).macs == 568_740_352


@pytest.mark.parametrize(
    ("network", "macs", "parameters"),
    [
        (mobilenet_v2, 300_774_272, 3_504_872),
        (resnet18, 1_814_073_344, 11_689_512),
        (resnet50, 4_089_184_256, 25_557_032),
    ],
)
def test_published_macs_and_parameters(
    network: Callable[..., onnx.ModelProto], macs: int, parameters: int
) -> None:
    model = network(batch_norm=True)
    learned = (".weight", ".bias", ".scale")
    counts = [prod(t.dims) for t in model.graph.initializer if t.name.endswith(learned)]
    assert count_work(model).macs == macs
    assert sum(counts) == parameters


def test_counts_of_attention() -> None:
    work = count_work(vit_tiny(size=32, width=32, depth=1, heads=2, patch=8, classes=10))
    tokens, width = 17, 32
    projections = 4 * tokens * width * width + 2 * tokens * width * 4 * width
    scores = 2 * tokens * tokens * width
    assert work.macs == 16 * 3 * 64 * width + projections + scores + width * 10


def test_bound_is_the_slowest_resource() -> None:
    work = count_work(detector(size=64, width=8))
    assert bound(work, 1.0, 1e9, 1e9).cycles == work.macs
    assert bound(work, 1e12, 1e9, 0.5).cycles == 2 * work.compulsory_bytes
    assert bound(work, 1e12, 1.0, 1e9).resource == "vector"

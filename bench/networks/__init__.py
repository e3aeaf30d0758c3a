"""Networks of real architectures with random weights, written with ``onnx.helper``.

They measure time, traffic and schedules, which depend on shapes alone; each also comes in a small
size for tests. Weights are drawn so that activations neither die out nor explode.
"""

from __future__ import annotations

from collections.abc import Callable

import onnx

from .detector import detector
from .mobilenet_v1 import mobilenet_v1
from .mobilenet_v2 import mobilenet_v2
from .resnet import resnet18, resnet50
from .squeezenet import squeezenet1_1
from .vit import vit_tiny

__all__ = [
    "NETWORKS",
    "detector",
    "mobilenet_v1",
    "mobilenet_v2",
    "resnet18",
    "resnet50",
    "squeezenet1_1",
    "vit_tiny",
]

NETWORKS: dict[str, Callable[[], onnx.ModelProto]] = {
    "mobilenet_v1": mobilenet_v1,
    "mobilenet_v2": mobilenet_v2,
    "squeezenet1_1": squeezenet1_1,
    "resnet18": resnet18,
    "resnet50": resnet50,
    "vit_tiny": vit_tiny,
    "detector": detector,
}

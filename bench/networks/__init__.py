"""Networks of real architectures with random weights, written with ``onnx.helper``.

They measure time, traffic and schedules, which depend on shapes alone; each also comes in a small
size for tests. Weights are drawn so that activations neither die out nor explode.
"""

from __future__ import annotations

from collections.abc import Callable

import onnx

from .detector import detector
from .efficientnet import efficientnet_lite0
from .mobilenet_v1 import mobilenet_v1
from .mobilenet_v2 import mobilenet_v2
from .pp_ocr import pp_ocr_det
from .resnet import resnet18, resnet50
from .squeezenet import squeezenet1_1
from .swin import swin_tiny
from .vgg16 import vgg16
from .vit import vit_tiny
from .yolov8 import yolov8n

__all__ = [
    "NETWORKS",
    "detector",
    "efficientnet_lite0",
    "mobilenet_v1",
    "mobilenet_v2",
    "pp_ocr_det",
    "resnet18",
    "resnet50",
    "squeezenet1_1",
    "swin_tiny",
    "vgg16",
    "vit_tiny",
    "yolov8n",
]

NETWORKS: dict[str, Callable[[], onnx.ModelProto]] = {
    "efficientnet_lite0": efficientnet_lite0,
    "mobilenet_v1": mobilenet_v1,
    "mobilenet_v2": mobilenet_v2,
    "squeezenet1_1": squeezenet1_1,
    "resnet18": resnet18,
    "resnet50": resnet50,
    "vit_tiny": vit_tiny,
    "swin_tiny": swin_tiny,
    "pp_ocr_det": pp_ocr_det,
    "detector": detector,
    "yolov8n": yolov8n,
}

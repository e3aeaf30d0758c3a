"""MobileNetV2 (Sandler et al., 2018)."""

from __future__ import annotations

import onnx

from .builder import GraphBuilder

# (expansion, channels, repeats, stride of the first)
_STAGES = (
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)


def mobilenet_v2(
    size: int = 224,
    width: float = 1.0,
    classes: int = 1000,
    *,
    stages: int = len(_STAGES),
    batch_norm: bool = False,
    seed: int = 0,
) -> onnx.ModelProto:
    """``input`` f32 [1, 3, size, size] to ``output`` f32 [1, classes]; ``stages`` cuts it short."""

    def channels(count: int) -> int:
        return max(8, round(count * width / 8) * 8)

    graph = GraphBuilder("mobilenet_v2", seed, batch_norm=batch_norm)
    x = graph.input("input", [1, 3, size, size])
    x = graph.relu6(graph.conv(x, "stem", channels(32), 3, 2), "stem/clip")
    for stage, (expansion, outputs, repeats, first_stride) in enumerate(_STAGES[:stages]):
        for repeat in range(repeats):
            name, inputs = f"stage{stage}.{repeat}", graph.channels[x]
            stride = first_stride if repeat == 0 else 1
            y = x
            if expansion > 1:
                y = graph.conv(y, f"{name}/expand", inputs * expansion)
                y = graph.relu6(y, f"{name}/expand/clip")
            wide = inputs * expansion
            y = graph.conv(y, f"{name}/depthwise", wide, 3, stride, group=wide)
            y = graph.relu6(y, f"{name}/depthwise/clip")
            y = graph.conv(y, f"{name}/project", channels(outputs), gain=1.0)
            same = stride == 1 and inputs == channels(outputs)
            x = graph.node("Add", f"{name}/add", [x, y]) if same else y
    x = graph.relu6(graph.conv(x, "head", max(1280, channels(1280))), "head/clip")
    return graph.finish({"output": (graph.classifier(x, classes), [1, classes])})

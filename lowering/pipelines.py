"""The passes by name, and the named pipelines: data that the driver and `ax-opt` both run.

A pass is loaded when it is first asked for. A pipeline is a list of pass specifications with places
for its options; `ax-opt -p 'schedule{target=AX620E}'` runs one as if it were a pass.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from importlib import import_module

from xdsl.passes import ModulePass

_ONNX = "pulsar2.lowering.onnx"
_QUANT = "pulsar2.lowering.quant"
_SCHED = "pulsar2.lowering.sched"
_CHIPS = "pulsar2.lowering.chips"

PASSES: dict[str, str] = {
    # onnx
    "onnx-infer-shapes": f"{_ONNX}.infer_shapes:InferShapesPass",
    "onnx-fold-constants": f"{_ONNX}.fold_constants:FoldConstantsPass",
    "onnx-fold-control-flow": f"{_ONNX}.fold_control_flow:FoldControlFlowPass",
    "onnx-eliminate-identity": f"{_ONNX}.eliminate_identity:EliminateIdentityPass",
    "onnx-eliminate-common": f"{_ONNX}.eliminate_common:EliminateCommonPass",
    "onnx-eliminate-dead": f"{_ONNX}.eliminate_dead:EliminateDeadPass",
    "onnx-eliminate-transposes": f"{_ONNX}.eliminate_transposes:EliminateTransposesPass",
    "onnx-merge-parts": f"{_ONNX}.merge_parts:MergePartsPass",
    "onnx-canonicalize-windows": f"{_ONNX}.canonicalize_windows:CanonicalizeWindowsPass",
    "onnx-canonicalize-spatial": f"{_ONNX}.canonicalize_spatial:CanonicalizeSpatialPass",
    "onnx-canonicalize-gemm": f"{_ONNX}.canonicalize_gemm:CanonicalizeGemmPass",
    "onnx-canonicalize-elementwise": (
        f"{_ONNX}.canonicalize_elementwise:CanonicalizeElementwisePass"
    ),
    "onnx-canonicalize-reshape": f"{_ONNX}.canonicalize_reshape:CanonicalizeReshapePass",
    "onnx-fold-batchnorm": f"{_ONNX}.fold_batchnorm:FoldBatchnormPass",
    "onnx-fold-conv-scale": f"{_ONNX}.fold_conv_scale:FoldConvScalePass",
    "onnx-fold-factors": f"{_ONNX}.fold_factors:FoldFactorsPass",
    "onnx-fold-pad": f"{_ONNX}.fold_pad:FoldPadPass",
    "onnx-expand-recurrent": f"{_ONNX}.expand_recurrent:ExpandRecurrentPass",
    "onnx-expand-attention": f"{_ONNX}.expand_attention:ExpandAttentionPass",
    "onnx-expand-einsum": f"{_ONNX}.expand_einsum:ExpandEinsumPass",
    "onnx-expand-rotary": f"{_ONNX}.expand_rotary:ExpandRotaryPass",
    "onnx-fuse-activations": f"{_ONNX}.fuse_activations:FuseActivationsPass",
    "onnx-fuse-lengths": f"{_ONNX}.fuse_lengths:FuseLengthsPass",
    "onnx-fuse-gates": f"{_ONNX}.fuse_gates:FuseGatesPass",
    "onnx-fuse-normalizations": f"{_ONNX}.fuse_normalizations:FuseNormalizationsPass",
    "onnx-bound-masks": f"{_ONNX}.bound_masks:BoundMasksPass",
    "onnx-smooth-channels": f"{_ONNX}.smooth_channels:SmoothChannelsPass",
    "onnx-insert-preprocess": f"{_ONNX}.insert_preprocess:InsertPreprocessPass",
    "onnx-insert-postprocess": f"{_ONNX}.insert_postprocess:InsertPostprocessPass",
    # onnx -> quant
    "quant-load-ranges": f"{_QUANT}.load_ranges:QuantLoadRanges",
    "quant-load-statistics": f"{_QUANT}.load_statistics:QuantLoadStatistics",
    "quant-load-noise": f"{_QUANT}.load_noise:QuantLoadNoise",
    "quant-choose-precision": f"{_QUANT}.choose_precision:QuantChoosePrecision",
    "quant-load-decisions": f"{_QUANT}.load_decisions:QuantLoadDecisions",
    "quant-expand-qlinear": f"{_QUANT}.expand_qlinear:QuantExpandQlinear",
    "quant-assign-precision": f"{_QUANT}.assign_precision:QuantAssignPrecision",
    "quant-place-operators": f"{_QUANT}.place_operators:QuantPlaceOperators",
    "convert-onnx-to-quant": f"{_QUANT}.convert_onnx_to_quant:ConvertOnnxToQuant",
    "quant-eliminate-casts": f"{_QUANT}.eliminate_casts:QuantEliminateCasts",
    "quant-fold-requantize": f"{_QUANT}.fold_requantize:QuantFoldRequantize",
    "quant-verify-types": f"{_QUANT}.verify_types:QuantVerifyTypes",
    "quant-expose-tensors": f"{_QUANT}.expose_tensors:QuantExposeTensors",
    "quant-cut-tensors": f"{_QUANT}.cut_tensors:QuantCutTensors",
    "quant-set-attributes": f"{_QUANT}.set_attributes:QuantSetAttributes",
    "quant-store-outputs": f"{_QUANT}.store_outputs:QuantStoreOutputs",
    "quant-partition": f"{_QUANT}.partition:QuantPartition",
    # quant -> sched
    "convert-quant-to-sched": f"{_SCHED}.convert_quant_to_sched:ConvertQuantToSched",
    "sched-fold-columns": f"{_SCHED}.fold_columns:SchedFoldColumns",
    "sched-plan-tiles": f"{_SCHED}.plan_tiles:SchedPlanTiles",
    "sched-build-jobs": f"{_SCHED}.build_jobs:SchedBuildJobs",
    "sched-insert-swaps": f"{_SCHED}.insert_swaps:SchedInsertSwaps",
    "sched-order-jobs": f"{_SCHED}.order_jobs:SchedOrderJobs",
    "sched-allocate": f"{_SCHED}.allocate:SchedAllocate",
    "sched-insert-waits": f"{_SCHED}.insert_waits:SchedInsertWaits",
    "sched-assign-eus": f"{_SCHED}.assign_eus:SchedAssignEus",
    # sched -> chip
    "convert-sched-to-chip": f"{_CHIPS}.convert_sched_to_chip:ConvertSchedToChip",
    "verify-program": f"{_CHIPS}.verify_program:VerifyProgram",
    # any level
    "verify-locations": "pulsar2.lowering.verify_locations:VerifyLocations",
}
"""Where each pass is defined: module and class."""


def load_pass(name: str) -> type[ModulePass]:
    """The class of the pass `name`; KeyError for a name that PASSES lacks."""
    module, _, symbol = PASSES[name].partition(":")
    return getattr(import_module(module), symbol)


@dataclass(frozen=True)
class Pipeline:
    """A list of passes with a name.

    `options` are the values put in for `{name}` in the specifications, unless others are given.
    """

    summary: str
    passes: tuple[str, ...]
    options: dict[str, str] = field(default_factory=dict[str, str])


_TO_QUANT = (
    "convert-onnx-to-quant{{activation={activation} bias={bias}"
    " weight-threshold={weight_threshold} refine-scales={refine_scales} ln-scale={ln_scale}"
    " fuse={fuse}}}"
)
_TO_QUANT_OPTIONS = {
    "activation": "U8",
    "bias": "S32",
    "weight_threshold": "0.000001",
    "refine_scales": "true",
    "ln_scale": "FP32",
}

PIPELINES: dict[str, Pipeline] = {
    "import-quantized": Pipeline(
        "a graph with quantized operators to its QDQ form",
        ("onnx-infer-shapes", "quant-expand-qlinear", "onnx-infer-shapes"),
    ),
    "legalize": Pipeline(
        "a float graph to the forms that quantization knows, and otherwise as it is",
        (
            "onnx-infer-shapes",
            "onnx-fold-control-flow",
            "onnx-fold-constants",
            "onnx-canonicalize-windows",
            "onnx-canonicalize-spatial",
            "onnx-canonicalize-gemm",
            "onnx-eliminate-dead",
        ),
    ),
    "optimize": Pipeline(
        "a float graph to its simplest form",
        (
            "onnx-infer-shapes",
            "onnx-fold-control-flow",
            "onnx-eliminate-identity",
            "onnx-fold-constants",
            "onnx-expand-recurrent",
            "onnx-expand-rotary",
            "onnx-expand-attention",
            "onnx-expand-einsum",
            "onnx-eliminate-common",
            "onnx-eliminate-identity",
            "onnx-fuse-gates",
            "onnx-fuse-lengths",
            "onnx-fuse-normalizations",
            "onnx-eliminate-transposes",
            "onnx-merge-parts",
            "onnx-fuse-normalizations",
            "onnx-canonicalize-windows",
            "onnx-canonicalize-spatial",
            "onnx-canonicalize-gemm",
            "onnx-fold-batchnorm",
            "onnx-fold-pad",
            "onnx-fold-conv-scale",
            "onnx-fuse-activations",
            "onnx-canonicalize-elementwise",
            "onnx-fold-factors",
            "onnx-canonicalize-reshape",
            "onnx-eliminate-identity",
            "onnx-eliminate-common",
            "onnx-eliminate-dead",
        ),
    ),
    "precision": Pipeline(
        "the data types of the operators of a float graph",
        ("quant-assign-precision{{layers={layers} highest={highest} floating={floating}}}",),
        {"layers": '""', "highest": "false", "floating": "false"},
    ),
    "place": Pipeline(
        "the operators of a float graph that go to the CPU are marked",
        ("quant-place-operators{{target={target}}}",),
        {"target": '""'},
    ),
    "mask": Pipeline(
        "masks of attention hold numbers that can be quantized",
        ("onnx-bound-masks",),
    ),
    "smooth": Pipeline(
        "the spread of activation channels moves into the weights",
        ("onnx-smooth-channels{{threshold={threshold} strength={strength}}}",),
        {"threshold": "0.2", "strength": "0.6"},
    ),
    "transformer": Pipeline(
        "tensors of a transformer get 16 bits where 8 were measured to cost too much",
        ("quant-choose-precision{{level={level} fuse={fuse}}}",),
        {"level": "1", "fuse": "true"},
    ),
    "preprocess": Pipeline(
        "the inputs and outputs of a calibrated float graph become those at run time",
        (
            "onnx-insert-preprocess{{inputs={inputs}}}",
            "onnx-insert-postprocess{{outputs={outputs}}}",
        ),
        {"inputs": '""', "outputs": '""'},
    ),
    "quantize": Pipeline(
        "a calibrated float graph to quantized numbers",
        (
            _TO_QUANT,
            "quant-eliminate-casts",
            "quant-fold-requantize",
            "quant-eliminate-casts",
        ),
        _TO_QUANT_OPTIONS | {"fuse": "true"},
    ),
    "quantize-imported": Pipeline(
        "a QDQ graph to quantized numbers, its roundings kept as they are",
        (_TO_QUANT, "quant-eliminate-casts"),
        _TO_QUANT_OPTIONS | {"fuse": "true"},
    ),
    "quantize-plainly": Pipeline(
        "a calibrated float graph to quantized numbers, operator by operator",
        (_TO_QUANT,),
        _TO_QUANT_OPTIONS | {"fuse": "false"},
    ),
    "set-attributes": Pipeline(
        "operators of a quantized graph get other attributes",
        ("quant-set-attributes{{operators={operators}}}",),
        {"operators": '""'},
    ),
    "store-outputs": Pipeline(
        "outputs of a quantized graph leave it as the integers that they are stored as",
        ("quant-store-outputs{{outputs={outputs}}}",),
        {"outputs": '""'},
    ),
    "check-types": Pipeline(
        "the types of a quantized graph, held against the chip",
        ("quant-verify-types{{target={target}}}",),
        {"target": "AX650"},
    ),
    "partition": Pipeline(
        "a quantized graph to NPU and CPU subgraphs",
        ("quant-partition{{ranges={ranges}}}",),
        {"ranges": '""'},
    ),
    "schedule": Pipeline(
        "quantized subgraphs to scheduled programs",
        (
            "convert-quant-to-sched{{target={target} npu-mode={npu_mode} ocm-bytes={ocm_bytes}"
            " ddr-bw-limit={ddr_bw_limit}}}",
            "sched-fold-columns",
            "sched-plan-tiles{{slice-mode={slice_mode} tile-mode={tile_mode}}}",
            "sched-build-jobs",
            "sched-insert-swaps",
            "sched-order-jobs",
            "sched-allocate",
            "sched-insert-waits",
            "sched-assign-eus",
        ),
        {
            "target": "AX650",
            "npu_mode": "NPU1",
            "ocm_bytes": "0",
            "ddr_bw_limit": "0",
            "slice_mode": "false",
            "tile_mode": "false",
        },
    ),
    "emit": Pipeline(
        "scheduled programs to the chip's jobs",
        ("convert-sched-to-chip", "verify-program{{useless-waits=true}}"),
    ),
}
"""The stages of a build, in order, each a list of passes."""

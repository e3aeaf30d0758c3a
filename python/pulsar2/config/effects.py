"""Options that have an effect only beside another one, which is not set."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from pulsar2.config.build import BuildConfig
from pulsar2.config.compiler import CompilerOptions
from pulsar2.config.option import Message, options
from pulsar2.config.quant import QuantConfig

_QUANT: tuple[tuple[str, tuple[str, ...], Callable[[QuantConfig], bool]], ...] = (
    (
        "precision_analysis",
        ("precision_analysis_method", "precision_analysis_mode", "input_sample_dir"),
        lambda quant: quant.precision_analysis,
    ),
    (
        "enable_smooth_quant",
        ("smooth_quant_threshold", "smooth_quant_strength"),
        lambda quant: quant.enable_smooth_quant,
    ),
    (
        "enable_adaround, enable_brecq or enable_lsq",
        ("finetune_epochs", "finetune_block_size", "finetune_batch_size", "finetune_lr"),
        lambda quant: quant.enable_adaround or quant.enable_brecq or quant.enable_lsq,
    ),
)
_COMPILER: tuple[tuple[str, tuple[str, ...], Callable[[CompilerOptions], bool]], ...] = (
    (
        "check",
        ("check_mode", "check_tensor_black_list", "input_sample_dir"),
        lambda compiler: compiler.check != 0,
    ),
    ("check 1", ("check_rtol", "check_atol"), lambda compiler: compiler.check == 1),
    ("check 3", ("check_cosine_simularity",), lambda compiler: compiler.check == 3),
    (
        "static_batch_sizes or max_dynamic_batch_size",
        ("disable_ir_fix",),
        lambda compiler: bool(compiler.static_batch_sizes or compiler.max_dynamic_batch_size),
    ),
)


def idle_options(config: BuildConfig) -> Iterator[tuple[str, str]]:
    """Key paths of options whose value changes nothing, and the option that each would need."""
    for needed, names, in_force in _QUANT:
        if not in_force(config.quant):
            for name in _changed(config.quant, names):
                yield f"quant.{name}", f"quant.{needed}"
    compiler = config.compiler
    scopes = [compiler, *(compiler.of_subgraph(sub) for sub in compiler.sub_configs)]
    for needed, names, in_force in _COMPILER:
        if not any(map(in_force, scopes)):
            for name in _changed(compiler, names):
                yield f"compiler.{name}", f"compiler.{needed}"


def _changed(message: Message, names: tuple[str, ...]) -> Iterator[str]:
    """Those of the options that do not have their default."""
    for chosen in options(type(message)):
        if chosen.name in names and getattr(message, chosen.name) != chosen.default:
            yield chosen.name

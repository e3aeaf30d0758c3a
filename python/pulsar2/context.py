"""The compiler's context: the loaded dialects, and the weight store that handles refer to."""

from __future__ import annotations

from dataclasses import dataclass, field

from xdsl.context import Context

from pulsar2.weights import WeightStore


@dataclass
class AxContext(Context):
    """An xDSL context that carries the weight store.

    Everything else that a pass needs is in the IR or in its own options, so that a dumped stage and
    its weights file are all it takes to carry on.
    """

    weights: WeightStore = field(default_factory=WeightStore)

    def clone(self) -> AxContext:
        base = super().clone()
        return AxContext(
            base.allow_unregistered,
            base._loaded_dialects,
            base._loaded_ops,
            base._loaded_attrs,
            base._loaded_types,
            base._registered_dialects,
            self.weights,
        )


def make_context(weights: WeightStore | None = None) -> AxContext:
    """A context with all of pulsar2's dialects registered (loaded when first used)."""
    from pulsar2.dialects import register_dialects

    context = AxContext(weights=weights if weights is not None else WeightStore())
    register_dialects(context)
    return context


def load_dialect(context: Context, name: str) -> None:
    """Loads a registered dialect, if it is not loaded yet."""
    if all(dialect.name != name for dialect in context.loaded_dialects):
        context.load_registered_dialect(name)

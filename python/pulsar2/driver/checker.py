"""`compiler.check` of a build: of the whole model, or of each subgraph by its own options."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, redirect_stdout
from io import StringIO

from xdsl.dialects.builtin import ModuleOp

from pulsar2.axmodel import CompiledModel, encode_axmodel
from pulsar2.calibration.dataset import Sample
from pulsar2.config.build import BuildConfig
from pulsar2.config.compiler import CompilerConfig
from pulsar2.console.log import silent
from pulsar2.context import AxContext
from pulsar2.diagnostics import Diagnostics, UserError
from pulsar2.driver.check import check_compiled, check_operators, exposed, sample_feeds
from pulsar2.driver.container import link
from pulsar2.driver.guard import Crash
from pulsar2.driver.inputs import InputPlan
from pulsar2.driver.lockstep import has_functions
from pulsar2.driver.part import Part
from pulsar2.driver.stages import Stages
from pulsar2.driver.subgraphs import SubgraphOptions, models_of
from pulsar2.driver.variants import Variant, largest_batch
from pulsar2.quant_export import export_qlinear
from pulsar2.runtime import InferenceSession
from pulsar2.values import Value


class Checker:
    """The checks of one build; `outcomes` tells of those that went well, in a line each.

    `compile` makes the programs of a quantized module.
    """

    def __init__(
        self,
        config: BuildConfig,
        ctx: AxContext,
        crash: Crash,
        subgraphs: SubgraphOptions,
        compile: Callable[[Stages], Part],
    ):
        self.outcomes: list[str] = []
        self._config = config
        self._ctx = ctx
        self._crash = crash
        self._subgraphs = subgraphs
        self._compile = compile

    def whole(
        self,
        module: ModuleOp,
        variant: Variant,
        part: Part,
        plans: Sequence[InputPlan],
        samples: Sequence[Sample],
    ) -> None:
        """Compares the program with `module`, the quantized graph that it was made from."""
        options = self._config.compiler
        model = link([{variant.batch: part}]).model
        feeds = self._feeds(options, variant, model, plans, samples)
        self._compare(model, module, options, feeds)

    def subgraphs(
        self,
        variant: Variant,
        part: Part,
        plans: Sequence[InputPlan],
        samples: Sequence[Sample],
    ) -> None:
        """Compares each NPU subgraph with its function, on what it gets when the model runs."""
        whole = link([{variant.batch: part}]).model
        session = InferenceSession(encode_axmodel(whole))
        problems = Diagnostics()
        for name, model in models_of(part):
            function = self._subgraphs.functions.get(name)
            if function is None:
                continue
            options = self._subgraphs.by_name[name]
            given = self._feeds(options, variant, whole, plans, samples)
            reached = [session.tensors(feed) for feed in given]
            feeds = [{t.name: values[t.name] for t in model.inputs} for values in reached]
            try:
                self._compare(model, function, options, feeds)
            except UserError as error:
                problems.errors += error.diagnostics
        problems.raise_if_any()

    def _feeds(
        self,
        options: CompilerConfig,
        variant: Variant,
        model: CompiledModel,
        plans: Sequence[InputPlan],
        samples: Sequence[Sample],
    ) -> list[dict[str, Value]]:
        if variant.group:
            # Neither calibration data nor the user's samples have these sizes.
            options = options.model_copy(update={"input_sample_dir": ""})
            samples = ()
        return sample_feeds(options, model, plans, samples, largest_batch(self._config))

    def _compare(
        self,
        model: CompiledModel,
        module: ModuleOp,
        options: CompilerConfig,
        feeds: Sequence[Mapping[str, Value]],
    ) -> None:
        """To see inner tensors, a program is compiled that returns them too.

        So it is for functions in f32, which are compared by themselves.
        """
        graphs = ", ".join(s.name for s in model.subgraphs)
        per_layer = options.check_mode == "CheckPerLayer"
        exact = options.check < 3 and not model.cpu_subgraphs
        functions = exact and has_functions(export_qlinear(module, self._ctx))
        if functions or per_layer:
            module = exposed(module, self._ctx)
            stages = Stages(module.clone(), self._ctx, self._crash, None, {})
            with ExitStack() as quiet:
                if not per_layer:
                    quiet.enter_context(silent("pulsar2"))
                    quiet.enter_context(redirect_stdout(StringIO()))
                part = self._compile(stages)
            layers = link([{max(model.batches): part}]).model
            model = layers if per_layer else model
            if functions:
                count = check_operators(model, layers, module, self._ctx, options, feeds, graphs)
                self._tell(graphs, options, count)
                return
        self._tell(
            graphs, options, check_compiled(model, module, self._ctx, options, feeds, graphs)
        )

    def _tell(self, graphs: str, options: CompilerConfig, count: int) -> None:
        outcome = f"level {options.check}, {count} tensor(s) as they should be"
        self.outcomes.append(f"{graphs}: {outcome}")

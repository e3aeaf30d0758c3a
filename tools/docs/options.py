"""`options.md`: every option, whether it is built, and the test that shows what it does."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from pulsar2.config.build import BuildConfig
from pulsar2.config.compiler import CompilerOptions
from pulsar2.config.option import Message, options
from pulsar2.config.run import RunConfig
from pulsar2.tools.docs.configuration import state_of
from pulsar2.tools.docs.markdown import page, table
from pulsar2.tools.docs.option_tests import BUILD_TESTS, RUN_TESTS

_SUB = "compiler.sub_configs[]."


def option_states(
    model: type[Message], prefix: str = "", built: bool = True
) -> Iterator[tuple[str, str]]:
    """Key and state of every option; what a subgraph has of the compiler's options is left out."""
    for chosen in options(model):
        name = prefix + chosen.name
        if chosen.message is not None:
            inner = f"{name}{'[]' if chosen.repeated else ''}."
            yield from option_states(chosen.message, inner, built and chosen.extra.built)
        elif not (prefix == _SUB and chosen.name in CompilerOptions.model_fields):
            yield name, state_of(chosen, built)


def options_page() -> str:
    """The text of the page."""
    return page(
        "Options and their tests",
        [
            "What each option of `pulsar2 build` and `pulsar2 run` is backed by: a test that shows "
            "its effect. What is *not built yet* is refused by name. "
            "[configuration](configuration.md) says what the options mean. In "
            "`compiler.sub_configs` all options of `compiler` may stand again.",
            "## pulsar2 build",
            _table(BuildConfig, BUILD_TESTS),
            "## pulsar2 run",
            _table(RunConfig, RUN_TESTS),
        ],
    )


def _table(model: type[Message], tests: Mapping[str, str]) -> str:
    rows = (
        (f"`{name}`", state, _link(tests.get(name, ""))) for name, state in option_states(model)
    )
    return table(("option", "state", "test"), rows)


def _link(test: str) -> str:
    file, _, function = test.partition("::")
    return f"[{function}](../test/{file})" if test else "none named"

"""`configuration.md`: every option, and its state."""

from __future__ import annotations

from collections.abc import Iterator

from pulsar2.config.build import BuildConfig
from pulsar2.config.command_line import command_line_options, default_text
from pulsar2.config.option import Message, Option, options
from pulsar2.config.run import RunConfig
from pulsar2.tools.docs.markdown import code, documentation, page, table

_COLUMNS = ("key", "what", "type", "default", "accepted", "state")


def configuration_page() -> str:
    """The text of the page."""
    parts = [
        "What `pulsar2 build --config FILE` reads, as JSON (with `//`, `/* */` and `#` comments "
        "and trailing commas), YAML, TOML or prototxt; the suffix of the file says which. An "
        "option of the command line overwrites the file: `--quant.check 1` is the key `check` of "
        "`quant`. Flags need no value. The merged configuration is written to "
        "`build_context.json` in the output folder, and may be fed back in.",
        "An option that is *not built yet* is refused by name unless it has its default value.",
        "[pulsar2.schema.json](pulsar2.schema.json) is the JSON Schema of the configuration: an "
        "editor that is told of it (by a key `$schema` at the root, for one) completes keys and "
        "marks mistakes.",
    ]
    on_command_line = {name for name, _ in command_line_options(BuildConfig)}
    for title, model, built in _messages(BuildConfig, "", "BuildConfig"):
        parts += [f"## {title}", documentation(model), _table(model, built)]
    parts += [
        "## Command line of pulsar2 build",
        code("\n".join(f"--{name}" for name in sorted(on_command_line))),
        "## Command line of pulsar2 run",
        documentation(RunConfig),
        _table(RunConfig),
    ]
    return page("Configuration", parts)


def _messages(
    model: type[Message], prefix: str, title: str, built: bool = True
) -> Iterator[tuple[str, type[Message], bool]]:
    """Every message with the key that leads to it, and whether that key is built."""
    yield title, model, built
    for chosen in options(model):
        if chosen.message is not None:
            key = f"{prefix}{chosen.name}{'[]' if chosen.repeated else ''}"
            yield from _messages(chosen.message, f"{key}.", key, built and chosen.extra.built)


def _table(model: type[Message], built: bool = True) -> str:
    return table(_COLUMNS, (_row(chosen, built) for chosen in options(model)))


def _row(chosen: Option, built: bool) -> tuple[str, ...]:
    if chosen.message is not None:
        default = ""
    elif chosen.extra.required:
        default = "required"
    else:
        default = default_text(chosen)
    accepted = ", ".join(map(str, chosen.choices))
    if chosen.limits:
        accepted += f"; {chosen.limits}" if accepted else chosen.limits
    return (
        f"`{chosen.name}`",
        chosen.help,
        chosen.type_text,
        default,
        accepted,
        state_of(chosen, built),
    )


def state_of(chosen: Option, built: bool) -> str:
    """Whether an option is built, in words; `built` says it of what it belongs to."""
    if not (built and chosen.extra.built):
        return "not built yet"
    missing = ", ".join(map(str, chosen.extra.not_built_values))
    return f"built, but for {missing}" if missing else "built"

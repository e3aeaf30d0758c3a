"""`pulsar2 build | run | version`: the command line of the toolchain.

Nothing is imported before it is needed: `pulsar2 build -h` must not wait for a compiler to load.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

_HELP = """\
usage: pulsar2 [-h] {build,run,version} ...

An open compiler and bit-exact emulator for Axera-class NPUs.

commands:
  build       compile a model: ONNX and calibration data in, compiled.axmodel out
  run         simulate a model: ONNX, quant_axmodel.onnx or compiled.axmodel
  version     print the version

options:
  -h, --help  show this help and exit

'pulsar2 COMMAND -h' shows the options of a command.
"""
_COMMANDS = ("build", "run", "version")
_CONFIG_HELP = (
    "configuration file: json, yaml, toml or prototxt; the other options overwrite what it says. "
    "type: string. default: none."
)
_BUILD_ABOUT = (
    "Compiles a model for an NPU. Any option may stand in the configuration file instead: "
    "--quant.check is the\nkey check of quant."
)
_RUN_ABOUT = (
    "Simulates a model on tensors in files: the tensor NAME lies in NAME.bin, characters outside\n"
    "a-z A-Z 0-9 _ - replaced by _, raw bytes of the model's type and layout."
)
_HELP_WORDS = ("-h", "--help")
_WRONG_USAGE = 2
_INTERRUPTED = 130


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command. Exit code: 0, 1 for a user's mistake, 2 for wrong usage, 70 for a bug."""
    try:
        return _main(argv)
    except KeyboardInterrupt:  # before the command itself looks after it
        print("\npulsar2: interrupted", file=sys.stderr)
        return _INTERRUPTED


def _main(argv: Sequence[str] | None) -> int:
    words = list(sys.argv[1:] if argv is None else argv)
    if not words or words[0] in _HELP_WORDS:
        print(_HELP, end="")
        return 0 if words else _WRONG_USAGE
    command, *rest = words
    if command not in _COMMANDS:
        from pulsar2.diagnostics import nearest

        hint = nearest(command, _COMMANDS, 1) or f"one of {', '.join(_COMMANDS)}"
        return _usage_error("pulsar2", [f"unknown command '{command}' ({hint})"])
    if command == "version":
        return _version(rest)
    return _build(rest, words) if command == "build" else _run(rest, words)


def _version(words: list[str]) -> int:
    if words and words[0] in _HELP_WORDS:
        print("usage: pulsar2 version\n\nPrints the version.")
        return 0
    if words:
        return _usage_error("pulsar2 version", [f"unexpected argument '{words[0]}'"])
    from pulsar2.version import version

    print(f"version: {version()}")
    return 0


def _build(words: list[str], command: list[str]) -> int:
    from pulsar2.config.build import BuildConfig
    from pulsar2.config.command_line import help_text, parse

    if any(w in _HELP_WORDS for w in words):
        print(help_text("pulsar2 build", BuildConfig, _BUILD_ABOUT, _CONFIG_HELP), end="")
        return 0
    arguments = parse(BuildConfig, words)
    if arguments.usage.errors:
        return _usage_error("pulsar2 build", [str(e) for e in arguments.usage.errors])
    from pulsar2.driver.guard import Crash, guarded

    def run(crash: Crash) -> int:
        from pulsar2.config.load import locate_build_config

        config, where = locate_build_config(arguments.config, arguments.tree)
        from pulsar2.driver.build import build

        build(config, crash, where)
        return 0

    return guarded(run, command)


def _run(words: list[str], command: list[str]) -> int:
    from pulsar2.config.command_line import help_text, parse
    from pulsar2.config.run import RunConfig

    if any(w in _HELP_WORDS for w in words):
        print(help_text("pulsar2 run", RunConfig, _RUN_ABOUT, _CONFIG_HELP), end="")
        return 0
    arguments = parse(RunConfig, words)
    if arguments.usage.errors:
        return _usage_error("pulsar2 run", [str(e) for e in arguments.usage.errors])
    from pulsar2.driver.guard import Crash, guarded

    def run(crash: Crash) -> int:
        from pulsar2.config.load import load_run_config

        config = load_run_config(arguments.config, arguments.tree)
        from pulsar2.driver.run import run

        run(config)
        return 0

    return guarded(run, command)


def _usage_error(program: str, messages: Sequence[str]) -> int:
    for message in messages:
        print(f"{program}: error: {message}", file=sys.stderr)
    print(f"'{program} -h' shows what is accepted.", file=sys.stderr)
    return _WRONG_USAGE


if __name__ == "__main__":
    sys.exit(main())

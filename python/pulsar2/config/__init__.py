"""The configuration of `pulsar2 build` and `pulsar2 run`.

    config = load_build_config("config.json")            # or yaml, toml, prototxt
    config.quant.input_configs[0].calibration_size

The schema is the pydantic models of `build`, `quant`, `processors`, `compiler`, `onnx_opt` and
`run`; everything else here (readers, command line, diagnostics, JSON Schema) follows from it.
"""

from pulsar2.config.build import BuildConfig
from pulsar2.config.load import (
    json_schema,
    load_build_config,
    load_run_config,
    to_json,
)
from pulsar2.config.run import RunConfig
from pulsar2.config.shapes import parse_input_shapes

__all__ = [
    "BuildConfig",
    "RunConfig",
    "json_schema",
    "load_build_config",
    "load_run_config",
    "parse_input_shapes",
    "to_json",
]

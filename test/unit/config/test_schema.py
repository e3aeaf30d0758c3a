"""The schema: what is accepted, what is refused and how, in every format."""

from __future__ import annotations

import copy
import json
import random
import re
from pathlib import Path
from typing import Any, Literal

import jsonschema
import pytest
from formats import FORMATS, dump

from pulsar2.config import BuildConfig, json_schema, to_json
from pulsar2.config.command_line import command_line_options
from pulsar2.config.option import Message, Option, option, options
from pulsar2.config.readers import read_file, read_text
from pulsar2.config.rules import check_build
from pulsar2.config.shapes import parse_input_shapes
from pulsar2.config.tree import Table, plain
from pulsar2.config.validate import validate
from pulsar2.diagnostics import UserError
from pulsar2.targets import load_target, target_names

GUIDE = sorted((Path(__file__).parent / "guide").glob("*.json"))
BASE = {"input": "model.onnx", "output_dir": "output"}


def load(value: dict[str, Any], format_: str = "json", **options: Any) -> BuildConfig:
    text = dump(BASE | value, format_)
    return validate(BuildConfig, read_text(text, "c", format_), check_build, **options)


def all_mistakes(tree: Table) -> list[str]:
    """As `mistakes`, [] when there is none."""
    try:
        validate(BuildConfig, tree, check_build)
    except UserError as error:
        return [str(d) for d in error.diagnostics]
    return []


def mistakes(value: dict[str, Any]) -> list[str]:
    """The messages for a configuration that has mistakes, as `where: message (accepted)`."""
    with pytest.raises(UserError) as caught:
        load(value)
    return [str(d) for d in caught.value.diagnostics]


@pytest.mark.parametrize("path", GUIDE, ids=lambda p: p.stem)
@pytest.mark.parametrize("format_", FORMATS)
def test_the_guides_examples_mean_the_same_in_all_formats(path: Path, format_: str) -> None:
    value = plain(read_file(str(path)))
    expected = load(value, allow_unbuilt=True)
    assert load(value, format_, allow_unbuilt=True) == expected


@pytest.mark.parametrize("path", GUIDE, ids=lambda p: p.stem)
def test_the_guides_examples_are_accepted(path: Path) -> None:
    value = BASE | plain(read_file(str(path)))
    assert all_mistakes(read_text(dump(value, "json"), "c", "json")) == []


@pytest.mark.parametrize("path", GUIDE, ids=lambda p: p.stem)
def test_the_written_configuration_reads_back_equal(path: Path) -> None:
    config = load(plain(read_file(str(path))), allow_unbuilt=True)
    tree = read_text(to_json(config), "build_context.json", "json")
    assert validate(BuildConfig, tree, check_build, allow_unbuilt=True) == config


@pytest.mark.parametrize("path", GUIDE, ids=lambda p: p.stem)
def test_the_json_schema_accepts_the_guides_examples(path: Path) -> None:
    raw = plain(read_file(str(path)))
    value = json.loads(to_json(load(raw, allow_unbuilt=True)))
    jsonschema.validate(raw, json_schema())
    jsonschema.validate(value, json_schema())
    assert load({"$schema": "pulsar2.schema.json"} | raw, allow_unbuilt=True) == load(
        raw, allow_unbuilt=True
    )
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(value | {"quantt": {}}, json_schema())


def test_every_mistake_is_reported_at_once_with_its_place() -> None:
    text = """{
  "input": "model.onnx", "output_dir": "output",
  "zoo": 1,
  "quant": {
    "calibration_method": "MinMaxx",
    "check": true,
    "input_configs": [
      {"tensor_name": "x", "calibration_dataset": "d.tar", "calibration_size": "12"},
      {"calibration_std": [1, 0, "s"]}
    ],
    "finetune_epoch": 3
  },
  "compiler": {"static_batch_sizes": [1, 0]}
}"""
    with pytest.raises(UserError) as caught:
        validate(BuildConfig, read_text(text, "c.json", "json"), check_build)
    found = {d.where: d.message for d in caught.value.diagnostics}
    assert found == {
        "c.json:3:3: zoo": "unknown key 'zoo'",
        "c.json:5:27: quant.calibration_method": "'MinMaxx' is not accepted",
        "c.json:6:14: quant.check": "true is not accepted",
        "c.json:8:80: quant.input_configs[0].calibration_size": "'12' is not accepted",
        "c.json:9:34: quant.input_configs[1].calibration_std[2]": "'s' is not accepted",
        "c.json:9:7: quant.input_configs[1].tensor_name": "is required but missing",
        "c.json:9:7: quant.input_configs[1].calibration_dataset": "is required but missing",
        "c.json:11:5: quant.finetune_epoch": "unknown key 'finetune_epoch'",
        "c.json:13:42: compiler.static_batch_sizes[1]": "0 is not accepted",
    }


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (
            {"npu_mode": "NPU4"},
            "c:4:14: npu_mode: AX650 has no NPU4 (it has NPU1, NPU2, NPU3)",
        ),
        (
            {"target_hardware": "AX620E", "npu_mode": "NPU3"},
            "c:5:14: npu_mode: AX620E has no NPU3 (it has NPU1, NPU2)",
        ),
        ({"output_name": "a/b"}, "'a/b' is not a file name"),
        ({"output_dir": ""}, "output_dir: must not be empty"),
        ({"input_shapes": "a:1x3;b"}, "'b' is not an input's shape"),
        ({"input_shapes": "a:1x3;a:2"}, "input 'a' has two shapes"),
        ({"input_shapes": "a:1x0"}, "has a dimension that is 0"),
        (
            {"input_processors": [{"tensor_name": "DEFAULT"}, {"tensor_name": "x"}]},
            "input_processors[0].tensor_name: DEFAULT is for every tensor",
        ),
        (
            {"output_processors": [{"tensor_name": "x"}, {"tensor_name": "x"}]},
            "output_processors[1].tensor_name: there is already an entry for 'x'",
        ),
        ({"input_processors": [{"tensor_name": "x", "std": [1, 0]}]}, "std: 0 is not accepted"),
        (
            {"input_processors": [{"tensor_name": "x", "src_dtype": None}]},
            "src_dtype: has no value",
        ),
        (
            {
                "quant": {
                    "input_configs": [{"tensor_name": "x", "calibration_dataset": "s3://d.tar"}]
                }
            },
            "'s3://d.tar' is not on this machine",
        ),
        (
            {"quant": {"input_configs": [{"tensor_name": "x", "calibration_dataset": "d.rar"}]}},
            "'.rar' is not an archive (one of .tar, .tar.gz, .tgz, .zip)",
        ),
        ({"compiler": {"check_mode": "CheckPerlayer"}}, "did you mean 'CheckPerLayer'?"),
        ({"compiler": 3}, "compiler: 3 is not accepted (accepted: a table of keys)"),
        ({"compiler": {"ddr_bw_limit": -1}}, "(accepted: a number; 0, or 0.001 to 1000000)"),
        (
            {"op_processors": [{"op_name": "x", "attrs": 3}]},
            "a table of attribute names and values",
        ),
    ],
)
def test_refusals(value: dict[str, Any], expected: str) -> None:
    found = mistakes(value)
    assert len([m for m in found if "not built yet" not in m]) == 1
    assert any(expected in m for m in found), found


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (
            {"compiler": {"static_batch_sizes": [1, 2], "max_dynamic_batch_size": 4}},
            "dynamic batches contradict static_batch_sizes",
        ),
        ({"quant": {"device": "gpu"}}, "'gpu' is not accepted (cpu, cuda:0 to cuda:7)"),
        ({"compiler": {"static_batch_sizes": [2, 2]}}, "names a batch size twice"),
        ({"compiler": {"check_tensor_black_list": ["("]}}, "'(' is not a regular expression"),
        ({"quant": {"refine_weight_threshold": 0.5}}, "0.5 is not accepted (-1, 0, or less than"),
        (
            {"quant": {"layer_configs": [{"data_type": "U16"}]}},
            "choose operators in exactly one way",
        ),
        (
            {"quant": {"layer_configs": [{"op_type": "Add", "layer_name": "x"}]}},
            "choose operators in exactly one way",
        ),
        (
            {"quant": {"layer_configs": [{"start_tensor_names": ["x"]}]}},
            "has only one end of a subgraph",
        ),
        ({"const_processors": [{"name": "x"}]}, "needs new values (either data or data_path)"),
        (
            {"input_processors": [{"tensor_name": "x", "csc_mode": "Matrix", "csc_mat": [1]}]},
            "csc_mode Matrix has 1 numbers (12 numbers)",
        ),
        (
            {"input_processors": [{"tensor_name": "x", "src_format": "YUYV422"}]},
            "src_format YUYV422 with csc_mode NoCSC",
        ),
        (
            {"input_processors": [{"tensor_name": "x", "src_format": "YUYV422"}]},
            "src_format YUYV422 with src_dtype FP32 (U8)",
        ),
        (
            {"output_processors": [{"tensor_name": "x", "dst_perm": [0, 2]}]},
            "[0, 2] is not an order of axes (each axis once)",
        ),
        (
            {"input_processors": [{"tensor_name": "x", "padding": [1]}]},
            "needs a begin and an end for each axis",
        ),
        (
            {
                "input_processors": [
                    {"tensor_name": "x", "src_extra_shapes": [{"shape": [1]}]},
                    {"tensor_name": "y"},
                ]
            },
            "src_extra_shapes differ in number",
        ),
    ],
)
def test_contradictions(value: dict[str, Any], expected: str) -> None:
    with pytest.raises(UserError) as caught:
        load(value, allow_unbuilt=True)
    assert expected in str(caught.value)


def test_required_options() -> None:
    with pytest.raises(UserError) as caught:
        validate(BuildConfig, read_text("{}", "c", "json"), check_build)
    assert [str(d) for d in caught.value.diagnostics] == [
        "c:1:1: input: is required but missing (accepted: a string)",
        "c:1:1: output_dir: is required but missing (accepted: a string)",
    ]


def test_zero_and_one_are_flags_and_one_value_is_a_list() -> None:
    config = load(
        {"quant": {"precision_analysis": 1}, "compiler": {"check_tensor_black_list": "x.*"}},
        allow_unbuilt=True,
    )
    assert config.quant.precision_analysis is True
    assert config.compiler.check_tensor_black_list == ["x.*"]


def test_a_subgraph_inherits_what_it_does_not_say() -> None:
    compiler = load(
        {
            "compiler": {
                "check": 1,
                "check_rtol": 0.5,
                "sub_configs": [
                    {"start_tensor_names": ["a"], "end_tensor_names": ["b"], "check": 2}
                ],
            }
        },
        allow_unbuilt=True,
    ).compiler
    effective = compiler.of_subgraph(compiler.sub_configs[0])
    assert (effective.check, effective.check_rtol) == (2, 0.5)


def test_input_shapes() -> None:
    assert parse_input_shapes("") == {}
    assert parse_input_shapes("a:1x3x224x224;b:0:2") == {"a": (1, 3, 224, 224), "b:0": (2,)}


def every_option(model: type[Message], prefix: str = "") -> list[tuple[str, Option]]:
    found: list[tuple[str, Option]] = []
    for chosen in options(model):
        found.append((prefix + chosen.name, chosen))
        if chosen.message:
            found += every_option(chosen.message, f"{prefix}{chosen.name}.")
    return found


ALL = dict(every_option(BuildConfig))


def test_every_target_is_an_option_and_every_other_one_is_marked() -> None:
    hardware = ALL["target_hardware"]
    assert set(target_names()) <= set(hardware.choices)
    assert set(hardware.choices) - set(target_names()) <= set(hardware.extra.not_built_values)
    modes = {m for name in target_names() for m in load_target(name).modes}
    assert modes <= set(ALL["npu_mode"].choices)


class Growing(Message):
    """A message with an option, and with a value, whose function is still to come."""

    ready: int = option(0, "what there is")
    planned: list[int] = option(list, "what there will be", built=False)
    kind: Literal["A", "B"] = option("A", "one of two", not_built_values={"B": "no B yet"})


def test_what_is_not_built_is_refused_by_name() -> None:
    def read(value: dict[str, Any], **options: Any) -> Growing:
        return validate(Growing, read_text(json.dumps(value), "c", "json"), **options)

    assert read({"ready": 1, "planned": [], "kind": "A"}).ready == 1
    assert read({"planned": [1], "kind": "B"}, allow_unbuilt=True).planned == [1]
    with pytest.raises(UserError) as caught:
        read({"planned": [1], "kind": "B"})
    assert [str(d) for d in caught.value.diagnostics] == [
        "c:1:13: planned: not built yet (only leaving it empty is built so far)",
        "c:1:26: kind: B is not built yet (built so far: A)",
    ]


@pytest.mark.parametrize("name", sorted(ALL))
def test_every_option_is_described_and_its_default_is_accepted(name: str) -> None:
    chosen = ALL[name]
    assert len(chosen.help) > 5
    assert not chosen.help.endswith(".")
    assert chosen.extra.built or not chosen.extra.not_built_values
    if chosen.kind == "enum" and chosen.default is not None:
        assert chosen.default in chosen.choices


def test_mutated_configurations_are_read_or_refused() -> None:
    """Values replaced, keys renamed and dropped, in all formats: only ever a UserError."""
    rng = random.Random(0)
    junk: list[Any] = [None, True, -1, 0, 1e9, "", "x", "DEFAULT", [], [[]], {}, {"a": 1}, ["x", 1]]
    sources = [plain(read_file(str(p))) for p in GUIDE]
    for round_ in range(600):
        value = json.loads(json.dumps(rng.choice(sources)))
        for _ in range(rng.randint(1, 4)):
            mutate(value, rng, junk)
        format_ = FORMATS[round_ % 2]
        text = dump(value, format_)
        assert all(
            re.match(r"c:\d+:\d+: .", m) for m in all_mistakes(read_text(text, "c", format_))
        )


def mutate(value: Any, rng: random.Random, junk: list[Any]) -> None:
    """Changes one place somewhere in `value`."""
    while True:
        keys = list(value) if isinstance(value, dict) else list(range(len(value)))
        if not keys:
            return
        key = rng.choice(keys)
        if isinstance(value[key], dict | list) and value[key] and rng.random() < 0.8:
            value = value[key]
            continue
        action = rng.random()
        if action < 0.6:
            value[key] = copy.deepcopy(rng.choice(junk))
        elif isinstance(value, dict) and action < 0.8:
            value[key + "x"] = value.pop(key)
        else:
            del value[key]
        return


def test_command_line_options_are_those_of_the_guide() -> None:
    ours = {"no_cache", "quant.disable_bias_correction"}
    names = {name for name, _ in command_line_options(BuildConfig)} - ours
    guide = (Path(__file__).parent / "guide" / "options.txt").read_text().split()
    assert names == set(guide)

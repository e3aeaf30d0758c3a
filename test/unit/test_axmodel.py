"""The container of compiled models: what is written is read back, and damage is seen."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper

from pulsar2.axmodel import (
    UNKNOWN,
    BatchProgram,
    CompiledModel,
    Group,
    NpuSubgraph,
    Quantization,
    TensorInfo,
    decode_axmodel,
    encode_axmodel,
    read_axmodel,
    write_axmodel,
)
from pulsar2.diagnostics import UserError

GROUP = ("inputs", "outputs", "subgraphs", "aliases")


def model(**changes: object) -> CompiledModel:
    """Two subgraphs, the first with two batch sizes."""
    programs = (BatchProgram(1, b"program one", 0, 64), BatchProgram(2, b"program two", 64, 64))
    sizes: dict[str, object] = {n: changes.pop(n) for n in GROUP if n in changes}
    subgraphs = (
        NpuSubgraph("subgraph_npu_0", ("input",), ("inner",), programs),
        NpuSubgraph("subgraph_npu_1", ("inner",), ("output",), programs[:1]),
    )
    whole = CompiledModel(
        "AX650",
        "NPU1",
        (
            Group(
                (TensorInfo("input", np.dtype(np.uint8), (2, 224, 224, 3)),),
                (TensorInfo("output", np.dtype(np.float32), (2, 1000)),),
                subgraphs,
            ),
        ),
        np.arange(128, dtype=np.uint8),
        figures={"max_cycle": 450154, "macs": 280262480},
        compiler="1.2.3",
        batch=2,
    )
    group = replace(whole.groups[0], **sizes)  # type: ignore[arg-type]
    return replace(whole, **({"groups": (group,)} | changes))  # type: ignore[arg-type]


def test_round_trip(tmp_path: Path) -> None:
    path = tmp_path / "compiled.axmodel"
    size = write_axmodel(model(), path)
    read = read_axmodel(path)
    assert size == path.stat().st_size
    np.testing.assert_array_equal(read.params, model().params)
    assert read.dyn_params.size == 0
    empty = np.zeros(0, np.uint8)
    bare = {"params": empty, "dyn_params": empty, "cpu_params": empty}
    assert replace(read, **bare) == model(**bare)
    assert read.batches == (1,)
    assert [p.name for p in tmp_path.iterdir()] == ["compiled.axmodel"]


def test_equal_models_have_equal_bytes() -> None:
    assert encode_axmodel(model()) == encode_axmodel(model())


def test_it_is_an_onnx_file_as_the_facts_describe() -> None:
    proto = onnx.ModelProto.FromString(encode_axmodel(model()))
    onnx.checker.check_model(proto)
    assert [(n.op_type, n.name) for n in proto.graph.node] == [
        ("neu mode", "subgraph_npu_0"),
        ("neu mode", "subgraph_npu_1"),
    ]
    assert {t.name for t in proto.graph.initializer} >= {
        "npu_params",
        "npu_dyn_params",
        "subgraph_npu_0_b1_neu",
    }
    assert all(t.data_type == onnx.TensorProto.UINT8 for t in proto.graph.initializer)
    assert "extra_data" in {p.key for p in proto.metadata_props}
    assert proto.producer_name == "Pulsar2"
    assert "1.2.3" in proto.doc_string


def test_every_truncation_is_refused() -> None:
    data = encode_axmodel(model())
    for length in range(len(data)):
        with pytest.raises(UserError):
            decode_axmodel(data[:length])


def test_every_changed_byte_is_refused() -> None:
    data = encode_axmodel(model())
    for index in range(len(data)):
        changed = bytearray(data)
        changed[index] ^= 1 << (index % 8)
        with pytest.raises(UserError):
            decode_axmodel(bytes(changed))


def test_bytes_added_at_the_end_are_refused() -> None:
    with pytest.raises(UserError, match="truncated or damaged"):
        decode_axmodel(encode_axmodel(model()) + b"\x72\x00")


def test_other_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot read the model: No such file"):
        read_axmodel(tmp_path / "none.axmodel")
    text = tmp_path / "text.axmodel"
    text.write_text("hello")
    with pytest.raises(UserError, match="truncated or damaged"):
        read_axmodel(text)
    plain = helper.make_model(helper.make_graph([], "g", [], []))
    (tmp_path / "plain.axmodel").write_bytes(plain.SerializeToString())
    with pytest.raises(UserError, match=r"plain.axmodel: this ONNX file is not a compiled model"):
        read_axmodel(tmp_path / "plain.axmodel")


def test_another_version_is_named() -> None:
    data = encode_axmodel(model()).replace(b'"format_version": 4', b'"format_version": 9')
    with pytest.raises(UserError, match="version 9 of the compiled model's format is not known"):
        decode_axmodel(data)


@pytest.mark.parametrize(
    "changes",
    [
        {"params": np.zeros(100, np.uint8)},
        {"outputs": (TensorInfo("nowhere", np.dtype(np.uint8), (1,)),)},
        {"inputs": (TensorInfo("other", np.dtype(np.uint8), (1,)),)},
        {"inputs": (TensorInfo("input", np.dtype(np.uint8), (UNKNOWN,)),)},
        {"inputs": (TensorInfo("input", np.dtype(np.uint8), (3,)),)},
        {"aliases": (("second", "output"),)},
        {"batch": 3},
        {
            "subgraphs": (
                replace(model().subgraphs[0], programs=model().subgraphs[0].programs[::-1]),
            )
        },
    ],
)
def test_contradictions_are_refused(changes: dict[str, object]) -> None:
    with pytest.raises(UserError, match="contradicts itself"):
        decode_axmodel(encode_axmodel(model(**changes)))


def test_what_outputs_of_integers_stand_for() -> None:
    stored = Quantization(0.1, 128)
    output = TensorInfo("output", np.dtype(np.uint8), (2, 1000), stored)
    assert decode_axmodel(encode_axmodel(model(outputs=(output,)))).outputs == (output,)
    wrong = replace(output, dtype=np.dtype(np.float32))
    with pytest.raises(UserError, match="names what is no output of integers"):
        decode_axmodel(encode_axmodel(model(outputs=(wrong,))))


def test_what_is_no_tensor_keeps_its_form() -> None:
    f32 = np.dtype(np.float32)
    values = (
        TensorInfo("a", f32, (), form="sequence", element_shape=(1, UNKNOWN)),
        TensorInfo("b", f32, (), form="sequence"),
        TensorInfo("c", f32, (), form="optional", element_shape=()),
        TensorInfo("d", f32, (), form="optional sequence", element_shape=(3,)),
    )
    names = tuple(v.name for v in values)
    copies = tuple(replace(v, name=f"{v.name}_copy") for v in values)
    group = {
        "inputs": values,
        "outputs": copies,
        "subgraphs": (),
        "aliases": tuple((c.name, n) for c, n in zip(copies, names, strict=True)),
    }
    read = decode_axmodel(encode_axmodel(model(batch=1, **group)))
    assert read.inputs == values
    assert read.outputs == copies
    onnx.checker.check_model(onnx.ModelProto.FromString(encode_axmodel(read)))
    with pytest.raises(UserError, match="what is not a tensor does not hold 2 samples"):
        decode_axmodel(encode_axmodel(model(**group)))


def test_a_program_gives_no_sequence() -> None:
    output = TensorInfo("output", np.dtype(np.float32), (), form="sequence", element_shape=(1,))
    with pytest.raises(UserError, match="contradicts itself"):
        decode_axmodel(encode_axmodel(model(batch=1, outputs=(output,))))


def test_groups_share_parameters_and_names() -> None:
    """Tensors of another group have names of their own in the file, but not in memory."""
    second = Group(
        (TensorInfo("input", np.dtype(np.uint8), (2, 384, 384, 3)),),
        (
            TensorInfo("output", np.dtype(np.float32), (2, 1000)),
            TensorInfo("again", np.dtype(np.float32), (2, 1000)),
        ),
        (NpuSubgraph("other", ("input",), ("output",), (BatchProgram(1, b"p", 0, 64),)),),
        (("again", "output"),),
    )
    first = model().groups[0]
    first = replace(first, outputs=second.outputs, aliases=second.aliases)
    read = decode_axmodel(encode_axmodel(model(groups=(first, second))))
    assert read.groups == (first, second)
    proto = onnx.ModelProto.FromString(encode_axmodel(read))
    assert [v.name for v in proto.graph.input] == ["input", "input@1"]
    assert [v.name for v in proto.graph.output] == ["output", "again", "output@1", "again@1"]
    onnx.checker.check_model(proto)
    different = replace(second, inputs=(replace(second.inputs[0], name="x"),))
    with pytest.raises(UserError, match="contradicts itself"):
        decode_axmodel(encode_axmodel(model(groups=(first, different))))

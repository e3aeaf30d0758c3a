"""The four configuration formats: what they read, where it stands, and how they refuse."""

from __future__ import annotations

import contextlib
import json
import tomllib

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from pulsar2.config.readers import read_file, read_text
from pulsar2.config.tree import Node, Path, find, find_key, path_text, plain, walk
from pulsar2.diagnostics import UserError

JSON = """{ // comment
  "a": 1, # comment
  "b": {"c": [1, 2.5, "s\\u00e9",], "t": true,},
  /* several
     lines */ "d": -1e-3
}"""
YAML = """a: 1  # comment
b:
  c: [1, 2.5, "sé"]
  t: true
d: -1e-3
"""
TOML = """a = 1 # comment
d = -1e-3
[b]
c = [
  1, 2.5, # comment
  "sé" ]
t = true
"""
PROTOTXT = """a: 1  # comment
b { c: [1, 2.5, "s\\303" "\\251"] t: true };
d: -1e-3f
"""
TEXTS = {"json": JSON, "yaml": YAML, "toml": TOML, "prototxt": PROTOTXT}
VALUE = {"a": 1, "b": {"c": [1, 2.5, "sé"], "t": True}, "d": -1e-3}


def places(node: Node) -> dict[str, tuple[int, int]]:
    """Line and column of every value, by key path."""
    return {path_text(p): (n.position.line, n.position.column) for p, n in walk(node) if p}


@pytest.mark.parametrize("format_", TEXTS)
def test_all_formats_mean_the_same(format_: str) -> None:
    assert plain(read_text(TEXTS[format_], "f", format_)) == VALUE


@pytest.mark.parametrize(
    ("format_", "expected"),
    [
        ("json", {"a": (2, 8), "b.c[2]": (3, 23), "b.t": (3, 41), "d": (5, 20)}),
        ("yaml", {"a": (1, 4), "b.c[2]": (3, 15), "b.t": (4, 6), "d": (5, 4)}),
        ("toml", {"a": (1, 5), "b.c[2]": (6, 3), "b.t": (7, 5), "d": (2, 5), "b": (3, 1)}),
        ("prototxt", {"a": (1, 4), "b.c[2]": (2, 17), "b.t": (2, 36), "d": (3, 4)}),
    ],
)
def test_positions(format_: str, expected: dict[str, tuple[int, int]]) -> None:
    found = places(read_text(TEXTS[format_], "f", format_))
    assert {key: found[key] for key in expected} == expected


def test_position_of_a_key_and_of_what_is_missing() -> None:
    node = read_text(JSON, "f.json", "json")
    path: Path = ("b", "t")
    assert str(find_key(node, path)) == "f.json:3:36"
    assert str(find(node, ("b", "none", "below"))) == "f.json:3:8"


@pytest.mark.parametrize(
    ("format_", "text", "where", "message"),
    [
        ("json", '{"a": 1', "f:1:1", "this '{' is never closed"),
        ("json", '{"a": [1, 2}', "f:1:12", "'}' after a list item"),
        ("json", '{"a" 1}', "f:1:6", "'1' after the key 'a'"),
        ("json", "{a: 1}", "f:1:2", "'a' is not a key"),
        ("json", '{"a": 1,\n "a": 2}', "f:2:4", "the key 'a' is written twice in one object"),
        ("json", '{"a": nan}', "f:1:7", "'nan' is not a value"),
        ("json", '{"a": "x\ny"}', "f:1:7", "this string is never closed"),
        ("json", '{"a": "\\q"}', "f:1:8", "unknown escape in a string"),
        ("json", '{"a": "\\ud800"}', "f:1:8", "half of a surrogate pair in a string"),
        ("json", '{"a": 1e999}', "f:1:7", "number too large: 1e999"),
        ("json", '{"a": 1} x', "f:1:10", "'x' after the end of the configuration"),
        ("json", '{"a": 01}', "f:1:7", "'01' is not a value"),
        ("json", '{"a": ' + "9" * 400 + "}", "f:1:7", "number too large"),
        ("json", "[1]", "f:1:1", "a configuration is a table of keys and values"),
        ("json", '{"a":' + "[" * 99, "f:1:69", "nested more than 64 levels deep"),
        ("prototxt", "a {", "f:1:3", "this '{' is never closed"),
        ("prototxt", "a 1", "f:1:3", "'1' after the field 'a'"),
        ("prototxt", "a: [1 2]", "f:1:7", "'2' after a list item"),
        ("prototxt", "a: [1", "f:1:4", "this '[' is never closed"),
        ("prototxt", "a: 'x", "f:1:4", "this string is never closed"),
        ("prototxt", "a: '\\377'", "f:1:4", "the escapes of this string do not make UTF-8"),
        ("prototxt", "a: 09", "f:1:4", "'09' begins with 0 but is not octal"),
        ("prototxt", "a: ;", "f:1:4", "';' is not a value"),
        ("prototxt", "}", "f:1:1", "'}' is not a field"),
        ("prototxt", "a{" * 99, "f:1:129", "nested more than 64 levels deep"),
        ("yaml", "a: [1", "f:1:6", "not YAML: expected ',' or ']', but got '<stream end>'"),
        ("yaml", "a: 1\na: 2", "f:2:1", "the key 'a' is written twice"),
        ("yaml", "a: !!python/name:os.system x", "f:1:4", "the YAML tag"),
        ("yaml", "[1]: 2", "f:1:1", "a key must be a plain name"),
        ("yaml", "a: &x [*x]", "f:1:4", "nested more than 64 levels deep"),
        ("toml", "a = ", "f:1:5", "not TOML: Invalid value"),
        ("toml", "a = 1979-05-27", "f:1:5", "dates and times are not accepted here"),
        ("toml", "a = inf", "f:1:5", "inf is not accepted as a number"),
    ],
)
def test_refusals(format_: str, text: str, where: str, message: str) -> None:
    with pytest.raises(UserError) as caught:
        read_text(text, "f", format_)
    diagnostic = caught.value.diagnostics[0]
    assert diagnostic.message.startswith(message)
    assert diagnostic.where == where


def test_yaml_aliases_cannot_explode() -> None:
    text = "a0: &a0 [1,1,1,1,1,1,1,1,1,1]\n"
    for level in range(1, 8):
        aliases = ",".join([f"*a{level - 1}"] * 10)
        text += f"a{level}: &a{level} [{aliases}]\n"
    with pytest.raises(UserError, match="more than 200000 values"):
        read_text(text, "f", "yaml")


def test_yaml_types_are_those_of_the_core_schema() -> None:
    node = read_text("a: yes\nb: 1e-5\nc: '1'\nd: 0x1f\ne: no\nf: .5\ng: y", "f", "yaml")
    assert plain(node) == {
        "a": "yes", "b": 1e-5, "c": "1", "d": 31, "e": "no", "f": 0.5, "g": "y",
    }  # fmt: skip


def test_prototxt_values() -> None:
    text = """
    i: 0x10 i: -5, o: 017; f: 1.5f f: 2F f: - 3
    e: MinMax s: "a\\tb\\x41\\101" 'c' m < k: "v" > m { k: "w" } n: { }
    """
    assert plain(read_text(text, "f", "prototxt")) == {
        "i": [16, -5],
        "o": 15,
        "f": [1.5, 2.0, -3],
        "e": "MinMax",
        "s": "a\tbAAc",
        "m": [{"k": "v"}, {"k": "w"}],
        "n": {},
    }


def test_toml_positions_in_arrays_of_tables_and_inline_tables() -> None:
    text = '[[i]]\nx.y = {z = 1, w = [ {k="v"} ]}\n[[i]]\nx = """\nfoo"""\n[i.t]\nq = 1\n'
    found = places(read_text(text, "f", "toml"))
    assert found["i[0].x.y.z"] == (2, 12)
    assert found["i[0].x.y.w[0].k"] == (2, 24)
    assert found["i[1].x"] == (4, 5)
    assert found["i[1].t.q"] == (7, 5)


def test_files(tmp_path) -> None:
    with pytest.raises(UserError, match="cannot read the configuration"):
        read_file(str(tmp_path / "none.json"))
    with pytest.raises(UserError, match="cannot read the configuration"):
        read_file(str(_made(tmp_path / "folder.json", None)))
    with pytest.raises(UserError, match=r"format '.jsn' is not known \(.*did you mean '.json'"):
        read_file(str(tmp_path / "c.jsn"))
    with pytest.raises(UserError, match=r"bad\.json:2: not UTF-8 text"):
        read_file(str(_made(tmp_path / "bad.json", b"{\n\xff}")))
    marked = _made(tmp_path / "bom.json", b'\xef\xbb\xbf{"a": 1}\r\n')
    assert plain(read_file(str(marked))) == {"a": 1}


def _made(path, data):
    if data is None:
        path.mkdir()
    else:
        path.write_bytes(data)
    return path


KEYS = st.text("abcdefghijklmnopqrstuvwxyz_", min_size=1, max_size=5)
SCALARS = (
    st.booleans()
    | st.integers(-(2**60), 2**60)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=8)
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=12,
)


@given(st.dictionaries(KEYS, VALUES, max_size=4))
@settings(max_examples=150, deadline=None)
def test_json_and_yaml_read_what_their_writers_write(value: dict[str, object]) -> None:
    assert plain(read_text(json.dumps(value), "f", "json")) == value
    assert plain(read_text(yaml.safe_dump(value), "f", "yaml")) == value


@given(st.sampled_from(sorted(TEXTS)), st.data())
@settings(max_examples=300, deadline=None)
def test_mutated_texts_give_a_tree_or_a_user_error(format_: str, data: st.DataObject) -> None:
    text = list(TEXTS[format_])
    for _ in range(data.draw(st.integers(1, 4))):
        index = data.draw(st.integers(0, len(text) - 1))
        text[index] = data.draw(st.sampled_from([*"{}[]<>\"'\\:=,#/-.e0\n", "", "\0", "\ud800"]))
    with contextlib.suppress(UserError):
        node = read_text("".join(text), "f", format_)
        assert all(n.position.line >= 1 for _, n in walk(node))


@given(st.text("ab.\"'= \n[]{},1#", max_size=40))
@settings(max_examples=300, deadline=None)
def test_toml_locator_reads_all_that_tomllib_reads(text: str) -> None:
    try:
        expected = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return
    assert plain(read_text(text, "f", "toml")) == expected

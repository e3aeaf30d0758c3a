"""The text of pipelines: reading, writing, and the values of options."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from xdsl.dialects.builtin import ModuleOp

from pulsar2.context import AxContext
from pulsar2.diagnostics import Diagnostics, UserError
from pulsar2.lowering.base import AxPass
from pulsar2.pass_options import accepted_values, make_pass, pass_options, pass_text
from pulsar2.pass_text import PassText, parse_pass_texts, quote_word


class Color(Enum):
    RED = "red"
    BLUE = "blue"


@dataclass(frozen=True)
class EveryPass(AxPass):
    """A pass with an option of every type."""

    name = "every"

    count: int
    ratio: float = 0.5
    word: str = ""
    flag: bool = False
    color: Color = Color.RED
    side: Literal["left", "right"] = "left"
    limit: int | None = None
    names: tuple[str, ...] = ()
    sizes: tuple[int, ...] = (1, 2)

    def run(self, ctx: AxContext, module: ModuleOp) -> None:
        del ctx, module


def _make(text: str) -> tuple[EveryPass | None, list[str]]:
    diagnostics = Diagnostics()
    (given_text,) = parse_pass_texts(text)
    made = make_pass(EveryPass, given_text, diagnostics)
    assert made is None or isinstance(made, EveryPass)
    return made, [str(e) for e in diagnostics.errors]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        ("  ", []),
        ("builtin.module()", []),
        ("a", [PassText("a", {})]),
        ("a,b-c", [PassText("a", {}), PassText("b-c", {})]),
        (" a , b { } ", [PassText("a", {}), PassText("b", {})]),
        ("a{k}", [PassText("a", {"k": ()})]),
        ("a{k-l=1 m=2,x}", [PassText("a", {"k_l": ("1",), "m": ("2", "x")})]),
        ("a{k=/tmp/x.json}", [PassText("a", {"k": ("/tmp/x.json",)})]),
        ("a{k=1e-6 l=-3}", [PassText("a", {"k": ("1e-6",), "l": ("-3",)})]),
        (r'a{k="x, \"y\" {}"}', [PassText("a", {"k": ('x, "y" {}',)})]),
        ("builtin.module(a,b{k=1})", [PassText("a", {}), PassText("b", {"k": ("1",)})]),
        ("module (\n a,\n b )", [PassText("a", {}), PassText("b", {})]),
    ],
)
def test_reading(text: str, expected: list[PassText]) -> None:
    assert parse_pass_texts(text) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a,", "column 3: expected the name of a pass, got the end"),
        ("a b", "column 3: expected ',', got 'b'"),
        ("a{k=}", "column 5: expected a value, got '}'"),
        ("a{k=1", "expected the name of an option or '}', got the end"),
        ("a{=1}", "column 3: expected the name of an option or '}'"),
        ('a{k="x}', "column 5: expected a closing '\"'"),
        (r'a{k="\x"}', "column 5: expected a string with JSON's escapes"),
        ("a{k=1 k=2}", "option 'k' of 'a' is given twice"),
        ("builtin.module(a", "column 17: expected ',' or ')'"),
        ("builtin.module(a))", "column 18: expected the end, got ')'"),
        ("a)", "column 2: expected ',', got ')'"),
        ("func.func(a)", "passes cannot be nested in 'func.func(...)'"),
    ],
)
def test_what_cannot_be_read(text: str, message: str) -> None:
    with pytest.raises(UserError) as caught:
        parse_pass_texts(text)
    assert message in str(caught.value)


def test_values() -> None:
    made, errors = _make(
        "every{count=-3 ratio=1e-6 word=1.5 flag color=blue side=right limit=4 names=a,b sizes}"
    )
    assert errors == []
    assert made == EveryPass(-3, 1e-6, "1.5", True, Color.BLUE, "right", 4, ("a", "b"), ())
    made, errors = _make("every{count=1 ratio=2 limit flag=false names=x}")
    assert made == EveryPass(1, 2.0, names=("x",))


def test_every_mistake_is_told() -> None:
    made, errors = _make(
        "every{ratio=nan flag=yes color=green side=up limit=x sizes=1,a word=a,b colour=red}"
    )
    assert made is None
    assert errors == [
        "option 'ratio' of pass 'every' cannot be 'nan' (expected a number)",
        "option 'flag' of pass 'every' cannot be 'yes' (expected true or false)",
        "option 'color' of pass 'every' cannot be 'green' (expected one of red, blue)",
        "option 'side' of pass 'every' cannot be 'up' (expected one of left, right)",
        "option 'limit' of pass 'every' cannot be 'x' (expected an integer)",
        "option 'sizes' of pass 'every' cannot be '1,a' (expected a list of: an integer)",
        "option 'word' of pass 'every' cannot be 'a,b' (expected text)",
        "pass 'every' has no option 'colour' (did you mean 'color'? its options: count, ratio,"
        " word, flag, color, side, limit, names, sizes)",
        "pass 'every' needs the option 'count' (expected an integer)",
    ]


def test_options_are_described() -> None:
    shown = {o.name: (o.accepted, o.default, o.required) for o in pass_options(EveryPass)}
    assert shown["count"] == ("an integer", "", True)
    assert shown["color"] == ("one of red, blue", "red", False)
    assert shown["sizes"] == ("a list of: an integer", "1,2", False)
    assert accepted_values(int | str | None) == "an integer or text"


TEXTS = st.text(max_size=8)


@given(
    st.builds(
        EveryPass,
        count=st.integers(),
        ratio=st.floats(allow_nan=False, allow_infinity=False),
        word=TEXTS,
        flag=st.booleans(),
        color=st.sampled_from(Color),
        side=st.sampled_from(["left", "right"]),
        limit=st.none() | st.integers(),
        names=st.lists(TEXTS, min_size=1, max_size=3).map(tuple),
        sizes=st.lists(st.integers(), min_size=1, max_size=3).map(tuple),
    )
)
def test_text_of_a_pass_reads_back(each: EveryPass) -> None:
    made, errors = _make(pass_text(each))
    assert errors == []
    assert made == each


@given(TEXTS)
def test_quoted_word_reads_back(word: str) -> None:
    (read,) = parse_pass_texts(f"a{{k={quote_word(word)}}}")
    assert read.options == {"k": (word,)}

"""The table of options names a test for each, and the tests are there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from pulsar2.config.build import BuildConfig
from pulsar2.config.run import RunConfig
from pulsar2.tools.docs.option_tests import BUILD_TESTS, RUN_TESTS
from pulsar2.tools.docs.options import option_states

TESTS = Path(__file__).resolve().parents[1]


def test_every_option_that_is_built_has_a_test() -> None:
    for model, tests in ((BuildConfig, BUILD_TESTS), (RunConfig, RUN_TESTS)):
        states = dict(option_states(model))
        assert set(tests) <= set(states), "options that there are not"
        missing = {n for n, s in states.items() if s.startswith("built") and n not in tests}
        assert not missing, "name their tests in tools/docs/option_tests.py"


@pytest.mark.parametrize("test", sorted({*BUILD_TESTS.values(), *RUN_TESTS.values()}))
def test_the_tests_are_there(test: str) -> None:
    file, _, function = test.partition("::")
    assert re.search(rf"^def {function}\(", (TESTS / file).read_text(), re.MULTILINE)


@pytest.mark.parametrize("name", sorted(BUILD_TESTS))
def test_the_test_speaks_of_the_option(name: str) -> None:
    """Its file does, by the option's own name, or it is what every build has."""
    file = BUILD_TESTS[name].partition("::")[0]
    last = name.split(".")[-1]
    texts = [TESTS / file, TESTS / "e2e" / "cases.py", TESTS / "e2e" / "conftest.py"]
    text = "".join(path.read_text() for path in texts)
    spellings = (last, last.removeprefix("calibration_"), last.removeprefix("tensor_"))
    assert any(s in text for s in spellings), f"{file} does not speak of {last}"

"""The loader in C reads what the one in Python reads, and is given nothing that could end the process."""

from __future__ import annotations

import subprocess
import sys

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from kentongan.quick_yaml import DEEPEST, QUICK, load

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=9), inner, max_size=4),
    max_leaves=20,
)


@given(VALUES, st.booleans())
def test_both_loaders_read_the_same(value: object, flow: bool) -> None:
    text = yaml.safe_dump(value, default_flow_style=flow, allow_unicode=True)
    assert yaml.load(text, QUICK) == yaml.load(text, yaml.SafeLoader)


def test_the_deepest_text_for_the_loader_in_c_can_nest_as_deep_as_it_likes_even_in_a_thread() -> None:
    told = (
        f"import threading, yaml; from kentongan.quick_yaml import QUICK; text = '[' * {DEEPEST};\n"
        "def read():\n"
        "    try: yaml.load(text, QUICK)\n"
        "    except yaml.YAMLError: print('refused')\n"
        "t = threading.Thread(target=read); t.start(); t.join()"
    )
    done = subprocess.run([sys.executable, "-c", told], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.strip()) == (0, "refused")


def test_a_text_that_may_nest_deeper_is_read_in_python() -> None:
    with pytest.raises(RecursionError):
        load("[" * (DEEPEST + 1))
    with pytest.raises(RecursionError):
        load("\n".join("[" * 80 for _ in range(DEEPEST)))
    with pytest.raises(RecursionError):
        load("- " * DEEPEST)
    assert load("[]") == []


def test_a_long_text_of_few_levels_is_read_in_c() -> None:
    def never(stream: object) -> object:
        raise AssertionError("read in Python")

    text = "lines:\n" + "- a line of text\n" * DEEPEST + "also: {last: [1, 2]}\n"
    assert load(text, patient=never)["also"] == {"last": [1, 2]}


def test_a_mistake_is_named_where_it_is_made() -> None:
    with pytest.raises(yaml.MarkedYAMLError) as error:
        load("exercise: [")
    assert error.value.problem_mark is not None
    assert error.value.problem_mark.line == 0

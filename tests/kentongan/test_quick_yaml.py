"""The loader in C reads what the one in Python reads, and is given nothing that could end the process."""

from __future__ import annotations

import subprocess
import sys

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from kentongan.quick_yaml import LONGEST, QUICK, load

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=9), inner, max_size=4),
    max_leaves=20,
)


@given(VALUES, st.booleans())
def test_both_loaders_read_the_same(value: object, flow: bool) -> None:
    text = yaml.safe_dump(value, default_flow_style=flow, allow_unicode=True)
    assert yaml.load(text, QUICK) == yaml.load(text, yaml.SafeLoader)


def test_the_longest_text_for_the_loader_in_c_can_nest_as_deep_as_it_likes_even_in_a_thread() -> None:
    told = (
        f"import threading, yaml; from kentongan.quick_yaml import QUICK; text = '[' * {LONGEST};\n"
        "def read():\n"
        "    try: yaml.load(text, QUICK)\n"
        "    except yaml.YAMLError: print('refused')\n"
        "t = threading.Thread(target=read); t.start(); t.join()"
    )
    done = subprocess.run([sys.executable, "-c", told], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.strip()) == (0, "refused")


def test_a_longer_text_is_read_in_python() -> None:
    with pytest.raises(RecursionError):
        load("[" * (LONGEST + 1))
    assert load("[]") == []


def test_a_mistake_is_named_where_it_is_made() -> None:
    with pytest.raises(yaml.MarkedYAMLError) as error:
        load("exercise: [")
    assert error.value.problem_mark is not None
    assert error.value.problem_mark.line == 0

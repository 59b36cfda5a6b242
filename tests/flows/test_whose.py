"""Whose a flow run is, by what was noted with it."""

from __future__ import annotations

import dataclasses
import json
import socket
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

import flows.whose
from flows.whose import _MACHINES_OWN, LABEL, Whose, this_machine
from kentongan.clock import Process, SystemClock

HERE = Process.current()
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(), lambda inner: st.lists(inner), max_leaves=4
)
NOTES = st.fixed_dictionaries(
    {},
    optional={
        "host": JSON,
        "sender": JSON,
        "attempt": JSON,
        "machine": JSON,
        "noted": JSON,
        "process": JSON | st.dictionaries(st.sampled_from(["boot_id", "namespace", "pid", "started"]), JSON),
    },
)


def whose(**more: Any) -> Whose:
    return Whose(**{"host": socket.gethostname(), "process": HERE, "sender": "", "attempt": 1, **more})


def has_left(one: Whose, process: Process = HERE) -> bool:
    # No sender is asked after, so nothing is read.
    return one.has_left(cast(Any, None), clock=SystemClock(), process=process)


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file with this machine's id."""
    path = tmp_path / "machine-id"
    path.write_text("a1" * 16 + "\n")
    monkeypatch.setattr(flows.whose, "_MACHINE_ID", path)
    return path


@given(host=st.text(), sender=st.text(), attempt=st.integers(0, 9), shown=st.integers(0, 9))
def test_a_note_is_read_back_for_the_attempt_that_wrote_it_alone(
    host: str, sender: str, attempt: int, shown: int
) -> None:
    noted = whose(host=host, sender=sender, attempt=attempt, machine=host, noted=attempt)
    read = Whose.of({"labels": {LABEL: noted.label()}, "run_count": shown})
    assert read == (noted if shown == attempt else None)


@given(note=st.text() | JSON | NOTES.map(lambda note: json.dumps(note)))
def test_whatever_somebody_else_has_noted_is_nobodys_or_whole(note: object) -> None:
    for labels in (None, {}, {LABEL: note}, note):
        read = Whose.of({"labels": labels, "run_count": 1})
        assert read is None or isinstance(read.process, Process)


def test_only_what_has_certainly_ended_has_left() -> None:
    dead = dataclasses.replace(HERE, started=HERE.started + 1)
    assert not has_left(whose())
    assert has_left(whose(process=dead))
    # Whatever it is called, and whatever the machine's own id.
    assert has_left(whose(process=dead, host="its name before"))
    # Of another process table nothing is known here.
    assert not has_left(whose(process=dataclasses.replace(dead, namespace="pid:[0]")))


def test_what_ran_when_this_machine_was_started_anew_has_left_and_nothing_on_one_like_it(machine: Path) -> None:
    here = dataclasses.replace(HERE, namespace=_MACHINES_OWN)
    container = dataclasses.replace(HERE, namespace="pid:[4026532001]")
    earlier = dataclasses.replace(here, boot_id="an earlier start")
    left = whose(process=earlier, machine=this_machine())
    assert has_left(left, here)
    others: list[tuple[dict[str, Any], Process]] = [
        ({"machine": ""}, here),  # noted by an earlier Kentongan, or where none has an id
        ({"machine": "b2" * 16}, here),  # of the same name
        ({"host": "another machine"}, here),  # copied from this one
        ({"noted": SystemClock().wall()}, here),  # copied with the name: it noted this while this one ran
        ({"process": dataclasses.replace(container, boot_id="an earlier start")}, here),
        ({"process": dataclasses.replace(container, boot_id="an earlier start")}, container),  # of one image
        ({}, container),
    ]
    assert not any(has_left(dataclasses.replace(left, **changed), process) for changed, process in others)
    machine.write_text("b2" * 16)
    assert not has_left(left, here)


@given(
    host=st.sampled_from([socket.gethostname(), "localhost"]),
    namespace=st.sampled_from([HERE.namespace, _MACHINES_OWN]),
    machine=st.sampled_from(["", "b2" * 16]),
    noted=st.integers(0, 2**42),
)
def test_of_another_machine_of_the_same_name_nothing_is_known(
    host: str, namespace: str, machine: str, noted: int
) -> None:
    # It lives, where this process cannot look.
    there = dataclasses.replace(HERE, boot_id="11111111-2222-3333-4444-555555555555", namespace=namespace)
    assert not has_left(whose(host=host, process=there, machine=machine, noted=noted))


def test_a_machine_is_named_by_its_id_which_is_shown_to_nobody(machine: Path) -> None:
    name = this_machine()
    assert name == this_machine() != ""
    assert "a1" * 16 not in name
    for nothing in ("", "uninitialized\n", "0" * 32, "g" * 32, "a1", "\xe9" * 32):
        machine.write_text(nothing, encoding="utf-8")
        assert this_machine() == ""
    machine.unlink()
    assert this_machine() == ""

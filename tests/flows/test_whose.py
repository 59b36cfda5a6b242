"""Whose a flow run is, by what was noted with it."""

from __future__ import annotations

import dataclasses
import json
import socket
from typing import Any, cast

from hypothesis import given
from hypothesis import strategies as st

from flows.whose import LABEL, Whose
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
        "process": JSON | st.dictionaries(st.sampled_from(["boot_id", "namespace", "pid", "started"]), JSON),
    },
)


def whose(**more: Any) -> Whose:
    return Whose(**{"host": socket.gethostname(), "process": HERE, "sender": "", "attempt": 1, **more})


def has_left(one: Whose) -> bool:
    # No sender is asked after, so nothing is read.
    return one.has_left(cast(Any, None), clock=SystemClock(), process=HERE)


@given(host=st.text(), sender=st.text(), attempt=st.integers(0, 9), shown=st.integers(0, 9))
def test_a_note_is_read_back_for_the_attempt_that_wrote_it_alone(
    host: str, sender: str, attempt: int, shown: int
) -> None:
    noted = whose(host=host, sender=sender, attempt=attempt)
    read = Whose.of({"labels": {LABEL: noted.label()}, "run_count": shown})
    assert read == (noted if shown == attempt else None)


@given(note=st.text() | JSON | NOTES.map(lambda note: json.dumps(note)))
def test_whatever_somebody_else_has_noted_is_nobodys_or_whole(note: object) -> None:
    for labels in (None, {}, {LABEL: note}, note):
        read = Whose.of({"labels": labels, "run_count": 1})
        assert read is None or isinstance(read.process, Process)


def test_only_what_has_certainly_ended_has_left() -> None:
    dead = dataclasses.replace(HERE, started=HERE.started + 1)
    earlier = dataclasses.replace(HERE, boot_id="an earlier start")
    assert not has_left(whose())
    assert has_left(whose(process=dead))
    assert has_left(whose(process=earlier))
    # Of another machine, and of another process table, nothing is known here.
    assert not has_left(whose(process=earlier, host="another machine"))
    assert not has_left(whose(process=dataclasses.replace(dead, namespace="pid:[0]")))

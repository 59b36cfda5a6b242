from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from operator import truediv

import pytest

from kentongan.patience import Patience


def test_what_ends_in_time_is_answered_or_raised_as_if_it_had_been_done_here() -> None:
    patience = Patience(30.0)
    assert patience.ask(lambda: truediv(6, 3)) == 2
    with pytest.raises(ZeroDivisionError):
        patience.ask(lambda: truediv(1, 0))


def test_what_hangs_is_given_up_and_hardly_anything_is_begun_until_it_has_ended() -> None:
    patience, answers, asked = Patience(0.05), threading.Event(), []

    def hang() -> str:
        asked.append(threading.current_thread())
        assert answers.wait(30)
        return "late"

    def fails() -> bool:
        with pytest.raises(TimeoutError) as raised:
            patience.ask(hang)
        return "does not answer" in (raised.value.strerror or "")

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(lambda _: fails(), range(8)))
    assert all(fails() for _ in range(50))
    # Those that asked before it was known to hang, and hardly one of the others.
    assert 1 <= len(asked) <= 10
    assert all(thread.daemon for thread in asked)
    answers.set()
    for thread in asked:
        thread.join(30)
    assert patience.ask(lambda: "there") == "there"


def test_who_asks_twice_waits_once() -> None:
    now, never, tried = [0.0], threading.Event(), []
    patience = Patience(0.01, monotonic=lambda: now[0])

    def hang() -> None:
        tried.append(now[0])
        never.wait(30)

    for moment in (0.0, 0.01, 0.015):
        now[0] = moment
        with pytest.raises(TimeoutError):
            patience.ask(hang)
    never.set()
    assert tried == [0.0]


def test_a_mount_that_never_lets_go_is_tried_anew_ever_more_seldom() -> None:
    now, never, tried = [0.0], threading.Event(), []
    patience = Patience(0.01, monotonic=lambda: now[0])

    def hang() -> None:
        tried.append(now[0])
        never.wait(30)

    for second in range(3600):
        now[0] = float(second)
        with pytest.raises(TimeoutError):
            patience.ask(hang)
    assert tried[:4] == [0.0, 1.0, 3.0, 7.0]
    assert max(later - earlier for earlier, later in pairwise(tried)) == 300.0
    # Something else lies there now, and who waited for the former still does.
    now[0] += 300.0
    assert patience.ask(lambda: "there") == "there"
    never.set()

"""What `stop` marks where the sender of the alert has died, and what it leaves to those who live."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from kentongan import stopped
from kentongan.clock import Process
from kentongan.delivery import Phase
from kentongan.ledger import Write, claims, dispatches, views
from tests.kentongan.ledger.scenes import expand_all, register_sender
from tests.kentongan.sending import PUBLIC_POST, Place, ScriptedChannel

PEOPLE = 10


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    place = Place(tmp_path)
    yield place
    place.close()


def hold(place: Place, instance: str, *, most: int, intended: int) -> None:
    def take(write: Write) -> None:
        claimed = claims.claim(write, sender="one", alert_id="alert-1", instance=instance, most=most)
        ids = [each.id for each in claimed][:intended]
        assert len(claims.intend(write, sender="one", deliveries=ids, phase=Phase.IRREVERSIBLE, covered=[])) == intended

    place.ledger.write(take)


def in_the_middle(place: Place, process: Process) -> None:
    """An alert that `process` owns: some claimed, some being sent, to people and to the public."""
    place.subscribe(PEOPLE)
    place.dispatch(ScriptedChannel("sms"), ScriptedChannel("toots", traits=PUBLIC_POST))
    expand_all(place.ledger, "alert-1")
    register_sender(place.ledger, "one", process)
    place.ledger.write(lambda write: dispatches.own(write, "alert-1", sender="one", gone=[]))
    hold(place, "sms", most=6, intended=2)
    hold(place, "toots", most=2, intended=1)
    place.stop("alert-1")


def test_what_a_dead_sender_left_is_marked_but_for_posts_that_can_be_looked_up(place: Place) -> None:
    in_the_middle(place, replace(Process.current(), pid=2**22 + 1))
    assert stopped.settle(place.ledger, "alert-1") is False
    assert place.words() == {"in_doubt": 2, "cancelled": PEOPLE - 2}
    posts = {each.stage for each in place.deliveries() if each.instance == "toots"}
    assert posts == {"done", "sending"}
    assert not place.ledger.read(lambda read: views.is_open(read, "alert-1", "sms"))
    before = place.deliveries()
    assert stopped.settle(place.ledger, "alert-1") is False
    assert place.deliveries() == before


def test_what_a_living_sender_holds_is_left_to_it(place: Place) -> None:
    in_the_middle(place, Process.current())
    before = place.deliveries()
    assert stopped.settle(place.ledger, "alert-1") is False
    assert place.deliveries() == before


def test_what_nobody_has_taken_is_marked(place: Place) -> None:
    place.subscribe(PEOPLE)
    place.dispatch(ScriptedChannel("sms"))
    expand_all(place.ledger, "alert-1")
    place.stop("alert-1")
    assert stopped.settle(place.ledger, "alert-1") is True
    assert place.words() == {"cancelled": PEOPLE}

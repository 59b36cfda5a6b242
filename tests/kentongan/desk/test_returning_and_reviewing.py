"""Returning and discarding an alert, and the review of one that a single officer sent."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from kentongan.desk import approvals, releases, returning, reviewing, submitting
from kentongan.errors import BadInput, Refused
from kentongan.ledger import Read, alerts, reviews
from kentongan.ledger.verification import verify
from tests.kentongan.desk.scenes import Scene, login, scene

FINDING = "It was right to send; the second number was missing from the list."


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Scene]:
    with scene(tmp_path / "desk") as made:
        yield made


def state(desk: Scene, alert_id: str) -> str:
    return desk.ledger.read(lambda read: alerts.get(read, alert_id)).state


def test_a_returned_alert_is_a_draft_and_its_approvals_are_gone(desk: Scene) -> None:
    stored = desk.approved()
    returned = returning.return_alert(desk.desk, stored.code, login("made"), reason="  wrong\nplace ")
    assert returned.state == "draft"
    with pytest.raises(Refused):
        releases.dispatch(desk.desk, stored.code, login("siti"))
    with pytest.raises(Refused):
        approvals.approve(desk.desk, stored.code, login("budi"))
    # Submitted again, the earlier approval does not count.
    submitting.submit(desk.desk, stored.code, login("siti"))
    with pytest.raises(Refused, match="not approved"):
        releases.dispatch(desk.desk, stored.code, login("siti"))
    approvals.approve(desk.desk, stored.code, login("budi"))
    releases.dispatch(desk.desk, stored.code, login("siti"))


@pytest.mark.parametrize("before", ["drafted", "submitted", "approved"])
def test_a_discarded_alert_never_leaves(desk: Scene, before: str) -> None:
    stored = getattr(desk, before)()
    assert returning.discard(desk.desk, stored.code, login("siti"), reason="twice the same").state == "discarded"
    for act in (
        lambda: submitting.submit(desk.desk, stored.code, login("siti")),
        lambda: approvals.approve(desk.desk, stored.code, login("budi")),
        lambda: releases.dispatch(desk.desk, stored.code, login("siti")),
        lambda: releases.dispatch(desk.desk, stored.code, login("siti"), break_glass="in a hurry"),
        lambda: returning.return_alert(desk.desk, stored.code, login("siti"), reason="back"),
        lambda: returning.discard(desk.desk, stored.code, login("siti"), reason="again"),
    ):
        with pytest.raises(Refused):
            act()
    assert state(desk, stored.id) == "discarded"


def test_what_was_sent_is_neither_returned_nor_discarded(desk: Scene) -> None:
    stored = desk.approved()
    releases.dispatch(desk.desk, stored.code, login("siti"))
    for act in (returning.return_alert, returning.discard):
        with pytest.raises(Refused):
            act(desk.desk, stored.code, login("siti"), reason="too late")
    assert state(desk, stored.id) == "dispatched"


@pytest.mark.parametrize("reason", ["", " \n ", "x" * 501])
def test_a_reason_is_needed(desk: Scene, reason: str) -> None:
    stored = desk.submitted()
    with pytest.raises(BadInput):
        returning.return_alert(desk.desk, stored.code, login("budi"), reason=reason)
    with pytest.raises(Refused, match="nobody is logged in"):
        returning.return_alert(desk.desk, stored.code, None, reason="wrong place")
    assert state(desk, stored.id) == "submitted"


def test_broken_glass_opens_a_review_in_the_same_commit_and_two_persons_open_none(desk: Scene) -> None:
    two = desk.approved()
    releases.dispatch(desk.desk, two.code, login("siti"), break_glass="in a hurry")
    assert desk.ledger.read(lambda read: reviews.of_alert(read, two.id)) is None
    alone = desk.submitted()
    releases.dispatch(desk.desk, alone.code, login("siti"), break_glass="nobody else is awake")
    (found,) = desk.ledger.read(reviews.open_reviews)
    assert (found.alert_id, found.officer) == (alone.id, "siti")
    assert found.due_at - found.opened_at == 24 * 3_600_000


def test_another_officer_reviews_it_once_and_the_record_holds(desk: Scene) -> None:
    stored = desk.submitted()
    releases.dispatch(desk.desk, stored.code, login("siti"), break_glass="nobody else is awake")
    with pytest.raises(Refused, match="another officer must"):
        reviewing.review(desk.desk, stored.code, login("siti"), finding=FINDING)
    with pytest.raises(BadInput, match="finding"):
        reviewing.review(desk.desk, stored.code, login("budi"), finding="ok")
    done = reviewing.review(desk.desk, stored.code, login("budi"), finding=FINDING)
    assert (done.done_by, done.finding) == ("budi", FINDING)
    with pytest.raises(Refused, match="already"):
        reviewing.review(desk.desk, stored.code, login("made"), finding=FINDING)
    assert desk.ledger.read(reviews.open_reviews) == []

    def differences(read: Read) -> list[str]:
        found = verify(read, head=None, public_key=desk.keys.head_public_key).differences
        return [each.place for each in found if each.place.startswith("review")]

    assert desk.ledger.read(differences) == []
    desk.change("UPDATE review SET done_by = 'made'")
    assert desk.ledger.read(differences) == [f"review {stored.id}"]


def test_there_is_nothing_to_review_where_no_glass_was_broken(desk: Scene) -> None:
    stored = desk.approved()
    with pytest.raises(BadInput, match="not sent alone"):
        reviewing.review(desk.desk, stored.code, login("budi"), finding=FINDING)

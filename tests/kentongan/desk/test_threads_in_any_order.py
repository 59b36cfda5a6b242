"""Whatever follows an alert, in whatever order, by whoever sends it: nobody is lost, nobody gets it twice."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from kentongan.alert import Kind
from kentongan.delivery import REACHED, Action, Evidence, Phase, Result
from kentongan.desk import approvals, following, releases, settling, submitting, verdicts, withdrawing
from kentongan.errors import Refused
from kentongan.ledger import (
    Read,
    Write,
    alerts,
    claims,
    dispatches,
    opt_outs,
    outcomes,
    planned,
    planning,
    receipts,
    senders,
    steps,
    threads,
    verification,
    work,
)
from kentongan.ledger.claims import Claimed
from kentongan.ledger.outcomes import Settled
from kentongan.plan import PUBLIC
from kentongan.policy import Decision, Reason
from kentongan.routes import FallbackRule, Routes
from kentongan.seam import Confirmed, Receipt
from tests.kentongan.desk.scenes import Scene, instance, login, scene
from tests.kentongan.ledger.scenes import register_sender

MINUTE = 60_000
CHANNELS = {
    "sms-drill": instance("kannel", "drill", public=False),
    "text-drill": instance("kannel", "drill", public=False),
    "bot-drill": instance("telegram", "drill", public=False),
    "toots-drill": instance("mastodon", "drill", public=True),
}
ROUTES = Routes(fallback=(FallbackRule(after=300, on=("sms-drill",), to=("bot-drill",)),))
NEXT = st.sampled_from(["accepted", "refused", "never left", "doubt", "repeat", "look up", "half done"])


@dataclass(frozen=True)
class Flight:
    """A request that a sender has begun and not yet told the end of."""

    sender: str
    alert_id: str
    delivery: int
    attempt: int


_SIGNED = ("approval-lapsed", "approval-changed", "approval-time")
"""Rules by which what was signed does not count: time, or the config, has gone on."""


def _refusal(act: Callable[[], object]) -> str | None:
    """The rule by which something is refused; None where it is not."""
    try:
        act()
    except Refused as refused:
        return refused.rule
    return None


class _Undone(Exception):
    """Takes back what was only tried."""


class Threads(RuleBasedStateMachine):
    """One agency's desk and ledger with two senders, who may fall asleep, die, and tell what they did much later."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="kentongan-"))
        self.place: Scene = scene(self.folder / "desk", instances=CHANNELS)
        self._routed()
        self.senders = [register_sender(self.place.ledger, f"sender-{n}") for n in range(2)]
        self.claimed: list[tuple[str, Claimed]] = []
        self.flights: list[Flight] = []
        self.drafted: list[str] = []
        self.opted_out: dict[str, int] = {}

    def teardown(self) -> None:
        self.place.ledger.close()
        shutil.rmtree(self.folder)

    def _routed(self) -> None:
        changed = self.place.desk.settings.model_copy(update={"routes": ROUTES})
        self.place.desk = replace(self.place.desk, settings=changed)

    # --- What is there ---

    def read(self, act: Callable[[Read], Any]) -> Any:
        return self.place.ledger.read(act)

    def write(self, act: Callable[[Write], Any]) -> Any:
        return self.place.ledger.write(act)

    def rows(self, text: str, **parameters: Any) -> Sequence[Any]:
        return self.read(lambda read: read.sql(text, parameters).all())  # type: ignore[no-any-return]

    def sent(self) -> list[str]:
        """The messages that were sent, in the order in which they were."""
        return [row.alert_id for row in self.rows("SELECT alert_id FROM dispatch ORDER BY rowid")]

    def newest(self) -> Any:
        return self.read(lambda read: alerts.get(read, self.sent()[-1]))

    def over(self) -> bool:
        return bool(self.newest().kind is Kind.CORRECTION)

    def one(self, data: st.DataObject, found: Sequence[Any]) -> Any:
        return data.draw(st.sampled_from(list(found)))

    # --- What officers do ---

    @initialize()
    def an_alert_is_sent(self) -> None:
        releases.dispatch(self.place.desk, self.place.approved().code, login("siti"))

    @rule(data=st.data(), kind=st.sampled_from([Kind.UPDATE, Kind.UPDATE, Kind.CANCEL, Kind.ALL_CLEAR]))
    @precondition(lambda self: len(self.drafted) < 3 and not self.over() and len(self.sent()) < 4)
    def an_officer_has_a_follow_up_approved(self, data: st.DataObject, kind: Kind) -> None:
        desk, named = self.place.desk, self.one(data, self.sent())
        if kind is Kind.UPDATE:
            made = following.update(desk, named, {"magnitude": "6.1"}, by="siti").alert
        elif kind is Kind.CANCEL:
            made = following.cancel(desk, named, by="siti").alert
        else:
            self.place.clock.pass_by(120 * MINUTE)
            made = following.all_clear(desk, named, by="siti", evidence="Tenang sejak siang").alert
        there = [name for name in CHANNELS if name in desk.settings.channels]
        without = [self.one(data, there)] if data.draw(st.integers(0, 3)) == 0 else []
        rule = _refusal(lambda: submitting.submit(desk, made.code, login("siti"), without=without))
        # Nothing is left to send, or the clock makes it too early.
        assert rule in (None, "rendering", "route", "all-clear-time", "observed")
        if rule is not None:
            return
        approvals.approve(desk, made.code, login("budi"))
        self.drafted.append(made.id)

    @rule(data=st.data())
    @precondition(lambda self: self.drafted)
    def a_follow_up_is_sent(self, data: st.DataObject) -> None:
        chosen = self.one(data, self.drafted)
        stored, newest = self.read(lambda read: alerts.get(read, chosen)), self.newest()
        rule = _refusal(lambda: releases.dispatch(self.place.desk, chosen, login("siti")))
        assert rule in (None, "thread", "expired", "all-clear-time", "observed", *_SIGNED)
        if rule is not None:
            overtaken = stored.predecessor != newest.id or newest.kind is Kind.CORRECTION
            assert overtaken or rule != "thread", "the first successor of a thread was refused"
            return
        self.drafted.remove(chosen)
        assert stored.predecessor == newest.id, "two successors of one message were sent"
        assert newest.kind is not Kind.CORRECTION, "something followed a thread that was withdrawn"

    @rule(data=st.data())
    @precondition(lambda self: not self.over())
    def one_officer_withdraws_the_thread(self, data: st.DataObject) -> None:
        named = self.one(data, self.sent())
        released = withdrawing.release_correction(self.place.desk, named, login("made"), reason="wrong_area")
        vouched = self.read(
            lambda read: verdicts.vouch(read, released.alert.id, policy=self.place.desk.settings.policy)
        )
        assert vouched is None

    @rule(data=st.data())
    @precondition(lambda self: self.newest().state == "dispatched" and not self.over())
    def somebody_stops_it(self, data: st.DataObject) -> None:
        self.write(lambda write: dispatches.stop(write, self.newest().id, by="siti", signed=False))

    @rule(data=st.data(), sent=st.booleans(), again=st.booleans())
    def an_officer_settles_a_doubt(self, data: st.DataObject, sent: bool, again: bool) -> None:
        doubtful = self.rows("SELECT id FROM delivery WHERE result = 'in_doubt'")
        if doubtful:
            settling.resolve(self.place.desk, self.one(data, doubtful).id, login("made"), sent=sent, again=again)

    @rule(gone=st.sampled_from([None, None, "sms-drill", "text-drill", "bot-drill"]))
    def the_config_changes(self, gone: str | None) -> None:
        self.place.reconfigure(instances={name: each for name, each in CHANNELS.items() if name != gone})
        self._routed()

    # --- What people do ---

    @rule(number=st.integers(0, 3), how=st.sampled_from(["opts out", "opts in", "is erased", "leaves", "comes"]))
    def a_person(self, number: int, how: str) -> None:
        reference = self.place.keys.address_hash("reference", f"p{number}")
        person = self.rows("SELECT id FROM person WHERE reference = :reference", reference=reference)[0].id
        if how in ("opts out", "opts in"):
            change = opt_outs.opt_out if how == "opts out" else opt_outs.opt_in
            named = [opt_outs.Named(opt_outs.REFERENCE, reference)]
            self.write(lambda write: change(write, named, family="phone", by="siti"))
            if how == "opts in":
                self.opted_out.pop(person, None)
            else:
                self.opted_out.setdefault(person, self.read(planned.last_id))
            return
        self.place.change(
            {
                "is erased": "UPDATE person SET key = NULL WHERE id = :id",
                "leaves": "DELETE FROM person_group WHERE person_id = :id",
                "comes": "INSERT OR IGNORE INTO person_group (person_id, name) VALUES (:id, 'subscriber')",
            }[how],
            {"id": person},
        )

    # --- What senders do ---

    @rule(data=st.data(), size=st.sampled_from([1, 2, 100]), times=st.integers(1, 12))
    def people_are_planned(self, data: st.DataObject, size: int, times: int) -> None:
        for _ in range(times):
            self._expand(self.one(data, self.sent()), size)

    def _expand(self, alert_id: str, size: int) -> bool:
        dispatched = self.read(lambda read: dispatches.get(read, alert_id))

        def act(write: Write) -> bool:
            running = work.epochs(write, [alert_id])[alert_id][0] == "dispatched"
            return running and planning.expand(write, alert_id, dispatched.plan, size)

        return bool(self.write(act))

    @rule(data=st.data(), most=st.integers(1, 10))
    def a_sender_claims(self, data: st.DataObject, most: int) -> None:
        due = self.rows("SELECT DISTINCT alert_id, instance FROM delivery WHERE stage = 'planned' ORDER BY 1, 2")
        if due:
            chosen, sender = self.one(data, due), self.one(data, self.senders)
            self.claimed += [(sender, each) for each in self._claim(sender, chosen.alert_id, chosen.instance, most)]

    def _claim(self, sender: str, alert_id: str, instance: str, most: int) -> list[Claimed]:
        found: list[Claimed] = self.write(
            lambda write: claims.claim(write, sender=sender, alert_id=alert_id, instance=instance, most=most)
        )
        return found

    @rule(data=st.data(), many=st.integers(1, 10))
    @precondition(lambda self: self.claimed)
    def a_sender_goes_on_with_what_it_claimed(self, data: st.DataObject, many: int) -> None:
        for _ in range(min(many, len(self.claimed))):
            sender, item = self.claimed.pop(0)
            if item.action is Action.FIND:
                found = data.draw(st.booleans())
                absent = Decision(Evidence.ABSENT, Reason.NOT_FOUND, due_at=self.place.clock.wall())
                decision = Decision(Evidence.ACCEPTED, Reason.FOUND) if found else absent
                self.write(
                    lambda write, s=sender, c=item, d=decision: outcomes.settle_find(
                        write, sender=s, claimed=c, decision=d
                    )
                )
            elif item.action is Action.EDIT:
                self.write(
                    lambda write, s=sender, c=item: outcomes.settle_edit(
                        write, sender=s, claimed=c, detail="marked", again_at=None
                    )
                )
            else:
                self._intend(sender, item.id)

    def _intend(self, sender: str, delivery: int) -> bool:
        intents = self.write(
            lambda write: claims.intend(write, sender=sender, deliveries=[delivery], phase=Phase.IRREVERSIBLE)
        )
        for intent in intents:
            row = self.rows(
                "SELECT d.alert_id, a.state FROM delivery d JOIN alert a ON a.id = d.alert_id WHERE d.id = :id",
                id=delivery,
            )[0]
            assert row.state == "dispatched", f"leave to send was given for an alert that is {row.state}"
            self.flights.append(Flight(sender, row.alert_id, intent.delivery, intent.attempt))
        return bool(intents)

    @rule(data=st.data(), what=NEXT, many=st.integers(1, 10))
    @precondition(lambda self: self.flights)
    def requests_end(self, data: st.DataObject, what: str, many: int) -> None:
        for _ in range(min(many, len(self.flights))):
            flight = self.one(data, self.flights)
            self.flights.remove(flight)
            self._settle(flight, what)

    def _settle(self, flight: Flight, what: str) -> None:
        now = self.place.clock.wall()
        row = self.rows(
            "SELECT d.follows, d.family, a.kind FROM delivery d JOIN alert a ON a.id = d.alert_id WHERE d.id = :id",
            id=flight.delivery,
        )[0]
        accepted = Decision(Evidence.ACCEPTED, Reason.ACCEPTED)
        if row.family == PUBLIC and row.follows is not None and Kind(row.kind).takes_back:
            accepted = Decision(Evidence.ACCEPTED, Reason.ACCEPTED, action=Action.EDIT, due_at=now)
        decision = {
            "accepted": accepted,
            "refused": Decision(Evidence.REJECTED, Reason.REFUSED),
            "never left": Decision(Evidence.ABSENT, Reason.NEVER_LEFT, due_at=now),
            "doubt": Decision(Evidence.IN_DOUBT, Reason.OFFICER),
            "repeat": Decision(Evidence.IN_DOUBT, Reason.MARKED_REPEAT, due_at=now),
            "look up": Decision(Evidence.IN_DOUBT, Reason.LOOK_UP, action=Action.FIND, due_at=now),
            "half done": Decision(Evidence.ABSENT, Reason.NEXT_STEP, action=Action.ADVANCE, due_at=now),
        }[what]
        provider_id = f"post-{flight.delivery}-{flight.attempt}" if what == "accepted" else ""
        settled = Settled(flight.delivery, flight.attempt, decision, provider_id=provider_id)
        self.write(lambda write: outcomes.settle(write, sender=flight.sender, outcomes=[settled]))

    @rule(data=st.data())
    @precondition(lambda self: self.flights or self.claimed)
    def a_sender_dies_and_may_have_slept_only(self, data: st.DataObject) -> None:
        self._die(self.one(data, self.senders))

    def _die(self, sender: str) -> None:
        self.write(lambda write: senders.end(write, sender=sender))

        def after_doubt(_: Any) -> Decision:
            return Decision(Evidence.IN_DOUBT, Reason.SENDER_GONE)

        self.write(lambda write: outcomes.recover(write, gone=[sender], after_doubt=after_doubt))
        self.senders.remove(sender)
        self.senders.append(register_sender(self.place.ledger, f"sender-{sender}-again"))

    @rule(data=st.data(), confirmed=st.sampled_from(Confirmed), times=st.integers(1, 2))
    def a_receipt_comes(self, data: st.DataObject, confirmed: Confirmed, times: int) -> None:
        tried = self.rows("SELECT key, instance FROM delivery WHERE attempt > 0")
        if tried:
            row = self.one(data, tried)
            receipt = Receipt(confirmed, key=row.key)
            for _ in range(times):
                self.write(lambda write: receipts.record(write, instance=row.instance, receipts=[receipt]))

    @rule(minutes=st.sampled_from([-90, -1, 1]))
    def somebody_sets_the_clock(self, minutes: int) -> None:
        self.place.clock.wall_at += minutes * MINUTE

    @rule(data=st.data(), minutes=st.sampled_from([0, 0, 1, 6, 40]))
    def time_goes_by_and_somebody_sweeps(self, data: st.DataObject, minutes: int) -> None:
        self.place.clock.pass_by(minutes * MINUTE)
        self._sweep(data.draw(st.booleans()))

    def _sweep(self, whole: bool) -> None:
        for alert_id in self.sent():
            self.write(lambda write, id=alert_id: outcomes.cancel_stopped(write, id, most=100 if whole else 2))
            for name in CHANNELS:
                self.write(lambda write, id=alert_id, name=name: outcomes.close_overdue(write, id, name))
        self.write(dispatches.end_expired)
        self.write(lambda write: steps.advance(write, size=2))

    # --- What always holds ---

    @invariant()
    def nobody_has_a_message_twice_on_a_channel(self) -> None:
        assert not self.rows(
            "SELECT 1 FROM delivery WHERE person_id IS NOT NULL GROUP BY alert_id, instance, person_id"
            " HAVING count(*) > 1"
        )
        unmarked = self.rows(
            "SELECT d.id FROM delivery d JOIN attempt t ON t.delivery_id = d.id WHERE d.possible_duplicate = 0"
            " AND t.evidence <> 'absent' GROUP BY d.id HAVING count(*) > 1"
        )
        assert not unmarked, "a message may have gone twice, and is not marked"

    @invariant()
    def at_most_one_message_of_a_thread_stands(self) -> None:
        standing = self.rows("SELECT id FROM alert WHERE state = 'dispatched'")
        assert [row.id for row in standing] in ([], self.sent()[-1:])

    @invariant()
    def nothing_of_what_is_over_can_be_sent(self) -> None:
        def try_all(write: Write) -> None:
            over = write.sql(
                "SELECT d.id, d.sender, d.alert_id, d.instance FROM delivery d JOIN alert a ON a.id = d.alert_id"
                " WHERE a.state <> 'dispatched' AND d.stage IN ('planned', 'claimed')"
            ).all()
            for alert_id, name in {(row.alert_id, row.instance) for row in over}:
                claims.claim(write, sender="anybody", alert_id=alert_id, instance=name, most=100)
            for row in over:
                for sender in ("anybody", row.sender):
                    assert not claims.intend(write, sender=sender, deliveries=[row.id], phase=Phase.IRREVERSIBLE)
            raise _Undone

        try:
            self.write(try_all)
        except _Undone:
            return

    @invariant()
    def whoever_was_reached_is_told_what_followed(self) -> None:
        if not self.sent() or (newest := self.newest()).predecessor is None or newest.state != "dispatched":
            return
        dispatched = self.read(lambda read: dispatches.get(read, newest.id))
        if not dispatched.expanded:
            return
        names = {each.name for each in dispatched.plan.instances}
        told = {
            (row.instance, row.person_id or "")
            for row in self.rows("SELECT instance, person_id FROM delivery WHERE alert_id = :id", id=newest.id)
        }
        earlier = self.read(lambda read: threads.others(read, newest.id))
        for row in self.rows("SELECT alert_id, instance, person_id, result, family, address_id FROM delivery"):
            if row.alert_id not in earlier or Result(row.result) not in REACHED:
                continue
            if newest.kind is Kind.UPDATE and (row.instance not in names or row.person_id is not None):
                continue  # opted out since, or on a channel that an officer left out
            ways = {row.instance} if row.family != "phone" else {"sms-drill", "text-drill"}
            if not ways & names:
                assert newest.kind is not Kind.CORRECTION, f"{row.instance} is not told of the withdrawal"
                continue  # left out by an officer
            assert any((way, row.person_id or "") in told for way in ways), f"{row.person_id} on {row.instance}"

    @invariant()
    def nothing_new_is_planned_for_whoever_opted_out(self) -> None:
        for person, mark in self.opted_out.items():
            planned = self.rows(
                "SELECT d.id FROM delivery d JOIN alert a ON a.id = d.alert_id WHERE d.person_id = :person"
                " AND d.id > :mark AND d.family = 'phone' AND a.kind IN ('alert', 'update')",
                person=person,
                mark=mark,
            )
            assert not planned, "an update went to somebody who had opted out"

    @invariant()
    def the_record_says_what_the_rows_say(self) -> None:
        keys = self.place.keys
        found = self.read(lambda read: verification.verify(read, head=None, public_key=keys.head_public_key))
        assert found.differences == []


Threads.TestCase.settings = settings(
    max_examples=12, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck)
)
TestThreads = Threads.TestCase

"""A night to report on: a drill thread with every kind of fault in it, and the sender that plays it."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from kentongan.area.rows import RegionRow
from kentongan.cap.model import Status
from kentongan.clock import Milliseconds
from kentongan.delivery import Action, Evidence, Phase
from kentongan.desk import approvals, drafts, following, releases, submitting, withdrawing
from kentongan.keys import StateKeys
from kentongan.ledger import alerts, answers, claims, dispatches, outcomes, receipts, regions, senders, views
from kentongan.ledger import people as register
from kentongan.ledger.alerts import StoredAlert
from kentongan.ledger.claims import Claimed
from kentongan.ledger.outcomes import Settled
from kentongan.people import Row
from kentongan.policy import Decision, Reason
from kentongan.seam import Address, Confirmed, Inbound, Receipt
from kentongan.words.languages import read_languages, spoken
from tests.kentongan.desk.scenes import QUAKE, Scene, login, template, words
from tests.kentongan.ledger.scenes import expand_all, register_sender

ACCEPTED = Decision(Evidence.ACCEPTED, Reason.ACCEPTED)
Decide = Callable[[Claimed, Milliseconds], Decision]


def phone(number: int) -> str:
    return f"+62812{number:07}"


@dataclass
class Sender:
    """Sends an alert to its end, `step` milliseconds a request; `decide` says what each attempt shows."""

    scene: Scene
    alert_id: str
    decide: Decide = lambda _, __: ACCEPTED
    step: Milliseconds = 35
    urls: dict[str, str] = field(default_factory=dict)

    def run(self) -> None:
        ledger, clock = self.scene.ledger, self.scene.clock
        expand_all(ledger, self.alert_id)
        sender = register_sender(ledger, f"sender-{self.alert_id[:8]}")
        dispatch = ledger.read(lambda read: dispatches.get(read, self.alert_id))
        assert dispatch is not None
        ledger.write(lambda write: dispatches.own(write, self.alert_id, sender=sender, gone=()))
        names = [instance.name for instance in dispatch.plan.instances]
        for name in names:
            ledger.write(
                lambda write, name=name: write.event(  # type: ignore[misc]
                    "instance.started", alert=self.alert_id, instance=name, through="flow"
                )
            )
        while True:
            for name in names:
                while claimed := self._claim(sender, name):
                    for item in claimed:
                        clock.pass_by(self.step)
                        self._attempt(sender, item)
            due = [d.due_at for d in self._deliveries() if d.stage == "planned"]
            if not due:
                return
            clock.pass_by(max(min(due) - clock.wall(), 1))
            ledger.write(lambda write: outcomes.close_overdue(write, self.alert_id, names[0]))

    def _claim(self, sender: str, name: str) -> list[Claimed]:
        return self.scene.ledger.write(
            lambda write: claims.claim(write, sender=sender, alert_id=self.alert_id, instance=name, most=50)
        )

    def _deliveries(self) -> list[views.Delivery]:
        return self.scene.ledger.read(lambda read: views.deliveries(read, self.alert_id))

    def _attempt(self, sender: str, item: Claimed) -> None:
        write = self.scene.ledger.write
        now = self.scene.clock.wall()
        decision = self.decide(item, now)
        if item.action is Action.FIND:
            write(lambda w: outcomes.settle_find(w, sender=sender, claimed=item, decision=decision))
            return
        write(lambda w: claims.intend(w, sender=sender, deliveries=[item.id], phase=Phase.IRREVERSIBLE))
        provider = f"m-{item.id}" if decision.evidence is Evidence.ACCEPTED else ""
        url = self.urls.get(item.instance, "") if provider else ""
        settled = Settled(item.id, item.attempt + 1, decision, provider, url)
        write(lambda w: outcomes.settle(w, sender=sender, outcomes=[settled]))


def faults(scene: Scene) -> Decide:
    """One of each fault, in the order in which deliveries come."""
    turns: Iterator[int] = itertools.count()
    turn: dict[int, int] = {}

    def decide(item: Claimed, now: Milliseconds) -> Decision:
        number = turn.setdefault(item.id, next(turns))
        fate = number % 23 if item.instance.startswith(("sms", "bot")) else -1
        if item.action is Action.FIND:
            return Decision(Evidence.ACCEPTED, Reason.FOUND)
        if item.instance.startswith("toots") and item.language == "en" and item.attempt == 0:
            detail = "status 500 with an unreadable answer"
            return Decision(Evidence.IN_DOUBT, Reason.LOOK_UP, detail, Action.FIND, now + 4_000)
        if fate == 3 and item.attempt == 0:
            return Decision(Evidence.ABSENT, Reason.NEVER_LEFT, "status 429: too many requests", due_at=now + 2_000)
        if fate == 7:
            return Decision(Evidence.REJECTED, Reason.REFUSED, "address: status 403: the number is refused")
        if fate == 11:
            return Decision(Evidence.IN_DOUBT, Reason.OFFICER, "the connection broke")
        if fate == 13 and item.attempt == 0:
            return Decision(Evidence.IN_DOUBT, Reason.MARKED_REPEAT, "no answer in time", due_at=now + 60_000)
        if fate == 17:
            return Decision(Evidence.ABSENT, Reason.NEVER_LEFT_TOO_LATE, "no connection in time")
        if fate == 19:
            return Decision(Evidence.IN_DOUBT, Reason.RECEIPT, "no answer in time")
        return ACCEPTED

    return decide


def add_people(scene: Scene, count: int) -> None:
    """So many more subscribers, all of one region."""
    rows = [
        Row(
            number=n,
            reference=f"n{n}",
            addresses=(Address("phone", phone(n)), Address("telegram", f"9{n:06}")),
            language=("id", "en", None)[n % 3],
            groups=("subscriber",),
            regions=("17.01",),
        )
        for n in range(count)
    ]
    keys = StateKeys.open(template())
    scene.ledger.write(lambda write: register.import_people(write, rows, keys=keys))


def add_regions(scene: Scene) -> None:
    """Two regions with boundaries, of which the quake's area names one."""
    rows = [
        _region("17", "Bengkulu", ((-5.0, 101.5), (-5.0, 104.0), (-3.0, 104.0), (-3.0, 101.5))),
        _region("17.01", "Bengkulu Selatan", ((-4.7, 102.6), (-4.7, 103.3), (-4.1, 103.3), (-4.1, 102.6))),
        _region("17.71", "Kota Bengkulu", ((-3.95, 102.2), (-3.95, 102.4), (-3.7, 102.4), (-3.7, 102.2))),
    ]
    prepared = regions.prepared(rows)
    scene.ledger.write(lambda write: regions.import_regions(write, prepared, source="test", replace=False))


def _region(code: str, name: str, ring: tuple[tuple[float, float], ...]) -> RegionRow:
    return RegionRow(line=1, code=code, name=name, timezone="Asia/Jakarta", rings=([*ring, ring[0]],))


def dispatch(scene: Scene, stored: StoredAlert) -> StoredAlert:
    """Submits and approves where that is still to be done, and sends off."""
    if stored.state == "draft":
        submitting.submit(scene.desk, stored.code, login("siti"))
        scene.clock.pass_by(41_000)
        approvals.approve(scene.desk, stored.code, login("budi"))
        scene.clock.pass_by(3_000)
    releases.dispatch(scene.desk, stored.code, login("siti"))
    return scene.ledger.read(lambda read: alerts.get(read, stored.id))


@dataclass
class Night:
    """What was played: the first alert, its update, and the correction."""

    first: StoredAlert
    update: StoredAlert
    correction: StoredAlert


def night(scene: Scene, *, people: int = 46) -> Night:
    """An alert with faults, receipts, answers and an officer's word; an update; a correction."""
    add_regions(scene)
    add_people(scene, people)
    ledger, clock = scene.ledger, scene.clock
    first = scene.drafted({"area": "Bengkulu Selatan; Kota Bengkulu", "latitude": "-4.4", "longitude": "102.8"})
    first = dispatch(scene, first)
    ledger.write(lambda write: write.event("orchestration.began", alert=first.id, flow_run="f", tasks=[]))
    Sender(scene, first.id, faults(scene), urls={"toots-drill": "https://toots.example/@siaga/1"}).run()
    ledger.write(lambda write: write.event("orchestration.ended", alert=first.id, state="Completed"))
    ledger.write(lambda write: senders.hold(write, instance="bot-drill", reason="status 401: the token is refused"))
    clock.pass_by(5_000)
    ledger.write(lambda write: senders.release_hold(write, instance="bot-drill", by=""))
    _receipts(scene, first.id)
    _answers(scene)
    doubtful = ledger.read(lambda read: views.deliveries(read, first.id, words=("in_doubt",)))
    ledger.write(lambda write: outcomes.resolve(write, deliveries=[doubtful[0].id], sent=True, again=False, by="budi"))
    clock.pass_by(25 * 60_000)
    update = following.update(scene.desk, first.code, {"magnitude": "6.1"}, by="siti").alert
    update = dispatch(scene, update)
    Sender(scene, update.id).run()
    clock.pass_by(40 * 60_000)
    released = withdrawing.release_correction(scene.desk, first.code, login("made"), reason="wrong_area")
    Sender(scene, released.alert.id).run()
    clock.pass_by(60_000)
    return Night(first, update, released.alert)


def _receipts(scene: Scene, alert_id: str) -> None:
    """Every SMS that was accepted is delivered, but for one; and one that was in doubt."""
    found = scene.ledger.read(lambda read: views.deliveries(read, alert_id, instance="sms-drill"))
    told = [
        Receipt(Confirmed.DELIVERED, key=each.key)
        for each in found
        if each.word == "accepted" or (each.word == "in_doubt" and each.reason.startswith(Reason.RECEIPT))
    ]
    told[0] = Receipt(Confirmed.UNREACHABLE, key=told[0].key, reason="absent subscriber")
    for each in told:
        scene.clock.pass_by(20)
        scene.ledger.write(
            lambda write, each=each: receipts.record(write, instance="sms-drill", receipts=[each])  # type: ignore[misc]
        )


def _answers(scene: Scene) -> None:
    vocabulary = spoken(read_languages(words().root / "languages"))
    keys = StateKeys.open(template())
    reached = set(
        scene.ledger.read(
            lambda read: read.sql(
                "SELECT unique_by FROM delivery WHERE instance = 'sms-drill' AND result IN ('accepted', 'delivered')"
            ).scalars()
        )
    )
    those = [number for number in range(50) if keys.address_hash("phone", phone(number)) in reached]
    for number, text in zip(those, ("1", "1", "AMAN", "TOLONG", "apa ini?"), strict=False):
        inbound = Inbound("phone", phone(number).lstrip("+"), text, provider_id=f"in-{number}")
        scene.ledger.write(
            lambda write, inbound=inbound: answers.record(  # type: ignore[misc]
                write, instance="sms-drill", inbound=[inbound], keys=keys, words=vocabulary
            )
        )


def broken_glass(scene: Scene, reason: str = "Gelombang sudah terlihat, petugas kedua tidak menjawab") -> StoredAlert:
    """An alert that one officer sent alone."""
    stored = drafts.from_fields(
        scene.desk, "earthquake", {**QUAKE, "severity": "Extreme"}, by="siti", status=Status.EXERCISE
    ).alert
    releases.dispatch(scene.desk, stored.code, login("siti"), break_glass=reason)
    return stored

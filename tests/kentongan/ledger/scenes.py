"""What the ledger's tests begin with: clocks that stand still, an alert, people, a dispatch, and what is sent of it."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

from kentongan import cap
from kentongan.alert import Draft, Kind
from kentongan.area.codes import Waves
from kentongan.cap.model import Category, Certainty, MsgType, Scope, Severity, Status, Urgency
from kentongan.clock import Milliseconds, Process, SystemClock, to_milliseconds
from kentongan.delivery import Evidence, Phase
from kentongan.keys import StateKeys
from kentongan.ledger import (
    Ledger,
    Write,
    alerts,
    claims,
    dispatches,
    outcomes,
    planning,
    renderings,
    senders,
    submissions,
)
from kentongan.ledger import people as register
from kentongan.ledger.claims import Claimed
from kentongan.ledger.outcomes import Settled
from kentongan.people import Row
from kentongan.plan import PUBLIC, Plan, PlannedInstance
from kentongan.policy import Decision, Reason
from kentongan.seam import Address, Mode, Rendered
from kentongan.settings import Audience

NOW = datetime(2026, 11, 21, 7, 20, tzinfo=UTC)
HOUR: Milliseconds = 3_600_000
ACCEPTED = Decision(Evidence.ACCEPTED, Reason.ACCEPTED)
_START = to_milliseconds(NOW)


@dataclass(slots=True)
class StandingClock:
    """Both clocks, which move when a test says so. Boot time is the machine's own at first: beats compare with it."""

    wall_at: Milliseconds = _START
    boot_at: Milliseconds = 1_000_000

    def wall(self) -> Milliseconds:
        return self.wall_at

    def boot(self) -> Milliseconds:
        return self.boot_at

    def pass_by(self, milliseconds: Milliseconds) -> None:
        self.wall_at += milliseconds
        self.boot_at += milliseconds


def draft(
    status: Status = Status.EXERCISE, *, identifier: str = "kentongan-1", expires: datetime | None = None
) -> Draft:
    info = cap.Info(
        language="id",
        categories=(Category.GEO,),
        event="Gempa bumi",
        urgency=Urgency.IMMEDIATE,
        severity=Severity.SEVERE,
        certainty=Certainty.OBSERVED,
        onset=NOW,
        expires=expires,
        headline="Gempa magnitudo 5,6",
        instruction="Menjauh dari bangunan yang retak.",
        areas=(cap.Area(area_desc="Manna"),),
    )
    alert = cap.Alert(
        identifier=identifier,
        sender="bpbd@tirtaraya.example",
        sent=NOW,
        status=status,
        msg_type=MsgType.ALERT,
        scope=Scope.PUBLIC,
        infos=(info,),
    )
    return Draft(hazard="general", cap=alert, languages=("id", "en"))


def message(alert_id: str, instance: str, language: str) -> Rendered:
    return Rendered(
        alert_id=alert_id,
        instance=instance,
        language=language,
        kind="mastodon",
        mode=Mode.DRILL,
        code=f"K7Q4-{language.upper()}",
        mark="LATIHAN",
        title="Gempa bumi",
        text="LATIHAN Gempa magnitudo 5,6 LATIHAN",
    )


def public(name: str, deliver_by: Milliseconds, languages: Sequence[str] = ("id", "en")) -> PlannedInstance:
    return PlannedInstance(name=name, kind="mastodon", family=PUBLIC, languages=tuple(languages), deliver_by=deliver_by)


def direct(name: str, deliver_by: Milliseconds, audience: Audience | None = None) -> PlannedInstance:
    return PlannedInstance(
        name=name,
        kind="kannel",
        family="phone",
        languages=("id", "en"),
        audience=audience or Audience(),
        deliver_by=deliver_by,
    )


def put_alert(write: Write, *, id: str = "alert1", code: str = "K7Q4", instances: Sequence[str] = ("toots",)) -> str:
    """An alert with its renderings, submission and approval, as the desk leaves them; returns its id."""
    alerts.insert_alert(
        write,
        id=id,
        code=code,
        kind=Kind.ALERT,
        mode=Mode.DRILL,
        draft=draft(identifier=id),
        by="siti",
        raw=b"<alert/>",
    )
    renderings.put(write, id, [message(id, name, lang) for name in instances for lang in ("id", "en")])
    submissions.submit(write, id, officer="siti", subject={"subject": {"alert_id": id}}, id=secrets.token_hex(8))
    submissions.approve(write, id, officer="budi", content={"officer": "budi"}, id=secrets.token_hex(8))
    return id


def put_dispatch(
    write: Write, instances: Sequence[PlannedInstance], *, id: str = "alert1", code: str = "K7Q4", waves: Waves = ()
) -> str:
    """A dispatched alert over these instances; returns its id."""
    put_alert(write, id=id, code=code, instances=[instance.name for instance in instances])
    plan = Plan(mode=Mode.DRILL, life_at_stake=True, instances=tuple(instances), values={}, waves=waves)
    dispatches.begin(write, id, plan=plan, by="siti", allowed=("approved",), proof={"by": ["siti", "budi"]})
    return id


def put_correction(write: Write, predecessor: str, *, id: str = "correction1", code: str = "W9MN") -> str:
    """The ready-made correction of an alert; returns its id."""
    alerts.insert_alert(
        write,
        id=id,
        code=code,
        kind=Kind.CORRECTION,
        mode=Mode.DRILL,
        draft=draft(identifier=id),
        by="siti",
        predecessor=predecessor,
    )
    renderings.put(write, id, [message(id, "toots", "id")])
    return id


def release(write: Write, predecessor: str, correction: str, *, deliver_by: Milliseconds) -> None:
    """Releases the correction over its predecessor's instances."""
    dispatched = dispatches.get(write, predecessor)
    assert dispatched is not None
    instances = tuple(
        instance.model_copy(update={"audience": None, "deliver_by": deliver_by})
        for instance in dispatched.plan.instances
    )
    plan = Plan(
        kind=Kind.CORRECTION,
        mode=Mode.DRILL,
        life_at_stake=True,
        instances=instances,
        values={},
        predecessor=predecessor,
    )
    submissions.record_approval(write, correction, officer="made", content={"officer": "made"}, id=secrets.token_hex(8))
    dispatches.begin(write, correction, plan=plan, by="made", allowed=("prepared",), proof={"by": ["made"]})


def put_people(
    write: Write, keys: StateKeys, number: int, *, languages: Sequence[str | None] = ("id", "en", None)
) -> None:
    register.import_people(
        write,
        [
            Row(
                number=position,
                reference=f"p{position}",
                addresses=(Address("phone", f"+6281200{position:06}"),),
                language=languages[position % len(languages)],
                groups=("subscriber",),
                regions=("17.01",),
            )
            for position in range(number)
        ],
        keys=keys,
    )


def expand_all(ledger: Ledger, alert_id: str, *, size: int = 1000) -> None:
    dispatched = ledger.read(lambda read: dispatches.get(read, alert_id))
    assert dispatched is not None
    while ledger.write(lambda write: planning.expand(write, alert_id, dispatched.plan, size)):
        pass


def put_texts(ledger: Ledger, keys: StateKeys, people: int) -> None:
    """Puts `alert1` on record, dispatched by SMS to so many people, with all of its deliveries planned."""
    until = ledger.clock.wall() + HOUR
    ledger.write(lambda write: put_people(write, keys, people))
    ledger.write(lambda write: put_dispatch(write, [direct("sms", until)]))
    expand_all(ledger, "alert1")


def send_each(
    ledger: Ledger,
    sender: str,
    instance: str,
    decide: Callable[[Claimed], Decision | None] = lambda _: ACCEPTED,
    *,
    alert_id: str = "alert1",
    most: int = 100,
    provider_id: Callable[[Claimed], str] = lambda _: "",
) -> None:
    """Plays a sender, delivery by delivery; what `decide` returns None for is still in flight."""
    for claimed in ledger.write(
        lambda write: claims.claim(write, sender=sender, alert_id=alert_id, instance=instance, most=most)
    ):
        (intent,) = ledger.write(
            partial(claims.intend, sender=sender, deliveries=[claimed.id], phase=Phase.IRREVERSIBLE)
        )
        if (decision := decide(claimed)) is not None:
            settled = Settled(claimed.id, intent.attempt, decision, provider_id(claimed))
            ledger.write(partial(outcomes.settle, sender=sender, outcomes=[settled]))


def send_together(ledger: Ledger, sender: str, most: int, *, decision: Decision = ACCEPTED) -> list[int]:
    """Plays a sender whose texts all come to one end, and are put on record in one commit; returns them."""
    claimed = ledger.write(
        partial(claims.claim, sender=sender, alert_id="alert1", instance="sms", most=most), beside=True
    )
    ids = [each.id for each in claimed]
    intents = ledger.write(partial(claims.intend, sender=sender, deliveries=ids, phase=Phase.IRREVERSIBLE), beside=True)
    settled = [Settled(each.delivery, each.attempt, decision, f"m{each.delivery}") for each in intents]
    ledger.write(partial(outcomes.settle, sender=sender, outcomes=settled), beside=True)
    return ids


def register_sender(ledger: Ledger, sender: str, process: Process | None = None) -> str:
    ledger.write(
        lambda write: senders.register(
            write, sender=sender, role="send", process=process or Process.current(), clock=ledger.clock
        )
    )
    return sender


def open_at(path: Path, *, chain: str = "console", clock: StandingClock | SystemClock | None = None) -> Ledger:
    return Ledger.open(path, clock=clock or StandingClock(), chain=chain)


def later(hours: float = 1.0) -> Milliseconds:
    return to_milliseconds(NOW + timedelta(hours=hours))

"""A ledger with a dispatched alert, a channel that answers as a script says, and a clock that can be moved."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar

from kentongan import cap
from kentongan.alert import Draft, Kind
from kentongan.clock import Milliseconds, SystemClock
from kentongan.dispatcher import Dispatcher
from kentongan.keys import StateKeys
from kentongan.ledger import Ledger, alerts, dispatches, people, renderings, views, work
from kentongan.people import Row
from kentongan.plan import PUBLIC, Plan, PlannedInstance
from kentongan.routes import Following
from kentongan.seam import (
    Absent,
    Accepted,
    Address,
    Idempotent,
    Inbound,
    InDoubt,
    Job,
    Limits,
    Mode,
    Outcome,
    Posted,
    Readiness,
    Receipt,
    Received,
    Rendered,
    Traits,
    Uploaded,
)
from kentongan.settings import Audience, Policy

DIRECT = Traits(family="phone", receipts=True, settling=0.0)
PUBLIC_POST = Traits(public=True, find=True, settling=0.0)
KEYED_POST = Traits(public=True, idempotent=Idempotent(3600.0), find=True)
UNFINDABLE = Traits(family="phone")
POLICY = Policy(backoff_first=0.02, backoff_most=0.1, repeat_after=1.0, probe_every=0.1)
Answer = Outcome | Awaitable[Outcome]


class MovableClock:
    """The machine's clocks, ahead by what `advance` was given."""

    def __init__(self) -> None:
        self._ahead = 0
        self._system = SystemClock()

    def advance(self, seconds: float) -> None:
        self._ahead += round(seconds * 1000)

    def wall(self) -> Milliseconds:
        return self._system.wall() + self._ahead

    def boot(self) -> Milliseconds:
        return self._system.boot() + self._ahead


class ScriptedChannel:
    """`answer` is asked for every job, with how often its key was asked for before; all that is sent is kept."""

    kind: ClassVar[str] = "scripted"
    traits: Traits  # type: ignore[misc]  # a test gives each channel its own
    mode = Mode.DRILL

    def __init__(
        self,
        name: str = "sms",
        *,
        traits: Traits = DIRECT,
        answer: Callable[[Job, int], Answer] | None = None,
        concurrency: int = 4,
        rate: float = 2000.0,
        deadline: float = 5.0,
    ) -> None:
        self.name = name
        self.traits = traits
        self.limits = Limits("characters", 1000, rate, concurrency, deadline, 600.0)
        self.answer = answer or (lambda job, times: Accepted(f"{name}-{job.key}"))
        self.find_answer: Callable[[Job], Accepted | Absent | InDoubt] = lambda job: Absent()
        self.sent: list[Job] = []
        self.messages: list[Rendered] = []
        self.edited: list[Posted] = []
        self.finds = 0
        self.probes = 0
        self.is_ready = True
        self.began = asyncio.Event()

    def recipients(self) -> list[str]:
        return [job.to.value for job in self.sent if job.to is not None]

    async def upload(self, message: Rendered) -> Uploaded | Outcome:
        return Uploaded({})

    async def send(self, message: Rendered, jobs: Sequence[Job], uploaded: Uploaded | None) -> Sequence[Outcome]:
        outcomes = []
        for job in jobs:
            times = sum(earlier.key == job.key for earlier in self.sent)
            self.sent.append(job)
            self.messages.append(message)
            self.began.set()
            answer = self.answer(job, times)
            outcomes.append(await answer if isinstance(answer, Awaitable) else answer)
        return outcomes

    async def advance(self, message: Rendered, job: Job) -> Uploaded | Outcome:
        self.sent.append(job)
        return Accepted(f"advanced-{job.key}")

    async def find(self, message: Rendered, job: Job) -> Accepted | Absent | InDoubt:
        self.finds += 1
        return self.find_answer(job)

    async def edit(self, posted: Posted, message: Rendered, job: Job) -> Outcome:
        self.edited.append(posted)
        return Accepted(posted.id)

    async def delete(self, posted: Posted, job: Job) -> Outcome:
        return Accepted(posted.id)

    async def ready(self) -> Readiness:
        self.probes += 1
        return Readiness(self.is_ready, "Scripted.")

    def receipts(self, request: Received) -> Sequence[Receipt]:
        return ()

    def inbound(self, request: Received) -> Sequence[Inbound]:
        return ()

    def handshake(self, request: Received) -> str | None:
        return None

    async def close(self) -> None:
        return


async def until(condition: Callable[[], object], patience: float = 30.0) -> None:
    """Returns as soon as `condition` holds; the ledger gives no event to wait for."""
    async with asyncio.timeout(patience):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


def first(*outcomes: Outcome) -> Callable[[Job, int], Outcome]:
    """Answers each key with these in turn, then with Accepted."""
    return lambda job, times: outcomes[times] if times < len(outcomes) else Accepted(f"sms-{job.key}")


async def finished(dispatcher: Dispatcher, alert_id: str = "alert-1") -> None:
    """Returns when nothing of the alert is left to do, which must be soon."""
    async with asyncio.timeout(20):
        await dispatcher.finished(alert_id)


def phone(number: int) -> str:
    return f"+6281{number:09d}"


@dataclass
class Place:
    """One installation's ledger, with keys and a clock that every sender of it shares."""

    root: Path
    clock: MovableClock = field(default_factory=MovableClock)
    opened: list[Ledger] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.root.chmod(0o700)
        self.keys = StateKeys.open(self.root)
        self.ledger = self.open("console")

    def open(self, chain: str) -> Ledger:
        ledger = Ledger.open(self.root / "ledger.db", clock=self.clock, chain=chain)
        self.opened.append(ledger)
        return ledger

    def close(self) -> None:
        for ledger in self.opened:
            ledger.close()

    def subscribe(self, count: int) -> None:
        rows = [Row(n + 2, f"p{n}", (Address("phone", phone(n)),), None, (), ()) for n in range(count)]
        self.ledger.write(lambda write: people.import_people(write, rows, keys=self.keys))

    def open_addresses(self, ids: Sequence[int]) -> Mapping[int, Address]:
        sealed = self.ledger.read(lambda read: work.sealed_addresses(read, ids))
        return {
            id: self.keys.decrypt_address(found.key, found.ciphertext, aad=found.person_id.encode())
            for id, found in sealed.items()
            if found.key is not None
        }

    def dispatch(
        self,
        *channels: ScriptedChannel | str,
        id: str = "alert-1",
        code: str = "K7Q4",
        predecessor: str | None = None,
        life_at_stake: bool = True,
        deliver_within: float = 600.0,
        expires_within: float = 3600.0,
        following: Following | None = None,
        severity: cap.model.Severity = cap.model.Severity.SEVERE,
    ) -> str:
        """Puts an alert on record and dispatches it: to people on direct channels, in two languages on public ones."""
        named = [c if isinstance(c, ScriptedChannel) else ScriptedChannel(c) for c in channels]
        now = datetime.fromtimestamp(self.clock.wall() / 1000, UTC)
        kind = Kind.ALERT if predecessor is None else Kind.CORRECTION
        draft = _draft(id, now, now + timedelta(seconds=expires_within), severity)
        instances = tuple(
            PlannedInstance(
                name=channel.name,
                kind=channel.kind,
                family=channel.traits.family or PUBLIC,
                languages=("id", "en"),
                audience=Audience() if channel.traits.family and predecessor is None else None,
                deliver_by=self.clock.wall() + round(deliver_within * 1000),
                receipts=channel.traits.receipts,
            )
            for channel in named
        )
        plan = Plan(
            kind=kind,
            mode=Mode.DRILL,
            life_at_stake=life_at_stake,
            instances=instances,
            values={"id": {}, "en": {}},
            predecessor=predecessor,
            following=following or Following(),
        )

        def write(write: Any) -> None:
            alerts.insert_alert(
                write, id=id, code=code, kind=kind, mode=Mode.DRILL, draft=draft, by="siti", predecessor=predecessor
            )
            renderings.put(
                write,
                id,
                [
                    Rendered(id, c.name, language, c.kind, Mode.DRILL, f"{code}-{language.upper()}", "", "", code)
                    for c in named
                    for language in ("id", "en")
                ],
            )
            dispatches.begin(write, id, plan=plan, by="siti", allowed=("draft", "prepared"), proof={})

        self.ledger.write(write)
        return id

    def stop(self, id: str) -> None:
        self.ledger.write(lambda write: dispatches.stop(write, id, by="siti", signed=True))

    def words(self, id: str = "alert-1", instance: str = "sms") -> dict[str, int]:
        return self.ledger.read(lambda read: views.words(read, id, instance))

    def deliveries(self, id: str = "alert-1") -> list[views.Delivery]:
        return self.ledger.read(lambda read: views.deliveries(read, id))

    def attempts(self, id: str = "alert-1") -> list[views.Attempt]:
        return self.ledger.read(lambda read: views.attempts_of(read, id))

    def events(self, *types: str) -> list[views.Event]:
        return self.ledger.read(lambda read: views.events(read, types=types))

    def dispatcher(self, *channels: ScriptedChannel, **more: Any) -> Dispatcher:
        """A dispatcher over these channels with a ledger of its own; not started."""
        number = len(self.opened)
        return Dispatcher(
            ledger=self.open(f"sender-{number}"),
            clock=self.clock,
            channels={channel.name: channel for channel in channels},
            policy=more.pop("policy", POLICY),
            open_addresses=self.open_addresses,
            vouch=more.pop("vouch", lambda read, alert_id: None),
            chance=random.Random(number).random,
            role="test",
            sender=more.pop("sender", f"sender-{number}"),
            **more,
        )

    @contextlib.asynccontextmanager
    async def sending(self, *channels: ScriptedChannel, **more: Any) -> AsyncIterator[Dispatcher]:
        dispatcher = self.dispatcher(*channels, **more)
        await dispatcher.start()
        try:
            yield dispatcher
        finally:
            await dispatcher.close()


def _draft(id: str, now: datetime, expires: datetime, severity: cap.model.Severity) -> Draft:
    info = cap.Info(
        language="id-ID",
        categories=(cap.model.Category.GEO,),
        event="Gempa bumi",
        urgency=cap.model.Urgency.IMMEDIATE,
        severity=severity,
        certainty=cap.model.Certainty.OBSERVED,
        expires=expires,
    )
    alert = cap.Alert(
        identifier=id,
        sender="siaga@bpbd.example",
        sent=now,
        status=cap.model.Status.EXERCISE,
        msg_type=cap.model.MsgType.ALERT,
        scope=cap.model.Scope.PUBLIC,
        infos=(info,),
    )
    return Draft(hazard="earthquake", cap=alert, languages=("id", "en"))

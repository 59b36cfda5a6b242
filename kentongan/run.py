"""One instance's part of one alert: claim, intend, request, settle, until nothing of it is left to be done."""

from __future__ import annotations

import asyncio
import dataclasses
import logging
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field

from kentongan.clock import Clock, Milliseconds, to_datetime
from kentongan.delivery import Action, Phase
from kentongan.errors import LedgerUnavailable
from kentongan.ledger import Ledger, Write, claims, outcomes, senders, work
from kentongan.ledger.claims import Claimed, Intent
from kentongan.ledger.outcomes import Settled
from kentongan.pace import Pace
from kentongan.plan import PUBLIC, Plan, PlannedInstance
from kentongan.policy import Decision, Situation, after_find, after_send, backoff, before_repeat, covered
from kentongan.seam import (
    Accepted,
    Address,
    Channel,
    Credential,
    Handle,
    InDoubt,
    Job,
    Outcome,
    Pending,
    Posted,
    Rejected,
    Rendered,
    Retryable,
    Uploaded,
    Why,
)
from kentongan.settings import Policy

_log = logging.getLogger(__name__)

_FRESH: Milliseconds = 250
"""How old the epoch in memory may be when a request is written."""

_LEASE_MARGIN: Milliseconds = 1_000
_OVERTIME = 2.0
"""Seconds beyond the adapter's own deadline after which the core gives an attempt up as doubtful."""

_UPLOAD_PATIENCE: Milliseconds = 15_000
"""How long a message's words wait for its pictures."""

_LOOK_EVERY = 0.25
_STOPPING = "this sender was stopping"


class Gate:
    """What a sender checks right before it writes a request: epoch, deadline, and that it has not slept."""

    def __init__(self, ledger: Ledger, clock: Clock) -> None:
        self._ledger = ledger
        self._clock = clock
        self._epochs: dict[str, tuple[str, int, Milliseconds]] = {}
        self.beat_at: Milliseconds = clock.boot()

    def closed(self, alert_id: str, epoch: int, deliver_by: Milliseconds) -> str | None:
        """Why a request must not be written now; None when it may."""
        now = self._clock.boot()
        if now - self.beat_at > senders.LEASE - _LEASE_MARGIN:
            return "this sender slept through its lease"
        if self._clock.wall() >= deliver_by:
            return "too late to be of use"
        known = self._epochs.get(alert_id)
        if known is None or now - known[2] > _FRESH:
            state, current = self._ledger.read(lambda read: work.epochs(read, [alert_id]))[alert_id]
            known = self._epochs[alert_id] = (state, current, now)
        if known[0] != "dispatched" or known[1] != epoch:
            return "the alert was stopped"
        return None


@dataclass(slots=True)
class _Ready:
    """A delivery with leave to be sent, its message and its recipient."""

    claimed: Claimed
    intent: Intent
    to: Address | None


@dataclass(slots=True)
class InstanceRun:
    """The run of one (alert, instance) in this process. `run` returns when nothing is left, or when `halt` is set."""

    ledger: Ledger
    clock: Clock
    gate: Gate
    pace: Pace
    channel: Channel
    sender: str
    alert_id: str
    epoch: int
    plan: Plan
    messages: Mapping[str, Rendered]
    policy: Policy
    open_addresses: Callable[[Sequence[int]], Mapping[int, Address]]
    chance: Callable[[], float]
    woken: asyncio.Event = field(default_factory=asyncio.Event)
    halt: asyncio.Event = field(default_factory=asyncio.Event)
    _refused: set[int] = field(default_factory=set)
    _uploaded: dict[str, Uploaded] = field(default_factory=dict)
    _uploading: dict[str, Handle] = field(default_factory=dict)
    _upload_began: dict[str, Milliseconds] = field(default_factory=dict)
    _upload_tries: int = 0

    @property
    def _instance(self) -> PlannedInstance:
        return self.plan.instance(self.channel.name)

    @property
    def _public(self) -> bool:
        return self._instance.family == PUBLIC

    async def run(self, expanded: Callable[[], bool]) -> None:
        """Sends what is due and waits for what will be, until nothing is left and the plan is `expanded`."""
        limits = self.channel.limits
        ready: asyncio.Queue[list[_Ready]] = asyncio.Queue(maxsize=limits.concurrency)
        workers = [asyncio.create_task(self._work(ready)) for _ in range(limits.concurrency)]
        try:
            while not self.halt.is_set():
                self.woken.clear()
                whole = expanded()
                claimed = await self._claim()
                if claimed:
                    await self._feed(claimed, ready)
                    continue
                left = self.ledger.read(lambda read: work.outlook(read, self.alert_id, self.channel.name))
                if not left.open and whole:
                    break
                await self._sleep(left.next_due)
        finally:
            await self._drain(ready, workers)

    async def _drain(self, ready: asyncio.Queue[list[_Ready]], workers: Sequence[asyncio.Task[None]]) -> None:
        """Lets requests in flight end and records their outcome; what was not begun is recorded as not sent."""
        unsent: list[_Ready] = []
        while not ready.empty():
            unsent.extend(ready.get_nowait())
        for worker in workers:
            worker.cancel()
        await asyncio.gather(*workers, return_exceptions=True)
        if unsent:
            await self._note_unsent(unsent, _STOPPING)

    async def _claim(self) -> list[Claimed]:
        limits = self.channel.limits
        most = max(1, min(int(limits.rate * senders.LEASE / 1000 / 2), 50 * limits.concurrency))
        return await self.ledger.write_soon(
            lambda write: claims.claim(
                write, sender=self.sender, alert_id=self.alert_id, instance=self.channel.name, most=most
            )
        )

    async def _sleep(self, next_due: Milliseconds | None) -> None:
        wait = _LOOK_EVERY
        # What is due already and was not claimed is held, or too late: only a wake or time will change that.
        if next_due is not None and (ahead := next_due - self.clock.wall()) > 0:
            wait = min(wait, ahead / 1000)
        try:
            async with asyncio.timeout(max(wait, 0.01)):
                await self.woken.wait()
        except TimeoutError:
            pass

    async def _pause(self, seconds: float) -> bool:
        """Waits, but no longer than until `halt`; True where that is set."""
        try:
            async with asyncio.timeout(seconds):
                await self.halt.wait()
        except TimeoutError:
            return False
        return True

    # --- Feeding: from claims to intents, never more than one batch ahead ---

    async def _feed(self, claimed: list[Claimed], ready: asyncio.Queue[list[_Ready]]) -> None:
        left = {item.id: item for item in claimed}
        try:
            await self._look_up(claimed, left)
            await self._hand_out([c for c in claimed if c.action in (Action.SEND, Action.ADVANCE)], left, ready)
        finally:
            # Whatever ended this: no row stays reserved by a sender that will not come back to it.
            if left:
                await self._release(list(left.values()))

    async def _look_up(self, claimed: Sequence[Claimed], left: dict[int, Claimed]) -> None:
        for item in claimed:
            if item.action not in (Action.FIND, Action.EDIT):
                continue
            if self.halt.is_set() or not await self.pace.take(1, self.halt):
                return
            await (self._find(item) if item.action is Action.FIND else self._edit(item))
            del left[item.id]

    async def _hand_out(
        self, sends: Sequence[Claimed], left: dict[int, Claimed], ready: asyncio.Queue[list[_Ready]]
    ) -> None:
        for first in {c.language: c for c in sends}.values():
            while (wait := await self._upload(first)) is not None:
                if await self._pause(wait):
                    return
        ids = [c.address_id for c in sends if c.address_id is not None]
        addresses = await asyncio.to_thread(self.open_addresses, ids) if ids else {}
        batch = self.channel.traits.batch
        position = 0
        while position < len(sends) and not self.halt.is_set():
            granted = await self.pace.take(max(1, self.channel.limits.concurrency - ready.qsize()), self.halt)
            if not granted:
                return
            chunk = sends[position : position + granted * batch]
            position += len(chunk)
            before = len(left)
            chunk = await self._reconsider(chunk, left)
            async for group in self._intend(chunk, addresses):
                for item in group:
                    del left[item.claimed.id]
                for start in range(0, len(group), batch):
                    await ready.put(group[start : start + batch])
            if len(left) == before:
                # Stopped, held or too late: the next claim will tell.
                return

    async def _reconsider(self, sends: Sequence[Claimed], left: dict[int, Claimed]) -> list[Claimed]:
        """Leaves out the repeats that may no longer go, and plans what is to be done instead; returns the others."""
        now = self.clock.wall()
        others: list[tuple[Claimed, Decision]] = []
        for item in sends:
            first_at = item.first_intent_at or now
            intent = Intent(item.id, item.attempt, item.last_intent_at or first_at, first_at)
            decision = before_repeat(self._situation(item, intent, None), self.policy)
            if decision is not None:
                others.append((item, decision))
        if not others:
            return list(sends)

        def replan(write: Write) -> None:
            for item, decision in others:
                outcomes.reconsider(write, sender=self.sender, claimed=item, decision=decision)

        await self.ledger.write_soon(replan)
        for item, _ in others:
            del left[item.id]
        return [item for item in sends if item.id in left]

    async def _release(self, unsent: Sequence[Claimed]) -> None:
        ids = [c.id for c in unsent]
        await self.ledger.write_soon(lambda write: claims.release(write, sender=self.sender, deliveries=ids), must=True)

    async def _intend(self, chunk: Sequence[Claimed], addresses: Mapping[int, Address]) -> AsyncIterator[list[_Ready]]:
        """Commits the intents of a chunk, grouped by language and step; yields what came back."""
        groups: dict[tuple[str, Action, bool], list[Claimed]] = {}
        for item in chunk:
            irreversible = item.action is Action.SEND or (item.handle or {}).get("irreversible_next") != "no"
            groups.setdefault((item.language, item.action, irreversible), []).append(item)
        for (_, _, irreversible), items in groups.items():
            phase = Phase.IRREVERSIBLE if irreversible else Phase.REVERSIBLE
            now = self.clock.wall() + round(self.channel.limits.deadline * 1000)
            safe = [
                c.id
                for c in items
                if c.first_intent_at is not None and covered(self.channel.traits, c.first_intent_at, now)
            ]
            ids = [c.id for c in items]
            intents = await self.ledger.write_soon(
                lambda write, ids=ids, phase=phase, safe=safe: claims.intend(  # type: ignore[misc]
                    write, sender=self.sender, deliveries=ids, phase=phase, covered=safe
                )
            )
            by_id = {intent.delivery: intent for intent in intents}
            yield [
                _Ready(c, by_id[c.id], addresses.get(c.address_id) if c.address_id is not None else None)
                for c in items
                if c.id in by_id
            ]

    # --- One request ---

    async def _work(self, ready: asyncio.Queue[list[_Ready]]) -> None:
        while True:
            batch = await ready.get()
            act = self._note_unsent(batch, _STOPPING) if self.halt.is_set() else self._attempt(batch)
            # A request that has begun is never torn up: its outcome is recorded even when this task is cancelled.
            task = asyncio.create_task(act)
            try:
                await asyncio.shield(task)
            except asyncio.CancelledError:
                await task
                raise
            except Exception:
                # Its rows stay in `sending` and are in doubt once this sender has ended.
                _log.exception("outcome not recorded", extra={"instance": self.channel.name})

    async def _attempt(self, batch: list[_Ready]) -> None:
        first = batch[0].claimed
        try:
            why = self.gate.closed(self.alert_id, self.epoch, min(item.claimed.deliver_by for item in batch))
        except LedgerUnavailable:
            why = "the ledger could not be read"
        if why is not None:
            await self._note_unsent(batch, why)
            return
        message = self.messages.get(first.language)
        answers: Sequence[Outcome]
        if message is None:
            answers = [Rejected("no rendering in this language", Why.PAYLOAD)] * len(batch)
        elif not self._public and any(item.to is None for item in batch):
            answers = [Rejected("the person was erased", Why.ADDRESS)] * len(batch)
        else:
            answers = await self._request(message, batch)
        await self._settle(batch, answers)

    async def _request(self, message: Rendered, batch: Sequence[_Ready]) -> Sequence[Outcome]:
        jobs = [self._job(item.claimed, item.intent.first_at, item.to) for item in batch]
        try:
            async with asyncio.timeout(self.channel.limits.deadline + _OVERTIME):
                if batch[0].claimed.action is Action.ADVANCE:
                    advanced = await self.channel.advance(message, jobs[0])
                    if isinstance(advanced, Uploaded):
                        return [InDoubt("the adapter answered a send with an upload")]
                    return [advanced]
                answers = await self.channel.send(message, jobs, self._uploaded.get(message.language))
        except TimeoutError:
            return [InDoubt("no answer within the deadline")] * len(jobs)
        except Exception as error:
            # Only the type is logged: the text of a foreign exception may hold an address or a secret.
            _log.error("adapter raised", extra={"instance": self.channel.name, "error": type(error).__name__})
            return [InDoubt(f"the adapter failed with {type(error).__name__}")] * len(jobs)
        if len(answers) != len(jobs):
            return [InDoubt("the adapter answered for another number of messages")] * len(jobs)
        return answers

    async def _upload(self, claimed: Claimed) -> float | None:
        """Puts a message's media at the provider before anything irreversible is intended, once a language.

        Returns None when the message may go on, else the seconds after which to try again. Media alone reach nobody,
        so a doubtful step is simply repeated. Words never fail for want of a picture: what is refused, or not there in
        time, is left out, and that is put on record.
        """
        message = self.messages.get(claimed.language)
        if message is None or not message.media or not self.channel.traits.upload:
            return None
        if claimed.language in self._uploaded:
            return None
        began = self._upload_began.setdefault(claimed.language, self.clock.boot())
        job = self._job(claimed, self.clock.wall(), None)
        try:
            async with asyncio.timeout(self.channel.limits.deadline + _OVERTIME):
                handle = self._uploading.pop(claimed.language, None)
                if handle is None:
                    answer = await self.channel.upload(message)
                else:
                    answer = await self.channel.advance(message, dataclasses.replace(job, handle=handle))
        except Exception as error:
            answer = Retryable(f"the upload failed with {type(error).__name__}")
        if isinstance(answer, Uploaded):
            self._uploaded[claimed.language] = answer
            return None
        left = (began + _UPLOAD_PATIENCE - self.clock.boot()) / 1000
        if left > 0 and isinstance(answer, Pending):
            self._uploading[claimed.language] = answer.handle
            return min(answer.check_after, left)
        if left > 0 and isinstance(answer, Retryable | InDoubt):
            self._upload_tries += 1
            after = answer.after if isinstance(answer, Retryable) else None
            return min(max(after or 0.0, backoff(self._upload_tries, self.chance(), self.policy)), left)
        await self._leave_pictures_out(claimed.language, getattr(answer, "reason", "not ready in time"))
        return None

    async def _leave_pictures_out(self, language: str, reason: str) -> None:
        self._uploaded[language] = Uploaded({})
        await self.ledger.write_soon(
            lambda write: write.event(
                "instance.without_pictures",
                alert=self.alert_id,
                instance=self.channel.name,
                language=language,
                reason=reason,
            ),
            must=True,
        )

    def _job(self, claimed: Claimed, first_at: Milliseconds, to: Address | None) -> Job:
        values = dict(self.plan.values.get(claimed.language, {}))
        values["validity_minutes"] = str(max(1, (claimed.deliver_by - self.clock.wall()) // 60_000))
        handle = None
        if claimed.handle is not None:
            handle = {name: value for name, value in claimed.handle.items() if name != "irreversible_next"}
        return Job(key=claimed.key, to=to, since=to_datetime(first_at), values=values, handle=handle)

    # --- Outcomes ---

    async def _settle(self, batch: Sequence[_Ready], answers: Sequence[Outcome]) -> None:
        settled = []
        for item, answer in zip(batch, answers, strict=True):
            decision = after_send(answer, self._situation(item.claimed, item.intent, answer), self.policy)
            follows = item.claimed.follows is not None and self.plan.kind.takes_back
            if isinstance(answer, Accepted) and follows and self.channel.traits.edit:
                decision = _then_edit(decision, self.clock.wall())
            if isinstance(answer, Retryable) and answer.after is not None:
                self.pace.pause(answer.after)
            self._watch_refusals(item, answer)
            settled.append(
                Settled(
                    delivery=item.claimed.id,
                    attempt=item.intent.attempt,
                    decision=decision,
                    provider_id=answer.id if isinstance(answer, Accepted) else "",
                    url=answer.url if isinstance(answer, Accepted) else "",
                    handle=_handle(answer),
                )
            )
        hold = next((s.decision.detail for s in settled if s.decision.hold), None)
        if hold is None and len(self._refused) >= self.policy.refused_in_row:
            hold = f"{len(self._refused)} different people were refused in a row"
            self._refused.clear()

        def record(write: Write) -> None:
            outcomes.settle(write, sender=self.sender, outcomes=settled)
            if hold is not None:
                senders.hold(write, instance=self.channel.name, reason=hold)

        await self.ledger.write_soon(record, must=True)
        self.woken.set()

    def _situation(self, claimed: Claimed, intent: Intent, answer: object) -> Situation:
        return Situation(
            traits=self.channel.traits,
            public=self._public,
            life_at_stake=self.plan.life_at_stake,
            tries=intent.attempt,
            doubts=claimed.doubts + isinstance(answer, InDoubt),
            intent_at=intent.at,
            first_intent_at=intent.first_at,
            deadline=self.channel.limits.deadline,
            deliver_by=claimed.deliver_by,
            now=self.clock.wall(),
            chance=self.chance(),
        )

    def _watch_refusals(self, item: _Ready, answer: Outcome) -> None:
        if isinstance(answer, Accepted):
            self._refused.clear()
        elif isinstance(answer, Rejected) and not self._public:
            self._refused.add(item.claimed.id)

    async def _note_unsent(self, batch: Sequence[_Ready], why: str) -> None:
        intents = [item.intent for item in batch]
        await self.ledger.write_soon(lambda write: outcomes.note_unsent(write, intents=intents, why=why), must=True)
        self.woken.set()

    # --- Look-ups and marks on earlier messages ---

    async def _find(self, claimed: Claimed) -> None:
        message = self.messages.get(claimed.language)
        first_at = claimed.first_intent_at or self.clock.wall()
        to = None
        if claimed.address_id is not None:
            to = (await asyncio.to_thread(self.open_addresses, [claimed.address_id])).get(claimed.address_id)
        try:
            async with asyncio.timeout(self.channel.limits.deadline + _OVERTIME):
                if message is None:
                    raise LookupError
                answer = await self.channel.find(message, self._job(claimed, first_at, to))
        except Exception as error:
            answer = InDoubt(f"the look-up failed with {type(error).__name__}")
        intent = Intent(claimed.id, claimed.attempt, claimed.last_intent_at or first_at, first_at)
        decision = after_find(answer, self._situation(claimed, intent, None), self.policy)
        found = answer if isinstance(answer, Accepted) else Accepted("")
        await self.ledger.write_soon(
            lambda write: outcomes.settle_find(
                write,
                sender=self.sender,
                claimed=claimed,
                decision=decision,
                provider_id=found.id,
                url=found.url,
            ),
            must=True,
        )

    async def _edit(self, claimed: Claimed) -> None:
        """Marks what the same recipient had of the thread before; repeated whole where one of them did not end."""
        message = self.messages.get(claimed.language)
        earlier = self.ledger.read(lambda read: work.posted(read, claimed.id))
        again_at: Milliseconds | None = None
        details = []
        if not earlier or message is None:
            details.append("nothing to mark: the earlier message is not known to be there")
        else:
            to = None
            if claimed.address_id is not None:
                to = (await asyncio.to_thread(self.open_addresses, [claimed.address_id])).get(claimed.address_id)
            job = self._job(claimed, claimed.first_intent_at or self.clock.wall(), to)
            for posted in earlier:
                detail, wait = await self._mark(Posted(*posted), message, job, claimed.attempt)
                details.append(detail)
                if wait is not None:
                    later = self.clock.wall() + round(wait * 1000)
                    again_at = max(again_at or later, later) if later < claimed.deliver_by else again_at
        await self.ledger.write_soon(
            lambda write: outcomes.settle_edit(
                write, sender=self.sender, claimed=claimed, detail="; ".join(dict.fromkeys(details)), again_at=again_at
            ),
            must=True,
        )

    async def _mark(self, posted: Posted, message: Rendered, job: Job, tries: int) -> tuple[str, float | None]:
        """Marks one earlier message; returns what came of it, and the seconds after which to try again if it may."""
        try:
            async with asyncio.timeout(self.channel.limits.deadline + _OVERTIME):
                answer = await self.channel.edit(posted, message, job)
        except Exception as error:
            answer = InDoubt(f"the edit failed with {type(error).__name__}")
        if isinstance(answer, Accepted):
            return "marked as withdrawn", None
        if isinstance(answer, Retryable | InDoubt | Pending):
            # An edit to the same words may be repeated without harm.
            wait = backoff(tries + 1, self.chance(), self.policy)
            return getattr(answer, "reason", "not finished"), max(wait, getattr(answer, "after", None) or 0.0)
        assert isinstance(answer, Rejected | Credential)
        return f"could not be marked: {answer.reason}", None


def _handle(answer: Outcome) -> Mapping[str, str] | None:
    if not isinstance(answer, Pending):
        return None
    return {**answer.handle, "irreversible_next": "yes" if answer.irreversible_next else "no"}


def _then_edit(decision: Decision, now: Milliseconds) -> Decision:
    """After what takes an earlier message back was accepted, that one is marked as well."""
    return Decision(decision.evidence, decision.reason, decision.detail, Action.EDIT, now)

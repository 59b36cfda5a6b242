"""The requests of one run: each is written once its last look allows it, and what it shows goes to the recorder."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence

from kentongan.clock import Milliseconds
from kentongan.delivery import Action
from kentongan.dispatcher.pace import Pace
from kentongan.dispatcher.part import Part
from kentongan.dispatcher.recorder import Recorder, Shown
from kentongan.dispatcher.uploads import Uploads
from kentongan.errors import LedgerUnavailable
from kentongan.ledger.claims import Claimed, Intent
from kentongan.ledger.outcomes import Settled
from kentongan.policy import Decision, after_send, at_once
from kentongan.quick_dataclass import dataclass
from kentongan.seam import (
    Accepted,
    Address,
    InDoubt,
    Outcome,
    Pending,
    Rejected,
    Rendered,
    Retryable,
    Uploaded,
    Why,
)

_log = logging.getLogger(__name__)

_STOPPING = "this sender was stopping"
_HELD = "the channel is held"
_PAUSED = "the provider asked for a pause"

_AHEAD = 2
"""Requests that may wait with their intent committed, for each that may be in flight.

With those in flight, and as many that are over and not yet recorded, they are what a crash leaves in doubt.
"""

_ERASED = Rejected("the person was erased", Why.ADDRESS)
_UNRENDERED = Rejected("no rendering in this language", Why.PAYLOAD)
"""Refusals of our own, which say nothing of the provider."""


@dataclass(frozen=True, slots=True)
class Ready:
    """A delivery with leave to be sent, and its recipient; `intended`: boot time before that leave was asked for."""

    claimed: Claimed
    intent: Intent
    to: Address | None
    intended: Milliseconds


class Requests:
    """Sends what is handed in, as many at once as the instance allows, and sets `woken` when an outcome is in.

    Once `halt` is set it begins none.
    """

    def __init__(self, part: Part, *, pace: Pace, uploads: Uploads, woken: asyncio.Event, halt: asyncio.Event) -> None:
        self._part = part
        self._pace = pace
        self._uploads = uploads
        self._halt = halt
        self._refused: set[int] = set()
        self._barred = False
        at_once = part.channel.limits.concurrency
        self._recorder = Recorder(part, most=at_once, woken=woken)
        self._queue: asyncio.Queue[list[Ready] | None] = asyncio.Queue(maxsize=_AHEAD * at_once)
        self._half_empty = asyncio.Event()
        self._workers: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begins to send."""
        self._recorder.start()
        self._workers = [asyncio.create_task(self._work()) for _ in range(self._part.channel.limits.concurrency)]

    async def room(self) -> int:
        """Waits until half of what may wait has been begun; returns how many batches more may be handed in.

        Intents are committed by the dozen, not one after each request.
        """
        while (room := self._queue.maxsize - self._queue.qsize()) < self._queue.maxsize / 2:
            self._half_empty.clear()
            await self._half_empty.wait()
        return room

    async def put(self, batch: list[Ready]) -> None:
        """Hands one request in; waits for room."""
        await self._queue.put(batch)

    async def drain(self) -> None:
        """Lets requests in flight end and records their outcome; what was not begun is recorded as not sent."""
        unsent: list[Ready] = []
        while not self._queue.empty():
            unsent.extend(self._queue.get_nowait() or ())
        for _ in self._workers:
            self._queue.put_nowait(None)
        # A request that has begun is never torn up: nobody cancels a worker.
        await asyncio.gather(*self._workers)
        if unsent:
            await self._note_unsent(unsent, _STOPPING)
        await self._recorder.close()

    async def _work(self) -> None:
        while (batch := await self._queue.get()) is not None:
            self._half_empty.set()
            try:
                await (self._note_unsent(batch, _STOPPING) if self._halt.is_set() else self._attempt(batch))
            except Exception:
                # Its rows stay in `sending` and are in doubt once this sender has ended.
                _log.exception("outcome not understood", extra={"instance": self._part.channel.name})

    async def _attempt(self, batch: list[Ready]) -> None:
        part, first = self._part, batch[0].claimed
        if self._barred:
            await self._note_unsent(batch, _HELD)
            return
        if self._pace.paused:
            await self._note_unsent(batch, _PAUSED)
            return
        try:
            deliver_by = min(item.claimed.deliver_by for item in batch)
            intended = min(item.intended for item in batch)
            why = part.sender.gate.closed(part.alert_id, part.epoch, deliver_by, intended=intended)
        except LedgerUnavailable:
            why = "the ledger could not be read"
        if why is not None:
            await self._note_unsent(batch, why)
            return
        message = part.messages.get(first.language)
        if message is None:
            await self._settle(batch, [_UNRENDERED] * len(batch))
            return
        there = batch if part.public else [item for item in batch if item.to is not None]
        answers: dict[int, Outcome] = {}
        if there:
            requested = await self._request(message, there)
            answers = {item.claimed.id: answer for item, answer in zip(there, requested, strict=True)}
        await self._settle(batch, [answers.get(item.claimed.id, _ERASED) for item in batch])

    async def _request(self, message: Rendered, batch: Sequence[Ready]) -> Sequence[Outcome]:
        channel = self._part.channel
        jobs = [self._part.job(item.claimed, item.intent.first_at, item.to) for item in batch]
        try:
            async with asyncio.timeout(self._part.patience):
                if batch[0].claimed.action is Action.ADVANCE:
                    advanced = await channel.advance(message, jobs[0])
                    if isinstance(advanced, Uploaded):
                        return [InDoubt("the adapter answered a send with an upload")]
                    return [advanced]
                answers = await channel.send(message, jobs, self._uploads.of(message.language))
        except TimeoutError:
            return [InDoubt("no answer within the deadline")] * len(jobs)
        except Exception as error:
            # Only the type is logged: the text of a foreign exception may hold an address or a secret.
            _log.error("adapter raised", extra={"instance": channel.name, "error": type(error).__name__})
            return [InDoubt(f"the adapter failed with {type(error).__name__}")] * len(jobs)
        if len(answers) != len(jobs):
            return [InDoubt("the adapter answered for another number of messages")] * len(jobs)
        return answers

    async def _settle(self, batch: Sequence[Ready], answers: Sequence[Outcome]) -> None:
        part, sender = self._part, self._part.sender
        settled = []
        for item, answer in zip(batch, answers, strict=True):
            decision = at_once(answer) or after_send(
                answer, part.situation(item.claimed, item.intent, answer), sender.policy
            )
            follows = item.claimed.follows is not None and part.plan.kind.takes_back
            if isinstance(answer, Accepted) and follows and part.channel.traits.edit:
                decision = _then_edit(decision, sender.clock.wall())
            if isinstance(answer, Retryable) and answer.throttled:
                self._pace.throttled(answer.after)
            elif isinstance(answer, Accepted):
                self._pace.accepted()
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
        if hold is None and len(self._refused) >= sender.policy.refused_in_row:
            hold = f"{len(self._refused)} different people were refused in a row"
            self._refused.clear()

        # What has its intent already is not to run into the same refusal while the hold is on its way to the ledger.
        self._barred = self._barred or hold is not None
        await self._recorder.put(Shown(settled=tuple(settled), hold=hold))
        if hold is not None:
            self._barred = False

    def _watch_refusals(self, item: Ready, answer: Outcome) -> None:
        if isinstance(answer, Accepted):
            self._refused.clear()
        elif isinstance(answer, Rejected) and not self._part.public and answer not in (_ERASED, _UNRENDERED):
            self._refused.add(item.claimed.id)

    async def _note_unsent(self, batch: Sequence[Ready], why: str) -> None:
        await self._recorder.put(Shown(unsent=tuple(item.intent for item in batch), why=why))


def _handle(answer: Outcome) -> Mapping[str, str] | None:
    if not isinstance(answer, Pending):
        return None
    return {**answer.handle, "irreversible_next": "yes" if answer.irreversible_next else "no"}


def _then_edit(decision: Decision, now: Milliseconds) -> Decision:
    """After what takes an earlier message back was accepted, that one is marked as well."""
    return Decision(decision.evidence, decision.reason, decision.detail, Action.EDIT, now)

"""One instance's part of one alert: claim, intend, request, settle, until nothing of it is left to be done."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence

from kentongan.clock import Milliseconds
from kentongan.delivery import Action, Phase
from kentongan.dispatcher import earlier
from kentongan.dispatcher.pace import Pace
from kentongan.dispatcher.part import Part
from kentongan.dispatcher.requests import Ready, Requests
from kentongan.dispatcher.uploads import Uploads
from kentongan.errors import LedgerUnavailable
from kentongan.ledger import Write, claims, outcomes, senders, work
from kentongan.ledger.claims import Claimed, Intent
from kentongan.policy import Decision, before_repeat, covered
from kentongan.seam import Address

_LOOK_EVERY = 0.25

_UNHEARD = "the ledger took its intent and did not come to say so"

_AHEAD, _AHEAD_SHARED = 50, 16
"""Deliveries claimed at once for each request that may be in flight."""


class Run:
    """The run of one (alert, instance) in this process. `run` returns when nothing is left, or when `halt` is set.

    Set `woken` to let it look at the ledger at once. `shared`: other senders may be at it too, so it claims what it
    sends in a moment: they find their share at the end as well, and little waits for a lease where it ends.
    """

    def __init__(self, part: Part, pace: Pace, *, shared: bool = False) -> None:
        self.woken = asyncio.Event()
        self.halt = asyncio.Event()
        self._part = part
        self._sender = part.sender
        self._channel = part.channel
        self._pace = pace
        self._ahead = _AHEAD_SHARED if shared else _AHEAD
        self._uploads = Uploads(part)
        self._requests = Requests(part, pace=pace, uploads=self._uploads, woken=self.woken, halt=self.halt)

    async def run(self, expanded: Callable[[], bool]) -> None:
        """Sends what is due and waits for what will be, until nothing is left and the plan is `expanded`."""
        alert_id, instance = self._part.alert_id, self._channel.name
        self._requests.start()
        try:
            while not self.halt.is_set():
                self.woken.clear()
                whole = expanded()
                claimed = await self._claim()
                if claimed:
                    await self._feed(claimed)
                    continue
                left = self._sender.ledger.read(lambda read: work.outlook(read, alert_id, instance))
                if not left.open and whole:
                    break
                await self._sleep(left.next_due)
        finally:
            await self._requests.drain()

    async def _claim(self) -> list[Claimed]:
        limits = self._channel.limits
        most = max(1, min(int(limits.rate * senders.LEASE / 1000 / 2), self._ahead * limits.concurrency))
        part = {"sender": self._sender.name, "alert_id": self._part.alert_id, "instance": self._channel.name}
        try:
            return await self._sender.ledger.write_soon(
                lambda write: claims.claim(write, **part, most=most), beside=True
            )
        except LedgerUnavailable:
            # A database may have committed it and not come to say so; nothing else is claimed at this moment.
            await self._sender.ledger.write_soon(
                lambda write: claims.release_part(write, **part), must=True, beside=True
            )
            raise

    async def _sleep(self, next_due: Milliseconds | None) -> None:
        wait = _LOOK_EVERY
        # What is due already and was not claimed is held, or too late: only a wake or time will change that.
        if next_due is not None and (ahead := next_due - self._sender.clock.wall()) > 0:
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

    async def _feed(self, claimed: list[Claimed]) -> None:
        left = {item.id: item for item in claimed}
        try:
            await self._look_up(claimed, left)
            await self._hand_out([c for c in claimed if c.action in (Action.SEND, Action.ADVANCE)], left)
        finally:
            # Whatever ended this: no row stays reserved by a sender that will not come back to it.
            if left:
                await self._release(list(left.values()))

    async def _look_up(self, claimed: Sequence[Claimed], left: dict[int, Claimed]) -> None:
        for item in claimed:
            if item.action not in (Action.FIND, Action.EDIT):
                continue
            if self.halt.is_set() or not await self._pace.take(1, self.halt):
                return
            act = earlier.find if item.action is Action.FIND else earlier.mark
            await act(self._part, item)
            del left[item.id]

    async def _hand_out(self, sends: Sequence[Claimed], left: dict[int, Claimed]) -> None:
        for first in {c.language: c for c in sends}.values():
            while (wait := await self._uploads.step(first)) is not None:
                if await self._pause(wait):
                    return
        addresses = await self._part.addresses([c.address_id for c in sends if c.address_id is not None])
        batch = self._channel.traits.batch
        position = 0
        while position < len(sends) and not self.halt.is_set():
            granted = await self._pace.take(await self._requests.room(), self.halt)
            if not granted:
                return
            chunk = sends[position : position + granted * batch]
            position += len(chunk)
            before = len(left)
            chunk = await self._reconsider(chunk, left)
            for group in await self._intend(chunk, addresses):
                for item in group:
                    del left[item.claimed.id]
                for start in range(0, len(group), batch):
                    await self._requests.put(group[start : start + batch])
            if len(left) == before:
                # Stopped, held or too late: the next claim will tell.
                return

    async def _reconsider(self, sends: Sequence[Claimed], left: dict[int, Claimed]) -> list[Claimed]:
        """Leaves out the repeats that may no longer go, and plans what is to be done instead; returns the others."""
        now = self._sender.clock.wall()
        others: list[tuple[Claimed, Decision]] = []
        for item in (each for each in sends if each.attempt):
            first_at = item.first_intent_at or now
            intent = Intent(item.id, item.attempt, item.last_intent_at or first_at, first_at)
            decision = before_repeat(self._part.situation(item, intent, None), self._sender.policy)
            if decision is not None:
                others.append((item, decision))
        if not others:
            return list(sends)

        await self._sender.ledger.write_soon(
            lambda write: outcomes.reconsider(write, sender=self._sender.name, instead=others), beside=True
        )
        for item, _ in others:
            del left[item.id]
        return [item for item in sends if item.id in left]

    async def _release(self, unsent: Sequence[Claimed]) -> None:
        """Gives back what was handed to no request, also where its intent was committed and nobody came to say so."""
        sender, ids = self._sender.name, [c.id for c in unsent]

        def release(write: Write) -> None:
            claims.release(write, sender=sender, deliveries=ids)
            if intents := claims.unheard(write, sender=sender, claimed=unsent):
                outcomes.note_unsent(write, intents=intents, why=_UNHEARD)

        await self._sender.ledger.write_soon(release, must=True, beside=True)

    async def _intend(self, chunk: Sequence[Claimed], addresses: Mapping[int, Address]) -> list[list[Ready]]:
        """Commits the intents of a chunk, all at once; returns what came back, grouped by language and step."""
        groups: dict[tuple[str, Action, Phase], list[Claimed]] = {}
        for item in chunk:
            irreversible = item.action is Action.SEND or (item.handle or {}).get("irreversible_next") != "no"
            phase = Phase.IRREVERSIBLE if irreversible else Phase.REVERSIBLE
            groups.setdefault((item.language, item.action, phase), []).append(item)
        until = self._sender.clock.wall() + round(self._channel.limits.deadline * 1000)
        safe = [
            item.id
            for item in chunk
            if item.first_intent_at is not None and covered(self._channel.traits, item.first_intent_at, until)
        ]
        phases: dict[Phase, list[int]] = {}
        for (_, _, phase), items in groups.items():
            phases.setdefault(phase, []).extend(item.id for item in items)

        def intend(write: Write) -> list[Intent]:
            return [
                intent
                for phase, ids in phases.items()
                for intent in claims.intend(write, sender=self._sender.name, deliveries=ids, phase=phase, covered=safe)
            ]

        asked = self._sender.clock.boot()
        intents = {intent.delivery: intent for intent in await self._sender.ledger.write_soon(intend, beside=True)}

        def ready(item: Claimed) -> Ready:
            to = addresses.get(item.address_id) if item.address_id is not None else None
            return Ready(item, intents[item.id], to, asked)

        return [[ready(item) for item in items if item.id in intents] for items in groups.values()]

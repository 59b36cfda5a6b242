"""How the runs of a dispatch are begun: by their tasks in Prefect, and without them once those take too long."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from dataclasses import field

from kentongan import waves
from kentongan.clock import Milliseconds, Process
from kentongan.dispatcher.owned import OwnedDispatch
from kentongan.dispatcher.paces import Paces
from kentongan.dispatcher.part import Part, Sender
from kentongan.dispatcher.run import Run
from kentongan.dispatcher.usable import Usable
from kentongan.errors import KentonganError
from kentongan.ledger import Read, Write, dispatches, renderings, senders, views
from kentongan.quick_dataclass import dataclass

_log = logging.getLogger(__name__)

BUDGET: Milliseconds = 1_000
"""How long after the dispatch row an instance may wait for its task in Prefect before it is started without."""

TOO_LONG = "direct, the orchestration took too long"
"""What the record says of an instance that was started without, because the budget was spent."""


_NOWHERE = (
    "no process that sends has such a channel in its config; see that `kentongan check` finds it there, then start"
    " `kentongan serve` or `kentongan worker` anew"
)

_LOOK = 1.0
"""Seconds until it is looked again whether somebody else still sends on a channel."""


@dataclass(frozen=True, slots=True)
class Starter:
    """Begins the runs of a sender, one for each instance of a dispatch, until `closing` is set.

    `shared`: other senders may send of the same dispatch. `stays`: it is there for any alert; one that is not hands its
    own on to who is, and can send where it cannot. `orchestrate` shows a dispatch in Prefect; whatever it does,
    every instance is started within BUDGET.
    """

    sender: Sender
    process: Process
    channels: Usable
    paces: Paces
    shared: bool
    stays: bool
    orchestrate: Callable[[str], Awaitable[None]] | None
    closing: asyncio.Event
    _wanted_since: dict[str, Milliseconds] = field(default_factory=dict)

    async def start_all(self, owned: OwnedDispatch, *, orchestrated: bool) -> None:
        """Shows the dispatch in Prefect and, when the budget is spent or Prefect fails, starts what has not begun.

        `orchestrated`: it is being shown already.
        """
        if self.orchestrate is not None and not orchestrated:
            shown = owned.spawn(self._orchestrate(owned.alert_id, self.orchestrate))
            await asyncio.wait([shown], timeout=self._left(owned))
            through = TOO_LONG if not shown.done() else "direct"
        elif orchestrated:
            await asyncio.sleep(self._left(owned))
            through = TOO_LONG
        else:
            through = "direct, without orchestration"
        for instance in waves.ordered(owned.plan.instances):
            self.begin(owned, instance.name, through)

    def begin(self, owned: OwnedDispatch, instance: str, through: str) -> None:
        """Begins the run of an instance, unless it goes on already; `through` says for the record by what way."""
        running = owned.runs.get(instance)
        if (running is not None and not running.done()) or owned.left or self.closing.is_set():
            return
        owned.runs[instance] = asyncio.create_task(self._run(owned, instance, through, first=running is None))

    def _left(self, owned: OwnedDispatch) -> float:
        return max(0.0, min(BUDGET, owned.at + BUDGET - self.sender.clock.wall()) / 1000)

    async def _orchestrate(self, alert_id: str, orchestrate: Callable[[str], Awaitable[None]]) -> None:
        try:
            await orchestrate(alert_id)
        except asyncio.CancelledError:
            raise
        except Exception as error:
            # The text of a foreign exception may hold a secret; our own sentences hold none.
            name, why = type(error).__name__, str(error) if isinstance(error, KentonganError) else ""
            _log.warning("orchestration lost", extra={"alert": alert_id, "error": name})
            await self.sender.ledger.write_soon(
                lambda write: write.event("orchestration.lost", alert=alert_id, error=name, why=why), must=True
            )

    async def _run(self, owned: OwnedDispatch, instance: str, through: str, *, first: bool) -> None:
        ledger, channel = self.sender.ledger, self.channels.get(instance)
        if channel is None:
            if self.stays or not await self._hand_on(owned, instance):
                await self._leave_to_others(instance)
            return
        pace = self.paces.of(owned, channel)
        pace.prepare()
        if first and owned.ours:
            await ledger.write_soon(lambda write: _record_start(write, owned.alert_id, instance, through))
        part = Part(
            sender=self.sender,
            channel=channel,
            alert_id=owned.alert_id,
            epoch=owned.epoch,
            plan=owned.plan,
            messages=owned.messages.get(instance, {}),
        )
        run = owned.live[instance] = Run(part, pace, shared=self.shared)
        if owned.left or self.closing.is_set():
            run.halt.set()
        try:
            await run.run(lambda: owned.expanded)
        except KentonganError:
            # The sweep begins it again as soon as the ledger answers.
            _log.warning("run waits for the ledger", extra={"alert": owned.alert_id, "instance": instance})
        finally:
            owned.live.pop(instance, None)

    async def _hand_on(self, owned: OwnedDispatch, instance: str) -> bool:
        """Hands an alert on to a sender that stays and can send on the channel, and on all that is still open here.

        To none that refuses it, and to none before it has beaten once more: this process has the alert because whoever
        was there did not take it, and may be dead or ending.
        """
        sender, alert_id = self.sender, owned.alert_id
        if not owned.ours or owned.left:
            return False
        since = self._wanted_since.get(alert_id)
        if since is None:
            self._wanted_since[alert_id] = sender.ledger.read(lambda read: senders.moment(read, sender.clock))
            return False

        def heir(read: Read) -> str | None:
            here = {each.name for each in owned.plan.instances if each.name in self.channels}
            still = {name for name in here if not owned.expanded or views.is_open(read, alert_id, name)}
            unfit = {sender.name, *views.refusers(read, alert_id)}
            return senders.server(
                read, {instance, *still}, but=unfit, clock=sender.clock, process=self.process, since=since
            )

        def hand_on(write: Write) -> str | None:
            to = heir(write)
            return to if to is not None and dispatches.hand_on(write, alert_id, sender=sender.name, to=to) else None

        if sender.ledger.read(heir) is None:
            return False
        to = await sender.ledger.write_soon(hand_on)
        if to is None:
            return False
        _log.info("alert handed on", extra={"alert": alert_id, "heir": to, "instance": instance})
        owned.leave()
        return True

    async def _leave_to_others(self, instance: str) -> None:
        """Leaves a channel that this process lacks, or cannot use, to those that can, and holds it where nobody can."""
        sender, lacks = self.sender, self.channels.lacks(instance)
        why = lacks or _NOWHERE

        def can_wait(read: Read) -> bool:
            served = senders.is_served(read, instance, but=sender.name, clock=sender.clock, process=self.process)
            # One that stays knows by itself whether it can use the channel; a hold of ours would keep it waiting too.
            stays = lacks is not None and senders.is_resident_there(
                read, but=sender.name, clock=sender.clock, process=self.process
            )
            return served or stays or instance in senders.holds(read)

        if not sender.ledger.read(can_wait):
            await sender.ledger.write_soon(
                lambda write: can_wait(write) or senders.hold(write, instance=instance, reason=why)
            )
        # The sweep begins it again while anything is due: whoever has it may end.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_LOOK):
                await self.closing.wait()


def _record_start(write: Write, alert_id: str, instance: str, through: str) -> None:
    write.event("instance.started", alert=alert_id, instance=instance, through=through)
    for language in renderings.without_pictures(write, alert_id, instance):
        reason = "one of them is not in the ledger as it was approved"
        write.event("instance.without_pictures", alert=alert_id, instance=instance, language=language, reason=reason)

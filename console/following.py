"""Following an alert to its end, and sending it here when nobody else does.

A service that listens is told first. Where none does, this process sends; where the dispatch has no owner after
TAKE_OVER, or its owner is gone or silent for a lease, this process takes it over. Whoever sends, what is shown is read
from the ledger. One that is lost meanwhile is waited for, for as long as anything of the alert may still be sent.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

from console.outage import Outage, Silence
from kentongan import telling
from kentongan.clock import Milliseconds, Process
from kentongan.errors import BadConfig, DamagedRecord, LedgerUnavailable, OtherVersion, Refused
from kentongan.ledger import Read, alerts, senders, views
from kentongan.overview import Overview, overview, with_sender

if TYPE_CHECKING:
    from console.progress import Progress
    from flows.house import House
    from kentongan.dispatcher import Dispatcher
    from kentongan.seam import Channel

_log = logging.getLogger(__name__)

TAKE_OVER: Milliseconds = 500
"""How long a dispatch may be without an owner before this process takes it."""

Opened: TypeAlias = "Mapping[str, Channel] | BadConfig"
"""The channels to send on, or why they cannot be opened."""

_LOOK = 0.25
_LONG = 13.0  # seconds in which requests in flight usually end and are recorded
_REFUSED_AFTER: Milliseconds = 2_000


@dataclass(slots=True)
class Follower:
    """Follows one alert. `opened`: the channels to send on from here, or why they cannot be opened; else what gives
    them, where a service answers and they are likely not to be needed.

    `run` returns what was seen last, and whether the alert came to its end (False: the officer left).
    """

    house: House
    alert_id: str
    opened: Opened | Callable[[], Opened]
    progress: Progress
    may_send: bool = True
    _dispatcher: Dispatcher | None = None
    _sends: bool = False
    _interrupts: int = 0
    _stirred: asyncio.Event = field(default_factory=asyncio.Event)
    _told_unable: bool = False
    _nobody: bool = False
    _told_waits: bool = False
    _told_nobody: bool = False
    _told_held: set[str] = field(default_factory=set)
    _told_interrupts: int = 0
    _code: str = field(init=False)
    _until: Milliseconds | None = None
    _outage: Outage = field(init=False)

    def __post_init__(self) -> None:
        self._code = self.alert_id
        self._outage = Outage(self.progress.say, time.monotonic)

    async def run(self, begin: Callable[[], object] | None = None) -> tuple[Overview, bool]:
        """Follows until nothing is left to do; `begin` commits the dispatch, once signals are taken care of.

        Raises what `begin` raises, Refused where the ledger's record does not allow the alert to be sent, and
        LedgerUnavailable where nothing of it can be sent any more when the ledger is still away.
        """
        self.house.ledger.tell = self.progress.say
        with contextlib.suppress(LedgerUnavailable):
            stored = self.house.ledger.read(lambda read: alerts.get(read, self.alert_id))
            self._code, self._until = stored.code, stored.expires_at
        await self._prepare()
        loop = asyncio.get_running_loop()
        for name in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(name, self.interrupt)
        try:
            if begin is not None:
                begin()
            with Silence(self.progress.say, str(self.house.ledger.path)) as silence:
                return await self._watch(silence)
        finally:
            await self._leave()
            for name in (signal.SIGINT, signal.SIGTERM):
                loop.remove_signal_handler(name)

    async def _prepare(self) -> None:
        """Pays for what sending from here takes to import before the alert leaves, unless a service is to send."""
        if not self.may_send or callable(self.opened) or isinstance(self.opened, BadConfig):
            return
        import channels
        import kentongan.dispatcher  # noqa: F401

        try:
            await channels.prepare(self.opened.values())
        except Exception as error:
            # The first message will meet the same, and say so on the record.
            _log.warning("channels not prepared", extra={"error": type(error).__name__})

    def interrupt(self) -> None:
        """As Ctrl-C: whoever only watches leaves, whoever sends says how it is stopped."""
        self._interrupts += 1
        self._stirred.set()

    async def _hand_over(self) -> None:
        from console.service import client

        if not self.may_send:
            return
        nudged = await asyncio.to_thread(client.nudge, self.house.state, self.alert_id)
        if nudged is client.Nudged.NOBODY:
            await self._send_here("no service runs, so this command sends")

    async def _watch(self, silence: Silence) -> tuple[Overview, bool]:
        loop = asyncio.get_running_loop()
        seen: Overview | None = None
        handed_over = False
        while True:
            began = loop.time()
            if self._dispatcher is not None and self._dispatcher.outdated is not None:
                raise self._dispatcher.outdated
            trouble = self.house.ledger.trouble
            try:
                if not handed_over:
                    handed_over = True
                    await self._hand_over()
                seen = await asyncio.to_thread(self.house.ledger.read, lambda read: overview(read, self.alert_id))
                self.progress.show(seen)
                self._notice_who_sends(seen)
                if not seen.open and (not self._sends or seen.waits_until is None):
                    return seen, True
                if seen.dispatch is not None:
                    self._until = max((each.deliver_by for each in seen.dispatch.plan.instances), default=self._until)
                self._tell_holds(seen)
                self._tell_waits(seen)
                await self._take_over_if_nobody_sends(seen)
            except (OtherVersion, DamagedRecord):
                raise
            except LedgerUnavailable as error:
                # From here nothing is sent that has no intent on record; what is in flight ends, and is recorded later.
                trouble = str(error)
            self._wait_for_ledger(trouble, seen)
            if self._leaves(seen, lost=trouble):
                if seen is not None:
                    return seen, False
                raise LedgerUnavailable(f"{trouble}. Nobody knows what was sent; `kentongan resume {self._code}`")
            # Looking must cost those who send no more than a quarter of the time.
            rest = max(_LOOK, 3 * (loop.time() - began))
            silence.expected(rest)
            await self._pause(rest)

    def _wait_for_ledger(self, trouble: str | None, seen: Overview | None) -> None:
        """Says what keeps the ledger away; raises LedgerUnavailable once waiting for it can bring nothing more."""
        unsent = f"{_unsent(seen)} not sent yet, and nothing" if seen is not None else "nothing"
        self._outage.look(trouble, f"{unsent} is begun until it is back, then this command goes on by itself")
        if self._outage.lasts and self._until is not None and self.house.clock.wall() > self._until:
            raise LedgerUnavailable(
                f"{trouble}. It is too late to send more of {self._code}; once the ledger is back, `kentongan resume"
                f" {self._code}` puts on record what was not sent"
            )

    def _leaves(self, seen: Overview | None, *, lost: str | None) -> bool:
        """Whether the officer has said often enough that this command is to end."""
        if self._interrupts == self._told_interrupts:
            return False
        self._told_interrupts = self._interrupts
        if not self._sends or self._interrupts > 1:
            return True
        unsent = _unsent(seen) if seen is not None else "what is"
        how = f"`kentongan stop {self._code}` stops it. Ctrl-C again ends this command"
        if lost is not None:
            how = f"{how}, `kentongan resume {self._code}` goes on where it ended"
        self.progress.say(f"{unsent} not sent yet. This is no stop: {how}.")
        return False

    def _tell_holds(self, seen: Overview) -> None:
        """Says once of each channel that is held what keeps this command waiting, and the remedy."""
        held = {channel.name: channel for channel in seen.channels if channel.held and channel.unfinished}
        for name in held.keys() - self._told_held:
            how = f"it goes on by itself when that is mended, or with `kentongan retry {seen.alert.code}`"
            if held[name].held_with_all:
                how = "it goes on when an officer runs `kentongan resume --restored`"
            why = telling.local(held[name].held or "", self.house.zone)
            self.progress.say(f"{name} is held: {why}; {how}")
        self._told_held = set(held)

    def _notice_who_sends(self, seen: Overview) -> None:
        """Says so where the alert that was sent from here is another's now, and where it is this process's again."""
        owner = seen.dispatch.owner if seen.dispatch is not None else None
        if self._dispatcher is None or owner is None or self._sends == (owner == self.house.sender):
            return
        self._sends = not self._sends
        if self._sends:
            self.progress.say("(whoever sent it is gone, so this command sends again)")
        else:
            self.progress.say("(another process sends it from here on; Ctrl-C leaves this command and stops nothing)")

    def _tell_waits(self, seen: Overview) -> None:
        """Says once what this command waits for when all is sent: no service would take the next step."""
        if seen.open or self._told_waits:
            return
        self._told_waits = True
        self.progress.say(
            "all is sent; people who are not reached or do not answer are waited for, since no service runs. Ctrl-C"
            f" twice leaves: `kentongan resume {seen.alert.code}` goes on"
        )

    async def _pause(self, seconds: float) -> None:
        self._stirred.clear()
        try:
            async with asyncio.timeout(seconds):
                await self._stirred.wait()
        except TimeoutError:
            return

    async def _take_over_if_nobody_sends(self, seen: Overview) -> None:
        if not self.may_send:
            self._tell_nobody_sends(seen)
        if not self.may_send or seen.dispatch is None:
            return
        age = self.house.clock.wall() - seen.dispatch.at
        owner = seen.dispatch.owner
        if self._dispatcher is not None:
            if owner is None and age > _REFUSED_AFTER:
                self._raise_refusal()
            return
        if owner is None and age > TAKE_OVER:
            await self._send_here("nobody took it, so this command sends")
        elif owner is not None and self._is_gone(owner):
            await self._send_here("whoever sent it is silent, so this command takes over")
        elif owner is not None:
            self._nobody = False

    def _tell_nobody_sends(self, seen: Overview) -> None:
        """Says once to who only watches that nobody is there to send it any more."""
        from console import standing

        clock, process = self.house.clock, Process.current()
        found = self.house.ledger.read(lambda read: with_sender(read, seen, clock=clock, process=process))
        if found.unattended and not self._told_nobody:
            self.progress.say(standing.nobody_sends(found.alert.code))
        self._told_nobody = found.unattended

    def _is_gone(self, owner: str) -> bool:
        clock = self.house.clock
        return bool(
            self.house.ledger.read(
                lambda read: senders.gone(read, clock=clock, process=Process.current(), suspects=[owner])
            )
        )

    def _raise_refusal(self) -> None:
        def why(read: Read) -> str | None:
            refused = views.events(read, alert_id=self.alert_id, types=("dispatch.refused",))
            return str(refused[-1].data["why"]) if refused else None

        found = self.house.ledger.read(why)
        if found is not None:
            raise Refused(found, rule="vouch")

    async def _send_here(self, why: str) -> None:
        self._nobody = True
        if callable(self.opened):
            self.opened = self.opened()
        if isinstance(self.opened, BadConfig):
            if not self._told_unable:
                self._told_unable = True
                self.progress.say(f"{why}, but it cannot: {self.opened}")
            return
        dispatcher = self.house.dispatcher(self.opened, only=frozenset({self.alert_id}))
        await dispatcher.start()
        self._dispatcher, self._sends, self._nobody = dispatcher, True, False
        self.progress.say(f"({why})")
        await dispatcher.nudge(self.alert_id)

    async def _leave(self) -> None:
        """Lets every request in flight end and be recorded."""
        if self._dispatcher is not None:
            from kentongan.dispatcher.draining import drain

            await drain(self._dispatcher, self._until_hurried)
            await self._sign()
        if not isinstance(self.opened, BadConfig) and not callable(self.opened):
            for channel in self.opened.values():
                await channel.close()

    async def _until_hurried(self) -> None:
        """Waits for whatever was sent to be recorded, however long, unless the officer will not."""
        interrupts = self._interrupts
        # Where the ledger is away, it is not the requests that take so long.
        await asyncio.sleep(_LONG if self.house.ledger.trouble is None else _LOOK)
        self.progress.say("what was sent is still to be recorded; Ctrl-C leaves it in doubt")
        while self._interrupts == interrupts:
            self._stirred.clear()
            await self._stirred.wait()

    async def _sign(self) -> None:
        """Signs the record as the service would; what cannot be written now is written the next time."""
        if self.house.state.spool is not None:
            # Its record is signed once it is part of the ledger's.
            return
        from console.service.heads import Heads

        if not isinstance(self.opened, BadConfig) and not callable(self.opened):
            try:
                await Heads(self.house, self.opened).publish()
            except LedgerUnavailable:
                return
            except BadConfig as error:
                # It is sent all the same, and how it ended is what counts.
                self.progress.say(f"the record was not signed: {error}")

    @property
    def sent_here(self) -> bool:
        """Whether nothing is sent once this process leaves: it sends, or nobody does and it could not."""
        return self._sends or self._nobody


def _unsent(seen: Overview) -> str:
    planned = seen.dispatch is not None and seen.dispatch.expanded
    return f"{seen.unfinished:,}" if planned else f"{seen.unfinished:,} or more"


def run(act: Awaitable[tuple[Overview, bool]]) -> tuple[Overview, bool]:
    """Runs a follower; a terminal that goes away does not end it."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)

    async def whole() -> tuple[Overview, bool]:
        return await act

    try:
        return asyncio.run(whole())
    finally:
        signal.signal(signal.SIGHUP, before)

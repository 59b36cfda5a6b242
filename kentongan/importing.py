"""Importing a list of people of any length: filled beside the one in force, which one short switch ends.

Cut at any moment it leaves the list as it was; what it had written is taken back at once or by the next import.
While an alert is being sent it gives way to the senders; the switch waits while an alert's people are looked up, so
that each alert goes by one list.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from functools import partial
from itertools import islice
from typing import Protocol, TypeVar

from kentongan.clock import Process
from kentongan.errors import BadInput, LedgerUnavailable
from kentongan.keys import StateKeys
from kentongan.ledger import Ledger, Read, Write, editions, senders
from kentongan.ledger import people as register
from kentongan.ledger.editions import Withdrawal
from kentongan.ledger.filling import Imported, Span, fill
from kentongan.people import Row
from kentongan.quick_dataclass import dataclass
from kentongan.staging import Staging

ROLE = "import"
"""What an import is called among the senders, whose sign of life it gives."""

_SIZE, _SIZE_BESIDE = 1_000, 250
"""People in one transaction: usually, and while an alert is being sent."""

_LEAST = 250
_HELD = 0.1  # seconds for which one transaction is to keep others waiting
_GAP = 0.05  # seconds between two: as often as SQLite looks again, so that whoever waits gets their turn
_TIDIED = 2_000
_TRIES = 15  # each waits as long as the ledger's own patience
_LONGEST_PLANNING = 900.0
_EVERY = 0.5
_END = "\U0010ffff"  # behind every reference

T = TypeVar("T")


@dataclass(slots=True)
class Pace:
    """How much to write at a time, and how long to rest between: others must never wait long for the ledger.

    Whoever waits for SQLite looks again every 25 ms or less for half of the time; without a rest that long, somebody
    who writes without a pause is the one who finds it free nearly always. `size`: rows in the next transaction.
    """

    size: int
    began: float = 0.0
    held: float = 0.0
    ended: float = -1.0

    def begin(self) -> None:
        """A transaction has begun; others wait from now on."""
        self.began = time.monotonic()

    def end(self, rows: int) -> None:
        """It was committed, with so many rows; the next is as large as is written in the time that others may wait."""
        self.ended = time.monotonic()
        self.held = self.ended - self.began
        if rows >= self.size:
            self.size = max(1, min(_SIZE, 2 * rows, max(_LEAST, int(rows * _HELD / max(self.held, 0.001)))))

    def rest(self, *, beside: bool = False) -> float:
        """Seconds until the next may begin; `beside` an alert that is being sent as many as the last has lasted."""
        if self.ended < 0:
            return 0.0
        wanted = max(_GAP, self.held) if beside else _GAP
        return max(0.0, self.ended + wanted - time.monotonic())


@dataclass(frozen=True, slots=True)
class Importing:
    """One import by the sender `owner`, which this process is; `wait` is given seconds."""

    ledger: Ledger
    keys: StateKeys
    owner: str
    process: Process
    wait: Callable[[float], None] = time.sleep

    def run(
        self, staged: Staging, *, replace: bool = False, told: Callable[[int], None] = lambda written: None
    ) -> Imported:
        """Puts the list in force and returns what that changed; `told` hears how many people are written.

        With `replace` it is the whole list: whoever is not on it leaves. Raises BadInput where another import is
        running, LedgerUnavailable where the ledger cannot be written; the list is then as before.
        """
        ledger, owner = self.ledger, self.owner
        self._write(_give_room)
        self._write(
            lambda write: senders.register(write, sender=owner, role=ROLE, process=self.process, clock=ledger.clock)
        )
        number: int | None = None
        try:
            if not take_back(self.ledger, self.process, self._write, self.wait):
                raise _busy()
            number = self._write(self._begin)
            if number is None:
                raise _busy()
            done = self._fill(staged, number, replace, told)
            self._switch(number, done)
        except BaseException:
            if number is not None:
                with contextlib.suppress(LedgerUnavailable):
                    self._withdraw(number)
            raise
        else:
            # What is left to forget, the next import forgets where this one is cut here.
            with contextlib.suppress(LedgerUnavailable, KeyboardInterrupt):
                settle(ledger, self.wait)
            return done
        finally:
            with contextlib.suppress(LedgerUnavailable):
                ledger.write(lambda write: senders.end(write, sender=owner))

    def _begin(self, write: Write) -> int | None:
        # Taking another import back may have lasted longer than a sender may be silent.
        senders.beat(write, sender=self.owner, clock=self.ledger.clock)
        return editions.begin(write, owner=self.owner)

    def _withdraw(self, number: int) -> None:
        _withdraw(self._write, number, self.wait)

    def _fill(self, staged: Staging, number: int, replace: bool, told: Callable[[int], None]) -> Imported:
        done = Imported(0, 0)
        written = 0
        after = ""
        rows = iter(staged)
        pace = Pace(min(_SIZE, _SIZE_BESIDE))
        more = True
        while more:
            beside = self.ledger.read(editions.is_sending)
            # Taken out while others can write; the last is empty, and ends the span of the list.
            chunk = list(islice(rows, min(pace.size, _SIZE_BESIDE) if beside else pace.size))
            more = bool(chunk)
            upto = chunk[-1][0] if chunk else _END
            span = Span(after, upto) if replace else None
            self.wait(pace.rest(beside=beside))
            done += self._write(partial(self._fill_chunk, chunk=chunk, number=number, span=span, pace=pace))
            pace.end(len(chunk))
            written += len(chunk)
            told(written)
            after = upto
        return done

    def _fill_chunk(
        self, write: Write, chunk: list[tuple[str, Row]], number: int, span: Span | None, pace: Pace
    ) -> Imported:
        pace.begin()
        began_at = self._beat(write, number)
        return fill(write, chunk, edition=number, began_at=began_at, keys=self.keys, span=span)

    def _beat(self, write: Write, number: int) -> int:
        began_at = editions.began_at(write, number, owner=self.owner)
        if began_at is None:
            raise BadInput("this import was taken for dead and taken back; run it again")
        senders.beat(write, sender=self.owner, clock=self.ledger.clock)
        return began_at

    def _switch(self, number: int, done: Imported) -> None:
        until = time.monotonic() + _LONGEST_PLANNING
        while (code := self._write(lambda write: self._try_to_switch(write, number, done))) is not None:
            if time.monotonic() > until:
                raise BadInput(f"the people of alert {code} are still being looked up; run the import again after it")
            self.wait(_EVERY)

    def _try_to_switch(self, write: Write, number: int, done: Imported) -> str | None:
        self._beat(write, number)
        code = editions.being_planned(write)
        if code is None:
            register.put_in_force(write, number, done)
        return code

    def _write(self, act: Callable[[Write], T]) -> T:
        """Writes, and tries again where others have the ledger: a long import must not fail for a moment's reason."""
        for _ in range(_TRIES - 1):
            try:
                return self.ledger.write(act)
            except LedgerUnavailable as error:
                if "locked" not in str(error):
                    raise
                self.wait(_EVERY)
        return self.ledger.write(act)


def _give_room(write: Write) -> None:
    """Lets SQLite keep the pages of a chunk in memory until it is committed, and move them to its file less often."""
    if write.connection.dialect.name == "sqlite":
        write.sql("PRAGMA cache_size = -65536")
        write.sql("PRAGMA wal_autocheckpoint = 8000")


class _Writing(Protocol):
    """What writes to the ledger: at once, or as patiently as an import does."""

    def __call__(self, act: Callable[[Write], T], /) -> T: ...


def take_back(
    ledger: Ledger, process: Process, write: _Writing | None = None, wait: Callable[[float], None] = time.sleep
) -> bool:
    """Takes back what an import left that was cut, and forgets what former lists had; False where one is running."""
    left = ledger.read(editions.unfinished)
    if left is not None:
        if not ledger.read(lambda read: _is_gone(read, left.owner, ledger, process)):
            return False
        _withdraw(write or ledger.write, left.number, wait)
    settle(ledger, wait)
    return True


def _is_gone(read: Read, owner: str, ledger: Ledger, process: Process) -> bool:
    gone = senders.gone(read, clock=ledger.clock, process=process, suspects=[owner])
    return owner in gone or not senders.is_known(read, owner)


def _withdraw(write: _Writing, number: int, wait: Callable[[float], None] = time.sleep) -> None:
    place: Withdrawal | None = Withdrawal()
    while place is not None:
        place = write(partial(editions.withdraw, number=number, place=place, size=_TIDIED))
        wait(_GAP)


def settle(ledger: Ledger, wait: Callable[[float], None] = time.sleep) -> None:
    """Forgets the groups and regions that people were in by former lists."""
    while ledger.write(lambda write: editions.settle(write, _TIDIED)):
        wait(_GAP)


def _busy() -> BadInput:
    return BadInput("another list of people is just being imported; wait for its end and run this again")

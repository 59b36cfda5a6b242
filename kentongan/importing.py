"""Importing a list of people of any length: filled beside the one in force, which one short switch ends.

Cut at any moment it leaves the list as it was; what it had written is taken back at once or by the next import.
While an alert is being sent it gives way to the senders; the switch waits while an alert's people are looked up, so
that each alert goes by one list.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
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
from kentongan.staging import Staging

ROLE = "import"
"""What an import is called among the senders, whose sign of life it gives."""

_SIZE, _SIZE_BESIDE = 1_000, 250
"""People in one transaction: usually, and while an alert is being sent."""

_TIDIED = 5_000
_TRIES = 15  # each waits as long as the ledger's own patience
_LONGEST_PLANNING = 900.0
_EVERY = 0.5
_END = "\U0010ffff"  # behind every reference

T = TypeVar("T")


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
            if not take_back(self.ledger, self.process, self._write):
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
                settle(ledger)
            return done
        finally:
            with contextlib.suppress(LedgerUnavailable):
                ledger.write(lambda write: senders.end(write, sender=owner))

    def _begin(self, write: Write) -> int | None:
        # Taking another import back may have lasted longer than a sender may be silent.
        senders.beat(write, sender=self.owner, clock=self.ledger.clock)
        return editions.begin(write, owner=self.owner)

    def _withdraw(self, number: int) -> None:
        _withdraw(self._write, number)

    def _fill(self, staged: Staging, number: int, replace: bool, told: Callable[[int], None]) -> Imported:
        done = Imported(0, 0)
        written = 0
        after = ""
        rows = iter(staged)
        # While one chunk is being written the next is taken out; the last is empty, and ends the span of the list.
        with ThreadPoolExecutor(1, thread_name_prefix="import") as writer:
            chunk, more = list(islice(rows, _SIZE_BESIDE)), True
            while more:
                more = bool(chunk)
                upto = chunk[-1][0] if chunk else _END
                span = Span(after, upto) if replace else None
                beside = self.ledger.read(editions.is_sending)
                began = time.monotonic()
                writing = writer.submit(self._write, partial(self._fill_chunk, chunk=chunk, number=number, span=span))
                following = list(islice(rows, _SIZE_BESIDE if beside else _SIZE))
                done += writing.result()
                if beside:
                    self.wait(time.monotonic() - began)
                written += len(chunk)
                told(written)
                chunk, after = following, upto
        return done

    def _fill_chunk(self, write: Write, chunk: list[tuple[str, Row]], number: int, span: Span | None) -> Imported:
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


def take_back(ledger: Ledger, process: Process, write: _Writing | None = None) -> bool:
    """Takes back what an import left that was cut, and forgets what former lists had; False where one is running."""
    left = ledger.read(editions.unfinished)
    if left is not None:
        if not ledger.read(lambda read: _is_gone(read, left.owner, ledger, process)):
            return False
        _withdraw(write or ledger.write, left.number)
    settle(ledger)
    return True


def _is_gone(read: Read, owner: str, ledger: Ledger, process: Process) -> bool:
    gone = senders.gone(read, clock=ledger.clock, process=process, suspects=[owner])
    return owner in gone or not senders.is_known(read, owner)


def _withdraw(write: _Writing, number: int) -> None:
    place: Withdrawal | None = Withdrawal()
    while place is not None:
        place = write(partial(editions.withdraw, number=number, place=place, size=_TIDIED))


def settle(ledger: Ledger) -> None:
    """Forgets the groups and regions that people were in by former lists."""
    while ledger.write(lambda write: editions.settle(write, _TIDIED)):
        pass


def _busy() -> BadInput:
    return BadInput("another list of people is just being imported; wait for its end and run this again")

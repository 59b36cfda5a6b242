"""Sending from the spare when the ledger takes nothing, and bringing what was sent there into the ledger."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from console import output
from console.invocation import current
from kentongan import telling
from kentongan.clock import SystemClock
from kentongan.errors import BadConfig, DamagedRecord, KentonganError, LedgerUnavailable, OtherVersion
from kentongan.state import SPARE_VARIABLE, State

if TYPE_CHECKING:
    from kentongan.ledger.merging import Merged
    from kentongan.safekeeping.spare import Spare, Spool


def find() -> Spare | None:
    """The spare of this installation; None where none is named. Raises BadConfig."""
    if SPARE_VARIABLE not in os.environ:
        # The usual case pays for no import.
        return None
    from kentongan.safekeeping.spare import Spare

    return Spare.find(State.find(current().state))


def send(
    code: str,
    *,
    ledger: Callable[[], int],
    spool: Callable[[Path], int],
    resume: Callable[[Path], int],
    is_dispatched: Callable[[], bool],
) -> int:
    """Sends by `ledger`, and where that takes nothing and has dispatched nothing, from the spare.

    There `spool` sends; `resume` goes on where it was begun before. Raises what they raise.
    """
    spare = find()
    fault: LedgerUnavailable
    begun = spare.named(code) if spare is not None else None
    if begun is None or list(bring(begun)):
        try:
            return ledger()
        except LedgerUnavailable as error:
            # One that another Kentongan has upgraded is whole; and so may be the rest of one that is damaged in a row.
            if is_dispatched() or isinstance(error, OtherVersion | DamagedRecord):
                raise
            fault = error
    else:
        fault = LedgerUnavailable("what was sent from the spare before is not in the ledger yet")
    if spare is None:
        raise LedgerUnavailable(
            f"{fault}. Nothing was sent; with KENTONGAN_SPARE_DIR, a folder on another disk, it could be"
        ) from None
    from kentongan.keys import StateKeys

    keys, now = StateKeys.open(spare.state.root, create=False, people_may_be_away=True), SystemClock().wall()
    with spare.sending(code, keys=keys, now=now) as found:
        output.warn(f"{fault}. It is sent from the spare instead: {found.folder}")
        ended_as = resume(found.ledger) if found.is_dispatched() else spool(found.ledger)
    if not list(bring(found)):
        output.warn("it is not in the ledger yet; when that takes something again: kentongan merge")
    return ended_as


def bring(*spools: Spool) -> Iterator[tuple[Spool, Merged | None]]:
    """Brings spools into the ledger, and says of each other why it cannot be brought now."""
    from kentongan.keys import StateKeys

    spare = find()
    assert spare is not None
    for each in spools:
        try:
            keys = StateKeys.open(spare.state.root, create=False, people_may_be_away=True)
            yield each, spare.bring(each, keys=keys, clock=SystemClock())
        except KentonganError as error:
            output.warn(f"the spool of {each.about.code} is not merged: {error}")


def bring_what_is_left() -> None:
    """Brings every spool that was left, before anything else is sent; says what it did."""
    spare = _quietly()
    for spool, merged in bring(*spare.spools()) if spare is not None else ():
        output.warn(told(spool, merged))


def warn() -> None:
    """Says what the ledger does not know of, because it was sent from the spare."""
    spare = _quietly()
    for spool in spare.spools() if spare is not None else ():
        output.warn(
            f"alert {spool.about.code} was sent from the spare, of which the ledger knows nothing yet: kentongan merge"
        )


def _quietly() -> Spare | None:
    """The spare; one that cannot be used stands in nobody's way (`kentongan check` says so)."""
    try:
        return find()
    except BadConfig:
        return None


def told(spool: Spool, merged: Merged | None) -> str:
    """What came of merging one spool."""
    if merged is None:
        return f"{spool.about.code}: nothing had been sent from the spare"
    twice = f"; {merged.twice:,} were sent from the ledger too, and are marked" if merged.twice else ""
    return (
        f"{spool.about.code}: {telling.several(merged.deliveries, 'message')} with"
        f" {telling.several(merged.attempts, 'attempt')} came from the spare into the ledger{twice}"
    )


def stopping(code: str) -> Path | None:
    """The copy of the ledger in which an alert is sent from the spare; None where it is not."""
    if SPARE_VARIABLE not in os.environ:
        return None
    from kentongan.safekeeping.spare import sent_from

    found = sent_from(State.find(current().state), code)
    return found.ledger if found is not None else None


def merge_all() -> list[tuple[Spool, Merged | None]]:
    """Merges what is left; raises Refused where a spool cannot be merged, once the others are."""
    spare = find()
    if spare is None:
        raise BadConfig("no spare is named; set KENTONGAN_SPARE_DIR to the folder from which was sent")
    from kentongan.keys import StateKeys

    keys = StateKeys.open(spare.state.root, create=False, people_may_be_away=True)
    done: list[tuple[Spool, Merged | None]] = []
    fault: KentonganError | None = None
    for each in spare.spools():
        try:
            done.append((each, spare.bring(each, keys=keys, clock=SystemClock())))
        except KentonganError as error:
            fault = error
    for spool, merged in done:
        if not output.wants_json():
            output.say(told(spool, merged))
    if fault is not None:
        raise fault
    return done

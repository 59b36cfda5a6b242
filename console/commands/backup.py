"""`kentongan backup` and `kentongan keys`: copies of the ledger, and apart from them, of its keys."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from console import output
from console.command import Lazy, LazyGroup, command
from console.invocation import current
from kentongan import telling
from kentongan.errors import BadInput, LedgerUnavailable

if TYPE_CHECKING:
    from kentongan.safekeeping.backup import Backup, Progress
    from kentongan.state import State

_NAMED = 5
_FOLDER = click.Path(path_type=Path)

keys = LazyGroup(
    name="keys",
    help="Keep a copy of the keys apart from the ledger, see that it is good, and say where people's key lies.",
    lazy={
        "copy": Lazy("console.commands.backup:copy", "Copy the keys into a new folder, kept apart from backups."),
        "confirm": Lazy("console.commands.backup:confirm", "Compare a copy of the keys with them, and note that."),
        "make": Lazy("console.commands.people_key_file:make", "Write a new key of people's data into a new file."),
        "move": Lazy(
            "console.commands.people_key_file:move", "Move the key of people's data out of the state directory."
        ),
    },
)


@command("backup")
@click.argument("target", type=_FOLDER)
@click.option(
    "--with-keys",
    type=_FOLDER,
    metavar="FOLDER",
    help="Copy the keys too, there and never into the backup: who has both reads every address.",
)
@click.option(
    "--keep", type=click.IntRange(min=1), metavar="N", help="Take away all but the N newest backups of this ledger."
)
def backup(target: Path, with_keys: Path | None, keep: int | None) -> None:
    """Copy ledger and config into a new dated folder in TARGET, while alerts go on being sent.

    The copy is of one moment, checked, and signed. Without its keys it shows no address; see `kentongan keys`.
    """
    from kentongan.clock import SystemClock
    from kentongan.config_place import find_config
    from kentongan.keys import StateKeys
    from kentongan.safekeeping import backup as backups
    from kentongan.safekeeping import escrow
    from kentongan.state import State

    invocation = current()
    state, clock = State.find(invocation.state), SystemClock()
    escrowed = None
    if with_keys is not None:
        _keep_apart(with_keys, target, state)
        # First: a copy of the keys does no harm where no backup comes of it.
        escrowed = escrow.copy(state, with_keys, dated=backups.dated(clock.wall()), now=clock.wall())
    with _progress() as tell:
        made = backups.make(
            state,
            target,
            keys=StateKeys.open(state.root, create=False),
            config=find_config(invocation.config),
            clock=clock,
            keep=keep,
            tell=tell,
        )
    _record(state, "ledger.backed_up", schema=made.manifest.schema, place=str(made.place), taken=made.manifest.taken)
    if escrowed is not None:
        _record(state, "keys.copied", place=str(escrowed))
    _say(made, escrowed)
    if made.missing:
        output.warn(
            f"not in the backup: {telling.several(len(made.missing), 'report')} on pruned alerts, which"
            f" {state.reports} does not hold as written: {', '.join(made.missing[:_NAMED])}"
        )
    remark = escrow.remark(state, now=clock.wall(), within=float("inf"))
    if remark is not None:
        output.warn(remark)


def _keep_apart(place: Path, target: Path, state: State) -> None:
    """Refuses a place where the keys would be lost, or found, together with what they open."""
    keys, backups, root = place.resolve(), target.resolve(), state.root.resolve()
    if keys == backups or backups in keys.parents or keys in backups.parents:
        raise BadInput(f"{place} and {target} lie together; the keys open what is in the backup, so keep them apart")
    if keys == root or root in keys.parents:
        raise BadInput(f"{place} lies in the state directory, where the keys are already; name a folder elsewhere")


def _say(made: Backup, escrowed: Path | None) -> None:
    counts = made.manifest.counts
    if output.wants_json():
        document: dict[str, Any] = {
            "backup": str(made.place),
            "taken": made.manifest.taken,
            "bytes": made.size,
            "counts": dict(counts),
            "keys": str(escrowed) if escrowed is not None else None,
            "people_key": list(made.manifest.people),
            "pruned": [str(place) for place in made.pruned],
            "missing": list(made.missing),
        }
        output.document(document)
        return
    output.say(f"Backup: {made.place}")
    output.say(
        f"{made.size / 1_000_000:,.1f} MB: {telling.several(counts['alerts'], 'alert')},"
        f" {telling.several(counts['deliveries'], 'delivery', 'deliveries')},"
        f" {telling.several(counts['people'], 'person', 'people')}; checked and signed."
    )
    output.say(f"Its addresses are opened by the key with fingerprint {' or '.join(made.manifest.people)} alone.")
    if counts["reports"]:
        output.say(f"With {telling.several(counts['reports'], 'report')} on pruned alerts.")
    if escrowed is not None:
        output.say(f"Keys:   {escrowed}")
        output.say("Keep them apart from the backup; `kentongan keys confirm FOLDER` sees that they are still good.")
    if made.pruned:
        output.say(f"{telling.several(len(made.pruned), 'older backup')} taken away.")


@contextlib.contextmanager
def _progress() -> Iterator[Progress]:
    """Shows on a terminal how far it is, where that takes long enough to be read."""
    if not output.is_terminal() or output.wants_json():
        yield lambda done, all_: None
        return
    from rich.progress import Progress as Bar

    with Bar(console=output.terminal(error=True), transient=True) as bar:
        task = bar.add_task("Copying", total=None)
        yield lambda done, all_: bar.update(task, completed=done, total=all_)


@command("copy")
@click.argument("target", metavar="FOLDER", type=_FOLDER)
def copy(target: Path) -> None:
    """Copy the keys into a new dated folder in FOLDER, and read the copy back.

    FOLDER is best on a medium that is then locked away. Whoever has it and a backup reads every address.
    """
    from kentongan.clock import SystemClock
    from kentongan.safekeeping import backup as backups
    from kentongan.safekeeping import escrow
    from kentongan.state import State

    state, now = State.find(current().state), SystemClock().wall()
    root = state.root.resolve()
    if target.resolve() == root or root in target.resolve().parents:
        raise BadInput(f"{target} lies in the state directory, where the keys are already; name a folder elsewhere")
    place = escrow.copy(state, target, dated=backups.dated(now), now=now)
    _record(state, "keys.copied", place=str(place))
    if output.wants_json():
        output.document({"keys": str(place)})
    else:
        output.say(f"Keys: {place}")
        output.say("Keep them apart from every backup of the ledger.")


@command("confirm")
@click.argument("place", metavar="FOLDER", type=_FOLDER)
def confirm(place: Path) -> None:
    """Compare the copy of the keys in FOLDER with them, byte for byte, and note when that was.

    `kentongan check` tells when it was too long ago, and when the keys have changed since.
    """
    from kentongan.clock import SystemClock
    from kentongan.safekeeping import escrow
    from kentongan.state import State

    state = State.find(current().state)
    found = escrow.confirm(state, place, now=SystemClock().wall())
    _record(state, "keys.confirmed", place=found.place)
    if output.wants_json():
        output.document({"keys": found.place, "good": True})
    else:
        output.say(f"The keys in {found.place} are those of {state.root}.")


def _record(state: State, event: str, *, schema: str | None = None, **data: Any) -> None:
    """Puts on record who did it; a ledger that cannot be written now, or is of another version, does not undo it."""
    from console.office import at_keyboard
    from kentongan.ledger import Ledger
    from kentongan.ledger.opening import HEAD, exists

    if not exists(state.place) or schema not in (None, HEAD):
        return
    by, signed = at_keyboard(state)
    try:
        with Ledger.open(state.place) as ledger:
            ledger.write(lambda write: write.event(event, by=by, signed=signed, **data))
    except LedgerUnavailable as error:
        output.warn(f"done, but it could not be put on record: {error}")

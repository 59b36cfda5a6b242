"""`kentongan regions`: the regions by which an alert's area finds the people in it."""

from __future__ import annotations

import contextlib
import hashlib
import io
import sys
from collections.abc import Iterator
from typing import IO, TYPE_CHECKING, Any

import click

from console import output
from console.command import Lazy, LazyGroup, command
from kentongan import telling
from kentongan.errors import BadInput

if TYPE_CHECKING:
    from kentongan.area.regions import Region, Regions
    from kentongan.area.rows import Fault, RegionRow, Remark

_MOST_FAULTS = 50
_MOST_LISTED = 200

regions = LazyGroup(
    name="regions",
    help="Load and show the regions by which an alert's area finds the people in it.",
    lazy={
        "import": Lazy("console.commands.regions:import_", "Load regions from CSV, an SQL dump or GeoJSON."),
        "list": Lazy("console.commands.regions:list_", "List the regions, or the parts of one."),
        "show": Lazy("console.commands.regions:show", "Show one region."),
    },
)


@command("import")
@click.argument("file", metavar="FILE")
@click.option("--code", metavar="COLUMN", help="The column or property that holds the code, where it has another name.")
@click.option("--name", metavar="COLUMN", help="The same for the name.")
@click.option("--replace", is_flag=True, help="Take out the regions that do not stand in this file.")
@click.option("--skip-faulty", is_flag=True, help="Load the other rows where some cannot be read.")
def import_(file: str, code: str | None, name: str | None, replace: bool, skip_faulty: bool) -> None:
    """Load regions from CSV (code,name,timezone,lat,lon), an SQL dump of INSERTs, or GeoJSON boundaries.

    A known code is brought up to date, and what the file does not say of it stays. A region lies in the one whose code
    begins its own: 33.01.02 in 33.01, and that in 33. Where a row cannot be read, nothing is loaded, unless
    --skip-faulty is given. - reads standard input.
    """
    from console.office import Need, opened
    from kentongan.ledger import regions as register

    place = "standard input" if file == "-" else file
    rows, faults, remarks, digest = _read(file, place, code, name)
    if faults and not skip_faulty:
        sentences = [fault.sentence for fault in faults[:_MOST_FAULTS]]
        if len(faults) > _MOST_FAULTS:
            sentences.append(f"and {len(faults) - _MOST_FAULTS:,} more rows")
        sentences.append(f"nothing was loaded from {place}; mend these rows, or give --skip-faulty")
        raise BadInput("\n".join(sentences))
    if not rows:
        raise BadInput(f"{place}: no row can be read, so nothing was loaded")
    ready = register.prepared(rows)
    with opened(Need.NOTHING, warn=False) as office:
        done = office.house.ledger.write(
            lambda write: register.import_regions(write, ready, source=digest, replace=replace)
        )
    for remark in remarks:
        output.warn(f"note: {remark.sentence}")
    if output.wants_json():
        output.document(
            {
                "added": done.added,
                "updated": done.updated,
                "removed": done.removed,
                "skipped": [{"line": fault.line, "sentence": fault.sentence} for fault in faults],
                "notes": [remark.sentence for remark in remarks],
            }
        )
        return
    for fault in faults:
        output.warn(f"skipped: {fault.sentence}")
    removed = f", {done.removed:,} taken out" if replace else ""
    told = f"{done.added:,} new, {done.updated:,} known before{removed}; {len(faults):,} skipped"
    output.say(f"Loaded {telling.several(len(rows), 'region')}: {told}.")


@command("list")
@click.argument("code", metavar="[CODE]", required=False)
@click.option("--all", "every", is_flag=True, help="All that lie in it, of whatever level.")
def list_(code: str | None, every: bool) -> None:
    """List the regions that lie in no other, or the parts of one, with what is known of where they lie."""
    from console.office import Need, opened
    from kentongan.ledger import regions as register

    with opened(Need.NOTHING, warn=False) as office:
        loaded = office.house.ledger.read(register.load)
    over = _known(loaded, code) if code is not None else None
    codes = sorted(_below(loaded, over) if every else loaded.parts(over))
    if output.wants_json():
        output.document([_told(loaded, each) for each in codes])
        return
    if not loaded.by_code:
        output.say("No regions are loaded. Next: kentongan regions import FILE")
        return
    output.print_table(
        ("code", "name", "parts", "place"),
        [
            (each, loaded.by_code[each].name, str(len(loaded.parts(each)) or ""), _place(loaded.by_code[each]))
            for each in codes[:_MOST_LISTED]
        ],
        right=(2,),
    )
    if len(codes) > _MOST_LISTED:
        output.say(f"and {len(codes) - _MOST_LISTED:,} more; name a region to see its parts, or use --json")
    output.say(f"{telling.several(len(codes), 'region')} of {len(loaded):,} loaded.")


@command("show")
@click.argument("code", metavar="CODE")
def show(code: str) -> None:
    """Show one region: what it lies in, where it lies, its size, its parts and how many people have it."""
    from console.office import Need, opened
    from kentongan.area.geometry import size
    from kentongan.ledger import Read
    from kentongan.ledger import regions as register

    def look(read: Read) -> tuple[dict[str, Any], list[str]]:
        loaded = register.load(read)
        found = _known(loaded, code)
        region = loaded.by_code[found]
        told = _told(loaded, found)
        told["lies_in"] = _chain(loaded, found)
        told["people"] = register.people_in(read, found)
        if region.box is not None:
            told["square_kilometres"] = round(sum(size(ring) for ring in loaded.outline(found)), 1)
        elif region.point is not None:
            told["reach_km"] = round(loaded.reach(found), 1)
        return told, [f"{part} {loaded.by_code[part].name}" for part in sorted(loaded.parts(found))]

    with opened(Need.NOTHING, warn=False) as office:
        told, parts = office.house.ledger.read(look)
    if output.wants_json():
        output.document(told)
        return
    output.say(f"{told['code']} {told['name']}")
    output.say(f"Lies in:  {', '.join(told['lies_in']) or 'no loaded region'}")
    output.say(f"Zone:     {told['timezone'] or 'none given'}")
    output.say(f"Place:    {_described(told)}")
    output.say(f"People:   {telling.people(told['people'])} in it or in a part of it")
    output.say(f"Parts:    {', '.join(parts[:_MOST_LISTED]) or 'none'}")


def _read(
    file: str, place: str, code: str | None, name: str | None
) -> tuple[list[RegionRow], list[Fault], list[Remark], str]:
    """What a file holds, and the digest of its bytes."""
    from kentongan.area.reading import read_regions
    from kentongan.area.rows import Fault, Remark

    rows: list[RegionRow] = []
    faults: list[Fault] = []
    remarks: list[Remark] = []
    with _opened(file, place) as (text, seen):
        for item in read_regions(text, place=place, code=code, name=name):
            if isinstance(item, Fault):
                faults.append(item)
            elif isinstance(item, Remark):
                remarks.append(item)
            else:
                rows.append(item)
        return rows, faults, remarks, seen.digest()


class _Seen(io.RawIOBase):
    """A file that takes the digest of what is read from it."""

    def __init__(self, file: IO[bytes]) -> None:
        super().__init__()
        self._file = file
        self._hash = hashlib.sha256()

    def readable(self) -> bool:
        """It is there to be read."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Reads on."""
        piece = self._file.read(len(buffer))
        buffer[: len(piece)] = piece
        self._hash.update(piece)
        return len(piece)

    def digest(self) -> str:
        """Of the whole file, which is read to its end."""
        while piece := self._file.read(1 << 20):
            self._hash.update(piece)
        return self._hash.hexdigest()


@contextlib.contextmanager
def _opened(file: str, place: str) -> Iterator[tuple[IO[str], _Seen]]:
    with contextlib.ExitStack() as stack:
        try:
            source = sys.stdin.buffer if file == "-" else stack.enter_context(open(file, "rb"))
        except OSError as error:
            raise BadInput(f"{place} cannot be read: {error.strerror}; name a file") from None
        seen = _Seen(source)
        yield io.TextIOWrapper(io.BufferedReader(seen, 1 << 16), encoding="utf-8", newline=""), seen


# --- What is told of a region ---


def _known(loaded: Regions, code: str) -> str:
    from kentongan.audiences import plain

    found = plain(code)
    if found not in loaded.by_code:
        raise BadInput(f"no region {code!r} is loaded; `kentongan regions list` lists them")
    return found


def _below(loaded: Regions, code: str | None) -> Iterator[str]:
    for part in loaded.parts(code):
        yield part
        yield from _below(loaded, part)


def _chain(loaded: Regions, code: str) -> list[str]:
    over = loaded.parent(code)
    return [] if over is None else [loaded.by_code[over].name, *_chain(loaded, over)]


def _told(loaded: Regions, code: str) -> dict[str, Any]:
    region = loaded.by_code[code]
    return {
        "code": code,
        "name": region.name,
        "timezone": loaded.timezone(code),
        "point": list(region.point) if region.point is not None else None,
        "boundary": region.box is not None,
        "parts": len(loaded.parts(code)),
    }


def _place(region: Region) -> str:
    return "boundary" if region.box is not None else "point" if region.point is not None else ""


def _described(told: dict[str, Any]) -> str:
    point = "{:.4f}, {:.4f}".format(*told["point"]) if told["point"] is not None else ""
    if told["boundary"]:
        return f"boundary of {told['square_kilometres']:,} km²" + (f", centre {point}" if point else "")
    if point:
        return f"point {point}, no boundary: taken to reach {told['reach_km']:,} km"
    return "not known; it counts as in the area where the region that it lies in does"

"""`kentongan report`: everything on an alert and its thread, for whoever reviews it."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import click

from console import output
from console.command import HANDLE, command
from kentongan import telling
from kentongan.errors import BadInput

if TYPE_CHECKING:
    from console.office import Office

FORMS = {"html": ".html", "markdown": ".md", "csv": ".csv", "json": ".json"}
"""The forms of a report, each with the ending of a file's name by which it is known."""


@command("report")
@click.argument("code", type=HANDLE)
@click.option(
    "--format",
    "form",
    type=click.Choice(list(FORMS)),
    help="Else as the file's name ends; markdown without a file. csv has one line a delivery.",
)
@click.option("-o", "--output", "target", metavar="FILE", help="Write it there instead of standard output.")
@click.option("--kept", is_flag=True, help="The html as it was before the thread was pruned.")
def report(code: str, form: str | None, target: str | None, kept: bool) -> None:
    """Write the report on an alert and its whole thread: who decided what, every message word for word, what became
    of each, and what to do about failures.

    It names no person and holds no address. The html is one file without scripts that loads nothing.
    """
    from console.office import Need, opened
    from kentongan.ledger import alerts

    with opened(Need.NOTHING) as office:
        alert_id = office.house.ledger.read(lambda read: alerts.id_by_handle(read, code))
        if kept:
            pieces = _kept(office, alert_id, code, form, target)
        else:
            pieces = _pieces(office, alert_id, form or _by_name(target))
        if target is None:
            for piece in pieces:
                click.echo(output.printable(piece) if sys.stdout.isatty() else piece, nl=False)
        else:
            _write(Path(target), pieces)
            output.warn(f"the report is in {target}")


def _by_name(target: str | None) -> str:
    if output.wants_json():
        return "json"
    ending = Path(target).suffix.lower() if target is not None else ""
    return next((form for form, known in FORMS.items() if ending == known), "markdown")


def _pieces(office: Office, alert_id: str, form: str) -> Iterable[str]:
    from kentongan import report as reporting

    ledger, agency = office.house.ledger, office.settings.agency
    content = ledger.read(lambda read: reporting.read(read, alert_id))
    for damaged in content.damaged:
        output.warn(damaged.sentence)
    match form:
        case "html":
            name = agency.name if office.configured else ""
            yield reporting.html(content, timezone=agency.timezone, agency=name)
        case "csv":
            for part in content.parts:
                if part.standing.pruned_at is not None:
                    output.warn(f"{part.code}: {telling.pruned(part.standing.pruned_at, ZoneInfo(agency.timezone))}")
            yield from reporting.deliveries_csv(ledger, content)
        case "json":
            yield json.dumps(reporting.document(content), ensure_ascii=False, indent=2) + "\n"
        case _:
            yield reporting.markdown(content, timezone=agency.timezone)


def _kept(office: Office, alert_id: str, code: str, form: str | None, target: str | None) -> Iterable[str]:
    """The page that was written before a thread was pruned. Raises BadInput, DamagedRecord."""
    from kentongan.safekeeping import reports

    if form not in (None, "html") or output.wants_json() or (target is not None and _by_name(target) != "html"):
        raise BadInput("what was kept is html; leave out --format and --json, and name a file that ends in .html")
    page = office.house.ledger.read(lambda read: reports.page(read, office.house.state.reports, alert_id))
    if page is None:
        raise BadInput(f"{code} is not pruned, so its report can still be made of the record; leave out --kept")
    return (page,)


def _write(path: Path, pieces: Iterable[str]) -> None:
    """Writes the file as a whole or not at all, so that nobody files half a report."""
    # A device, a pipe or a link is written to and never put in the place of.
    plain = not path.is_symlink() and (path.is_file() or not path.exists())
    target = path.with_name(f".{path.name}.{os.getpid()}.part") if plain else path
    try:
        with target.open("w", encoding="utf-8", errors="backslashreplace", newline="") as file:
            file.writelines(pieces)
        if plain:
            target.replace(path)
    except OSError as error:
        raise BadInput(f"{path} cannot be written: {error.strerror}; name another with -o") from None
    finally:
        if plain:
            target.unlink(missing_ok=True)

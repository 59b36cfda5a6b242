"""`kentongan report`: everything on one alert, for whoever reviews it."""

from __future__ import annotations

import json
from pathlib import Path

import click

from console import output
from console.command import HANDLE, command


@command("report")
@click.argument("code", type=HANDLE)
@click.option("--format", "form", type=click.Choice(["markdown", "json"]), help="Markdown unless --json is given.")
@click.option("-o", "--output", "target", metavar="FILE", help="Write it there instead of standard output.")
def report(code: str, form: str | None, target: str | None) -> None:
    """Write the report on an alert: who decided what, every message as it went out, and what became of each.

    It names no person and holds no address.
    """
    from console.commands.export import write_file
    from console.office import Need, opened
    from kentongan import report as reporting
    from kentongan.ledger import alerts

    with opened(Need.NOTHING) as office:
        ledger = office.house.ledger
        stored = ledger.read(lambda read: alerts.by_handle(read, code))
        content = ledger.read(lambda read: reporting.read(read, stored.id))
        if form == "json" or (form is None and output.wants_json()):
            text = json.dumps(reporting.document(content), ensure_ascii=False, indent=2) + "\n"
        else:
            text = reporting.markdown(content, timezone=office.settings.agency.timezone)
        if target is None:
            click.echo(output.printable(text), nl=False)
        else:
            write_file(Path(target), text.encode("utf-8"))
            output.warn(f"the report is in {target}")

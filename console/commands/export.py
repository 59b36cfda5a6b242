"""`kentongan alert export`: an alert as CAP 1.2 XML."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from console import output
from console.command import HANDLE, Lazy, LazyGroup, command
from kentongan.errors import BadInput

alert = LazyGroup(
    name="alert",
    help="Write an alert as CAP 1.2 XML.",
    lazy={"export": Lazy("console.commands.export:export", "Write an alert as CAP 1.2 XML.")},
)


@command("export")
@click.argument("code", type=HANDLE)
@click.option("-o", "--output", "target", metavar="FILE", help="Write it there instead of standard output.")
def export(code: str, target: str | None) -> None:
    """Write an alert as CAP 1.2 XML; contacts nobody.

    What was sent is written as it was published, a draft as it would be.
    """
    from console.office import Need, opened
    from kentongan.desk import exporting

    with opened(Need.STAND_IN) as office:
        made = exporting.export(office.desk, code)
        if output.wants_json():
            content = made.document.decode("utf-8")
            output.document({"code": made.alert.code, "id": made.alert.id, "as_sent": made.as_sent, "cap": content})
        elif target is None:
            sys.stdout.buffer.write(made.document)
            sys.stdout.buffer.flush()
        if target is not None:
            write_file(Path(target), made.document)


def write_file(path: Path, content: bytes) -> None:
    """Writes a file that somebody asked for; raises BadInput where it cannot be."""
    try:
        path.write_bytes(content)
    except OSError as error:
        raise BadInput(f"{path} cannot be written: {error.strerror}; name another with -o") from None

"""One call of the command: the options that every command takes, and what they say."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click


@dataclass(slots=True)
class Invocation:
    """The options common to all commands, wherever on the line they stood."""

    config: Path | None = None
    state: Path | None = None
    service: str | None = None
    json: bool = False
    no_color: bool = False
    verbose: bool = False
    documented: bool = False
    """Whether the JSON document has been written."""


def current() -> Invocation:
    """The invocation of the command that runs now."""
    return click.get_current_context().ensure_object(Invocation)


def _keep(context: click.Context, parameter: click.Parameter, value: Any) -> None:
    if value is not None and value is not False:
        assert parameter.name is not None
        setattr(context.ensure_object(Invocation), parameter.name, value)


def common_options() -> list[click.Option]:
    """The options that every command takes, new for each."""
    folder = click.Path(path_type=Path)
    return [
        click.Option(
            ["--config"], type=folder, metavar="DIR", callback=_keep, expose_value=False, help="Config folder."
        ),
        click.Option(
            ["--state"], type=folder, metavar="DIR", callback=_keep, expose_value=False, help="Folder of the ledger."
        ),
        click.Option(
            ["--service"],
            metavar="URL",
            callback=_keep,
            expose_value=False,
            help="Ask this service over TLS, from an officer's own machine.",
        ),
        click.Option(
            ["--json"], is_flag=True, callback=_keep, expose_value=False, help="One JSON document on standard output."
        ),
        click.Option(["--no-color"], is_flag=True, callback=_keep, expose_value=False, help="Plain text."),
        click.Option(
            ["-v", "--verbose"], is_flag=True, callback=_keep, expose_value=False, help="Log to standard error."
        ),
    ]

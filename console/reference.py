"""The page on all commands, made from the commands themselves: `python -m console.reference > docs/commands.md`."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterator

import click

from console import exits
from console.invocation import Invocation, common_options
from console.main import root

_INTRODUCTION = """\
# Commands

<!-- Made by `python -m console.reference`; a test fails when it is not current. -->

An alert is named by its code (`K7Q4`, also as it stands in a text, `K7Q4-ID`) or its id. Every command takes the
common options, anywhere behind its name. Without a config, whatever contacts nobody still runs, in UTC and with a
warning; what may contact people is refused. Warnings and progress go to standard error, results to standard output.
"""


def page() -> str:
    """The whole page, as Markdown."""
    parts = [
        _INTRODUCTION,
        "## Common options\n",
        *_options(common_options()),
        "",
        "## Exit codes\n",
        _exit_codes(),
        "",
    ]
    context = click.Context(root, info_name="kentongan", obj=Invocation())
    for name in root.list_commands(context):
        parts += _command(root.get_command(context, name), name, context)
    return "\n".join(parts).rstrip() + "\n"


def _exit_codes() -> str:
    _, _, table = inspect.cleandoc(exits.__doc__ or "").partition("\n\n")
    rows: list[list[str]] = []
    for line in table.splitlines():
        code, meaning = (cell.strip() for cell in line.strip("|").split("|"))
        if code or not rows:
            rows.append([code, meaning])
        else:
            # The table of the module breaks its lines; Markdown's cannot.
            rows[-1][1] += f" {meaning}"
    rows[1] = ["---", "---"]
    return "\n".join(f"| {code} | {meaning} |" for code, meaning in rows)


def _command(command: click.Command | None, name: str, parent: click.Context) -> Iterator[str]:
    assert command is not None
    context = click.Context(command, info_name=name, parent=parent)
    own = [parameter for parameter in command.params if parameter.name not in _COMMON]
    usage = " ".join(command.collect_usage_pieces(context))
    yield f"## {context.command_path}\n"
    yield f"`{context.command_path} {usage}`\n"
    yield inspect.cleandoc(command.help or "") + "\n"
    options = [parameter for parameter in own if isinstance(parameter, click.Option)]
    if options:
        yield from _options(options)
        yield ""
    if isinstance(command, click.Group):
        for under in command.list_commands(context):
            yield from _command(command.get_command(context, under), under, context)


def _options(options: list[click.Option]) -> Iterator[str]:
    yield "| option | what |"
    yield "| --- | --- |"
    context = click.Context(click.Command("any"))
    for option in options:
        record = option.get_help_record(context)
        if record is not None:
            shown, told = record
            yield f"| `{shown.replace('|', '/')}` | {told.replace('|', '/')} |"


_COMMON = {option.name for option in common_options()}


if __name__ == "__main__":
    sys.stdout.write(page())

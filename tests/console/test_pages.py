"""What the README and the docs say to type is there: every command of ours in them, with the options it is given."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from console.command import LazyGroup
from console.invocation import Invocation
from console.main import root

REPOSITORY = Path(__file__).resolve().parents[2]
PAGES = {
    path.name: path.read_text("utf-8")
    for path in (REPOSITORY / "README.md", *sorted((REPOSITORY / "docs").glob("*.md")))
    if path.name != "commands.md"  # made from the commands themselves
}
BLOCK = re.compile(r"^```(?:console|bash|sh)?(?: [^\n]*)?\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SPAN = re.compile(r"`(kentongan [a-z][^`\n]*)`")


def typed() -> Iterator[tuple[str, str]]:
    """Each command of ours in a block of code, with its page."""
    for page, text in PAGES.items():
        for body in BLOCK.findall(text):
            for line in body.replace("\\\n", " ").splitlines():
                told = re.sub(r"(^|\s)#\s.*", "", line.removeprefix("$ "))
                # A line may hold several commands; where its output goes is no matter of ours.
                for part in re.split(r" && | \| | > ", told):
                    if re.match(r"\s*kentongan [a-z]", part):
                        yield page, " ".join(part.split())


def named() -> Iterator[tuple[str, str]]:
    """Each command of ours in running text, which may leave out what it is given."""
    for page, text in PAGES.items():
        for span in SPAN.findall(BLOCK.sub("", text)):
            yield page, span


def found(line: str) -> tuple[click.Command, click.Context, list[str]]:
    """The command of a line, and what it is given."""
    words = shlex.split(line)[1:]
    context = click.Context(root, info_name="kentongan", obj=Invocation())
    command: click.Command = root
    while isinstance(command, LazyGroup):
        if words and words[0] in command.lazy:
            name = words.pop(0)
        elif command.default is not None:
            name = command.default
        else:
            assert not words, f"{line}: {words[0]} is no command"
            break
        below = command.get_command(context, name)
        assert below is not None
        command, context = below, click.Context(below, info_name=name, obj=Invocation(), parent=context)
    return command, context, words


@pytest.mark.parametrize(("page", "line"), sorted(set(typed())))
def test_what_a_page_says_to_type_is_taken(page: str, line: str) -> None:
    command, context, words = found(line)
    assert not isinstance(command, LazyGroup), f"{line}: names no command"
    command.make_context("kentongan", words, parent=context.parent)


@pytest.mark.parametrize(("page", "line"), sorted(set(named())))
def test_what_a_page_names_is_a_command_with_such_options(page: str, line: str) -> None:
    command, context, words = found(line)
    options = {name for each in command.get_params(context) for name in (*each.opts, *each.secondary_opts)}
    assert {word.partition("=")[0] for word in words if word.startswith("--")} <= options | {"--help"}


def test_pages_are_read() -> None:
    assert len(set(typed())) > 50
    assert len(set(named())) > 30


@pytest.mark.parametrize(
    "path",
    [*(REPOSITORY / "docs").rglob("*.md"), *(REPOSITORY / name for name in ("README.md", "benchmarks/README.md"))],
    ids=lambda path: path.name,
)
def test_lines_of_a_page_are_no_longer_than_those_of_code(path: Path) -> None:
    lines = enumerate(path.read_text("utf-8").splitlines(), 1)
    # A row of a table is one line.
    assert [number for number, line in lines if len(line) > 120 and not line.startswith("|")] == []

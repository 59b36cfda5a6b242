"""The page on the first hour says what happens: the program takes every command in it, and the whole of it plays."""

from __future__ import annotations

from pathlib import Path

import click
import pytest

from benchmarks import first_hour
from console.command import LazyGroup
from console.invocation import Invocation
from console.main import root

PAGE = first_hour.PAGE.read_text("utf-8")


def ours() -> list[str]:
    return [line for line in first_hour.commands(PAGE) if line.startswith("kentongan ")]


@pytest.mark.parametrize("line", sorted(set(ours())))
def test_every_command_of_the_page_is_one_and_takes_its_options(line: str) -> None:
    words = line.split()[1:]
    command: click.Command | None = root
    context: click.Context | None = None
    while isinstance(command, LazyGroup):
        context = click.Context(command, info_name="kentongan", obj=Invocation(), parent=context)
        command = command.get_command(context, words[0])
        assert command is not None, f"{line}: {words[0]} is no command"
        words = words[1:]
    assert command is not None
    command.make_context("kentongan", words, parent=context)


def test_the_page_goes_from_nothing_to_a_report() -> None:
    named = [line.split()[1] for line in ours()]
    for command in ("init", "sandbox", "serve", "officer", "people", "check", "approve", "report"):
        assert command in named
    assert named[0] == "init"
    assert named[-1] == "report"


def test_questions_and_answers_are_told_from_commands_and_output() -> None:
    (block,) = first_hour.blocks("```console\n$ one --two\nName [x: y]: an answer⏎\nOther: ⏎\nseen\n```\n")
    assert [(line.text, line.typed, line.after) for line in block.lines] == [
        ("one --two", True, None),
        ("an answer", True, "Name [x: y]:"),
        ("", True, "Other:"),
        ("seen", False, None),
    ]


def test_a_page_that_says_what_does_not_happen_is_found(tmp_path: Path) -> None:
    with pytest.raises(first_hour.Stuck, match="ended with 1"):
        first_hour.play("```console\n$ false\n```\n", tmp_path, pace=0.0)
    with pytest.raises(first_hour.Stuck, match="never said 'three'"):
        first_hour.play("```console\n$ echo one\nthree\n```\n", tmp_path, pace=0.0, patience=1.0)


@pytest.mark.slow
@pytest.mark.prefect
def test_the_whole_page_plays(tmp_path: Path) -> None:
    steps = first_hour.play(PAGE, tmp_path, pace=0.0)
    assert [step.command for step in steps] == first_hour.commands(PAGE)
    keys = sum(step.keys for step in steps)
    assert keys * 60 / 200 < 480, "typing alone leaves no time of the ten minutes"

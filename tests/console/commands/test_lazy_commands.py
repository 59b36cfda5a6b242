"""What the command line costs before it does anything."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import click
import pytest

from console.command import LazyGroup
from console.invocation import Invocation
from console.main import COMMANDS, root

REPOSITORY = Path(__file__).resolve().parents[3]
HEAVY = (
    "rich",
    "sqlalchemy",
    "pydantic",
    "httpx",
    "aiohttp",
    "prefect",
    "lxml",
    "jinja2",
    "yaml",
    "cryptography",
    "alembic",
    "tenacity",
)


def _loaded(line: str) -> set[str]:
    """The heavy packages that are loaded after this line of Python."""
    program = f"import sys, json\n{line}\nprint(json.dumps([n for n in sys.modules if '.' not in n]))"
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=REPOSITORY, capture_output=True, text=True, check=True, timeout=60
    )
    return set(json.loads(done.stdout.splitlines()[-1])) & set(HEAVY)


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["log", "--help"], ["sned"]])
def test_help_imports_nothing_heavy(arguments: list[str]) -> None:
    assert _loaded(f"from console.main import main\nmain({arguments!r})") == set()


def test_no_command_but_the_service_and_the_demo_imports_prefect() -> None:
    names = [name for name in COMMANDS if name not in ("serve", "demo", "sandbox")]
    line = f"from console.main import root\nfor name in {names!r}: root.get_command(None, name)"
    assert "prefect" not in _loaded(line)


SENDING = (
    "console.commands.send, console.following, console.forecasts, kentongan.desk.releases,"
    " kentongan.desk.forecasting, kentongan.dispatcher, channels.kannel, channels._http, channels._bulk"
)


def test_what_sends_has_no_frozen_dataclass_of_ours_that_takes_long_to_make() -> None:
    program = f"""
import sys, {SENDING}
ours = ("kentongan", "channels", "flows", "console")
classes = [c for n, m in sys.modules.items() if n.partition(".")[0] in ours for c in vars(m).values()]
made = [c for c in classes if isinstance(c, type) and c.__module__.partition(".")[0] in ours]
slow = [c for c in made if "__slots__" in vars(c) and getattr(vars(c).get("__dataclass_params__"), "frozen", False)]
print(len(made), *{{f"{{c.__module__}}.{{c.__qualname__}}" for c in slow}})
"""
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=REPOSITORY, capture_output=True, text=True, check=True, timeout=60
    )
    seen, *slow = done.stdout.split()
    assert int(seen) > 100
    assert not slow, "take `dataclass` from kentongan.quick_dataclass"


def test_what_sends_imports_nothing_that_renders_draws_or_migrates() -> None:
    assert _loaded(f"import {SENDING}") & {"rich", "prefect", "lxml", "jinja2", "alembic", "tenacity"} == set()


def _all(group: LazyGroup, context: click.Context) -> list[tuple[str, click.Command]]:
    found = []
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        found.append((name, command))
        if isinstance(command, LazyGroup):
            found += _all(command, context)
    return found


def test_every_command_of_the_table_is_there_under_its_name() -> None:
    found = _all(root, click.Context(root, obj=Invocation()))
    assert {name for name, _ in found} >= set(COMMANDS)
    for name, command in found:
        assert command.name == name
        assert command.help


def test_the_page_on_commands_is_current() -> None:
    from console.reference import page

    assert (REPOSITORY / "docs" / "commands.md").read_text("utf-8") == page()


def test_what_sends_from_a_file_imports_nothing_of_postgres() -> None:
    program = f"import sys, {SENDING}, kentongan.ledger.schema\nprint(*(n for n in sys.modules if 'postgresql' in n))"
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=REPOSITORY, capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.split() == []

"""A command in a process that can open next to no file: one sentence with the remedy, and no trace."""

from __future__ import annotations

import resource
import subprocess
from pathlib import Path

import pytest

from tests.console.commands.conftest import REPOSITORY, arguments_of


@pytest.mark.parametrize("limit", [5, 6, 7])
def test_it_says_in_one_sentence_how_the_limit_is_raised(surroundings: Path, limit: int) -> None:
    ran = subprocess.run(
        arguments_of("stop", "K7Q4"),
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit)),
    )
    assert ran.returncode == 2, ran.stderr
    (line,) = ran.stderr.splitlines()
    assert "no file handle left; raise its limit (`ulimit -n 4096`" in line

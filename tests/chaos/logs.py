"""What the processes of a rehearsal have said of themselves: an exception that nobody expected is a fault of ours."""

from __future__ import annotations

import json
from pathlib import Path

_EXPECTED = ("LedgerUnavailable",)
_TRACEBACK = "Traceback (most recent call last)"


def faults(root: Path) -> list[str]:
    """Each exception that a log below `root` holds, once, and whether an officer was shown a traceback."""
    found: dict[str, None] = {}
    for path in sorted(root.glob("*/log/*.log*")):
        if path.name.startswith("prefect.log"):
            continue
        for line in path.read_text("utf-8", "replace").splitlines():
            try:
                said = json.loads(line)
            except ValueError:
                # Cut off by a kill, or by a full disk.
                continue
            kind = str(said.get("exception", "")).partition("\n")[0] if isinstance(said, dict) else ""
            if kind and kind not in _EXPECTED:
                found[f"{path.parent.parent.name}/{path.name}: {said.get('message')}, {kind}"] = None
    commands = root / "commands.log"
    if commands.exists() and _TRACEBACK in commands.read_text("utf-8", "replace"):
        found["commands.log shows a traceback"] = None
    return list(found)

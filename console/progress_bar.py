"""How far a long piece of work is, on a terminal: how much is done, and how fast."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Iterator

from console import output

_EVERY = 0.1  # seconds between two drawings


@contextlib.contextmanager
def progress(label: str, total: int | None = None, *, unit: str = "rows") -> Iterator[Callable[[int], None]]:
    """Gives what is to be told how much is done; shows nothing where nobody sits before a terminal."""
    if output.wants_json() or not sys.stderr.isatty():
        yield lambda done: None
        return
    from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn(f"{{task.completed:,.0f}} {unit}"),
        TextColumn("{task.fields[pace]}"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=output.terminal(error=True), transient=True) as bar:
        task = bar.add_task(label, total=total, pace="")
        began = drawn = time.monotonic()

        def tell(done: int) -> None:
            nonlocal drawn
            now = time.monotonic()
            if now - drawn >= _EVERY:
                drawn = now
                bar.update(task, completed=done, pace=f"{done / (now - began):,.0f} a second")

        yield tell

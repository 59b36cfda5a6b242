"""The page on all channels, made from their traits, limits and settings, so that it cannot say anything else."""

from __future__ import annotations

import math
import textwrap
from typing import Any

import channels
from kentongan.seam import Traits
from kentongan.settings import InstanceSettings

_INTRODUCTION = """\
# Channels

<!-- Made by `python -m channels`; a test fails when it is not current. -->

Each kind is one module in `channels/`. What it can do is the same for all its instances; limits are those of an
instance whose config sets none of its own. Every kind refuses a message of the other mode, and a drill whose mark
does not stand first and last.
"""

_COMMON = """
## Settings of every kind

These stand in `channels.yaml` under the name of the instance. A secret is never written there: the field names an
environment variable (`{env: NAME}`) or a file (`{file: PATH}`), which may be replaced while the service runs.
"""


def page() -> str:
    """The whole page, as Markdown."""
    rows = [
        "| kind | readers | a repeat | look-up | edit | delete | receipts | length | a second | at once | too late |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    rows += [_row(kind) for kind in channels.kinds()]
    parts = [_INTRODUCTION, "\n".join(rows), _COMMON, _fields(InstanceSettings, {})]
    for kind in channels.kinds():
        parts += [
            f"\n## {kind}\n\n{_about(kind)}\n",
            _fields(channels.settings_model(kind), InstanceSettings.model_fields),
        ]
    return "\n".join(parts) + "\n"


def _row(kind: str) -> str:
    traits, limits = channels.traits(kind), channels.default_limits(kind)
    cells = (
        f"[{kind}](#{kind})",
        _readers(traits),
        _repeat(traits),
        *("yes" if able else "no" for able in (traits.find, traits.edit, traits.delete, traits.receipts)),
        f"{limits.length:,} ({limits.counting})",
        f"{limits.rate:g}",
        str(limits.concurrency),
        f"{limits.deliver_within / 60:g} min",
    )
    return f"| {' | '.join(cells)} |"


def _readers(traits: Traits) -> str:
    people = f"people by {traits.family}" if traits.family else ""
    return " or ".join(part for part in ("everybody" if traits.public else "", people) if part)


def _repeat(traits: Traits) -> str:
    if traits.idempotent is None:
        return "is a second message"
    window = traits.idempotent.window
    return "is dropped" if math.isinf(window) else f"is dropped for {window / 60:g} min"


def _about(kind: str) -> str:
    text = __import__(f"channels.{kind}", fromlist=["_"]).__doc__ or ""
    first, _, _ = text.strip().partition("\n\n")
    return textwrap.fill(" ".join(first.split()), 120, break_long_words=False, break_on_hyphens=False)


def _fields(model: type[InstanceSettings], without: Any) -> str:
    rows = ["| field | must | default | what |", "| --- | --- | --- | --- |"]
    for name, field in model.model_fields.items():
        if name in without and field.default == without[name].default:
            continue
        default = "" if field.is_required() or field.default is None else f"`{field.default}`"
        rows.append(f"| `{name}` | {'yes' if field.is_required() else 'no'} | {default} | {field.description} |")
    return "\n".join(rows)

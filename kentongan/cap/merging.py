"""Puts together what a sender publishes in parts: one document per language, all of one alert."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import datetime

from kentongan.cap.model import Alert
from kentongan.cap.reading import Reading
from kentongan.errors import BadInput

_TOLD = ("sender", "identifier", "sent", "status", "msg_type", "scope")
_MUST_AGREE = (*_TOLD, "restriction", "addresses", "references")
_FIRST_STANDS = ("source", "codes", "note", "incidents")
_NAMES = {"msg_type": "msgType", "codes": "code"}


def merge(readings: Sequence[Reading]) -> Reading:
    """Returns one reading with the infos of all `readings`, in their order.

    They must be one sender's one message: sender, identifier, sent, status, msgType, scope, restriction, addresses
    and references agree. The same document twice counts once. Of source, code, note and incidents the first that is
    given stands, with a warning where another differs. `version` is that of the first; `digest` does not depend on
    the order. Raises BadInput that names what differs, also where two say different things in the same language.
    """
    if not readings:
        raise BadInput("no CAP document was given; name at least one")
    distinct = tuple({reading.digest: reading for reading in readings}.values())
    first = distinct[0]
    if len(distinct) == 1:
        return first
    merged = first.alert
    differing: list[str] = []
    for other in distinct[1:]:
        repeated = [name for name in _FIRST_STANDS if getattr(merged, name) and getattr(other.alert, name)]
        differing += [name for name in repeated if _differs(merged, other.alert, name)]
        merged = _add(merged, other.alert)
    digest = hashlib.sha256("".join(sorted(reading.digest for reading in distinct)).encode()).hexdigest()
    told = [warning for reading in distinct for warning in reading.warnings]
    told += [f"{_NAMES.get(name, name)} differs between the documents; the first one stands" for name in differing]
    return Reading(merged, first.version, tuple(dict.fromkeys(told)), digest)


def _add(merged: Alert, other: Alert) -> Alert:
    for name in _MUST_AGREE:
        if _differs(merged, other, name):
            # Values of the last three are left untold: they may name people.
            told = f" ({_shown(getattr(merged, name))}, {_shown(getattr(other, name))})" if name in _TOLD else ""
            raise BadInput(
                f"the CAP documents are not one alert: they differ in {_NAMES.get(name, name)}{told}; draft them apart"
            )
    infos = list(merged.infos)
    for info in other.infos:
        if info in infos:
            continue
        if any(info.language.lower() == known.language.lower() for known in merged.infos):
            raise BadInput(
                f"two of the CAP documents say different things in the language {info.language};"
                " give one document for each language"
            )
        infos.append(info)
    changes: dict[str, object] = {name: getattr(merged, name) or getattr(other, name) for name in _FIRST_STANDS}
    changes["infos"] = tuple(infos)
    return merged.model_copy(update=changes)


def _differs(merged: Alert, other: Alert, name: str) -> bool:
    return bool(getattr(merged, name) != getattr(other, name))


def _shown(value: object) -> str:
    text = value.isoformat() if isinstance(value, datetime) else str(value)
    return repr(text if len(text) <= 60 else text[:59] + "…")

"""Routes in words: by which rule a channel was chosen, and what follows where people are not reached."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kentongan.routes import Following


def chosen_by(rules: Mapping[str, str], following: Following, name: str) -> str:
    """Why an alert goes to a channel, to stand behind its name; "" where no rule had a say."""
    if name in following.spare:
        before = [other for each in following.fallbacks if name in each.to for other in each.on]
        return f", only for whom {' and '.join(before)} did not reach" if before else ", only for whom it had reached"
    return f", by rule {rules[name]}" if rules.get(name) else ""


def lines(following: Following) -> list[str]:
    """What follows, a sentence each."""
    told = [
        f"Whoever is not reached on {' or '.join(each.on)} within {duration(each.after)} gets it on"
        f" {', then on '.join(each.to)}."
        for each in following.fallbacks
    ]
    told += [
        f"On {' and '.join(each.on)} the group {each.groups[0]} comes first; every {duration(each.after)} with fewer"
        f" than {each.until:,} answers the next is written to: {', then '.join(each.groups[1:])}."
        for each in following.escalations
    ]
    return told


def duration(seconds: float) -> str:
    """Seconds as people say them: "90 s", "5 min", "2 h"."""
    if seconds >= 3600 and seconds % 3600 == 0:
        return f"{seconds / 3600:g} h"
    return f"{seconds / 60:g} min" if seconds >= 60 and seconds % 60 == 0 else f"{seconds:g} s"


def to_json(following: Following) -> dict[str, Any]:
    """The same with stable keys."""
    return {
        "fallbacks": [{"on": list(e.on), "to": list(e.to), "after": e.after} for e in following.fallbacks],
        "escalations": [
            {"on": list(e.on), "groups": list(e.groups), "until": e.until, "after": e.after}
            for e in following.escalations
        ],
        "spare": list(following.spare),
    }

"""Sending through the resident service: it is asked what an alert would do, and to press; nothing heavy is imported."""

from __future__ import annotations

import http.client
import os
from collections.abc import Mapping, Sequence
from typing import Any

from console import output
from console.ahead import Ahead
from console.invocation import current
from console.service import client
from kentongan import config_place
from kentongan.errors import BadInput, KentonganError, LedgerUnavailable, Refused
from kentongan.quick_dataclass import dataclass
from kentongan.state import SPARE_VARIABLE, State

_THERE_WITHIN = 0.3
"""Seconds in which a service that is to send says that it is there."""

_LOOKED_WITHIN = 3.0
_PRESSED_WITHIN = 10.0
"""Seconds that are waited for an answer, before this command does it itself."""

_NO_ANSWER = (OSError, http.client.HTTPException, ValueError, KeyError, TypeError)


@dataclass(frozen=True, slots=True)
class There:
    """A service that has looked at an alert for this command; `ahead` is to be confirmed, then `press`."""

    state: State
    ahead: Ahead
    _asked: Mapping[str, Any]

    def press(self) -> tuple[str, ...] | None:
        """Has the alert sent; returns the ids of what says that drills were stopped.

        None where no answer came: whether it is on its way, the ledger says. Raises KentonganError where nothing was
        sent.
        """
        asked = {**self._asked, "handle": self.ahead.id}
        try:
            answer = client.ask(self.state, "POST", "/v1/press", asked, timeout=_PRESSED_WITHIN)
            ends, fault = tuple(map(str, answer["ends"])), answer["fault"]
            error = _error(fault) if fault is not None else None
        except _NO_ANSWER:
            return None
        if error is not None:
            raise error
        return ends


def look(code: str, without: Sequence[str], *, place_given: bool) -> There | None:
    """Has the service look at an alert, and writes what it found; None where this command must do it itself.

    That is so where no service runs, where it has another config, and where anything is wrong: this command says what.
    """
    if SPARE_VARIABLE in os.environ:
        return None
    try:
        invocation = current()
        folder = config_place.find_config(invocation.config)
        state = State.find(invocation.state)
        if folder is None or client.ask(state, "GET", "/v1/health", None, timeout=_THERE_WITHIN)["taking"] is not True:
            return None
        asked = {
            "handle": code,
            "without": list(without),
            "config": str(folder.absolute()),
            "database": state.database.fingerprint if state.database is not None else "",
            "login": _login(os.environ),
        }
        wanted = {"shown": not output.wants_json(), "place_given": place_given}
        found = client.ask(state, "POST", "/v1/look", {**asked, **wanted}, timeout=_LOOKED_WITHIN)
        told, seen = found["told"], found["ahead"]
        ahead = Ahead(**{**seen, "areas": tuple(seen["areas"]), "instances": tuple(seen["instances"])})
    except (KentonganError, *_NO_ANSWER):
        return None
    output.replay(told)
    return There(state, ahead, asked)


def _login(environment: Mapping[str, str]) -> dict[str, str]:
    """What says where this user's login lies, for a process that works in another folder."""
    named = {name: environment[name] for name in ("KENTONGAN_LOGIN", "XDG_RUNTIME_DIR") if environment.get(name)}
    return {name: os.path.abspath(value) if name == "KENTONGAN_LOGIN" else value for name, value in named.items()}


def _error(fault: Mapping[str, Any]) -> KentonganError:
    sentence = str(fault["sentence"])
    if fault["kind"] == "Refused":
        return Refused(sentence, rule=str(fault["rule"]))
    return LedgerUnavailable(sentence) if fault["kind"] == "LedgerUnavailable" else BadInput(sentence)

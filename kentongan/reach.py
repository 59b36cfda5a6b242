"""Whom of an audience an alert may be sent to: opt-outs, and the addresses that a Private alert names."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from pydantic import BaseModel, ConfigDict

from kentongan import cap
from kentongan.addresses import FAMILIES, NUMBERED, normalise
from kentongan.alert import life_at_stake, worst_severity
from kentongan.cap.model import Scope, Status
from kentongan.errors import BadInput
from kentongan.settings import Policy

_SCHEMES = {"tel": "phone", "sms": "phone", "mailto": "email"}


class Reach(BaseModel):
    """What of an audience is left.

    `despite_opt_outs`: those who opted out too, because life is at stake and policy says so. `addressees`: only people
    with one of these keyed hashes, of an address or a reference; None: nobody is named.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    despite_opt_outs: bool = False
    addressees: tuple[str, ...] | None = None


def reach_of(alert: cap.Alert, policy: Policy, identify: Callable[[str, str], str]) -> Reach:
    """Whom `alert` may be sent to; `identify(family, value)` gives the keyed hash (`StateKeys.address_hash`).

    Only a live alert is ever sent to those who opted out: a drill is no danger to life.
    """
    excepted = (
        alert.status is Status.ACTUAL
        and life_at_stake(alert)
        and worst_severity(alert).value in policy.opt_out_exception
    )
    if alert.scope is not Scope.PRIVATE:
        return Reach(despite_opt_outs=excepted)
    return Reach(despite_opt_outs=excepted, addressees=tuple(sorted(_hashes(alert.addresses, identify))))


def _hashes(addresses: Iterable[str], identify: Callable[[str, str], str]) -> set[str]:
    """The hashes of all that an address may be: an agency's own reference, or an address of any family.

    Only what is written in full counts: a number needs its +, since a wrong guess of the country is somebody else.
    """
    found = set()
    for address in addresses:
        found.add(identify("reference", address))
        scheme, colon, rest = address.partition(":")
        family = _SCHEMES.get(scheme.lower(), scheme.lower()) if colon else ""
        tries = [(family, rest)] if family in FAMILIES else [(family, address) for family in FAMILIES]
        for of, value in tries:
            if of in NUMBERED and not value.startswith("+"):
                continue
            try:
                found.add(identify(of, normalise(of, value, default_region="ID").value))
            except (BadInput, ValueError):
                continue
    return found

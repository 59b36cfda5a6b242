"""What to do about deliveries that reached nobody: every way of ending so has one remedy."""

from __future__ import annotations

import enum

from kentongan.overview import Cause
from kentongan.policy import Reason
from kentongan.seam import Why


class Remedy(enum.Enum):
    """What lies behind a failure, and what to do about it, in one sentence each."""

    OFFICER = (
        "Nobody knows whether it arrived",
        "`kentongan status CODE` lists them: look on the provider's page or ask who should have it, then settle each"
        " with `kentongan resolve DELIVERY --sent` or `--not-sent`.",
    )
    ACCOUNT = (
        "Our account or configuration was refused",
        "Renew what channels.yaml names for the channel, then run `kentongan check --channels` before the next alert.",
    )
    MESSAGE = (
        "The provider refused the message itself",
        "It would refuse it again: mend the layout, template or setting that the reason names, and rehearse it with a"
        " drill.",
    )
    ADDRESS = (
        "The address was refused",
        "Put these addresses right at their source and import the list anew with `kentongan people import`.",
    )
    UNREACHABLE = (
        "The provider took it and could not hand it over",
        "Telephone off, out of reach, or no longer in use: give such people another channel (fallback in routes.yaml),"
        " and drop numbers that never answer.",
    )
    CONNECTION = (
        "It never left, and then it was too late",
        "Look at the network and the provider's own status page; a fallback in routes.yaml would have tried another"
        " channel.",
    )
    TOO_SLOW = (
        "Its turn came too late to be of use",
        "Raise the channel's rate with the provider, or spread people over more channels.",
    )
    STOPPED = (
        "Stopped or followed by another message before it was sent",
        "Nothing to mend: it was called off on purpose, see the decisions.",
    )
    RULE = (
        "A rule held it back at the last moment",
        "See the timeline for what was found; approve and send anew what should have gone.",
    )
    UNKNOWN = (
        "For a reason that is not on record",
        "See each attempt with `kentongan log --alert CODE` and tell whoever looks after Kentongan.",
    )

    def __init__(self, cause: str, action: str) -> None:
        self.cause = cause
        self.action = action


_BY_REASON: dict[Reason, Remedy] = {
    Reason.CREDENTIAL: Remedy.ACCOUNT,
    Reason.NEVER_LEFT: Remedy.CONNECTION,
    Reason.NEVER_LEFT_TOO_LATE: Remedy.CONNECTION,
    Reason.NEVER_LEFT_IN_DOUBT: Remedy.CONNECTION,
    Reason.NOT_FOUND: Remedy.CONNECTION,
    Reason.NOT_FOUND_TOO_LATE: Remedy.CONNECTION,
    Reason.SENDER_GONE: Remedy.TOO_SLOW,
    Reason.NOT_SENT: Remedy.RULE,
    Reason.BY_OFFICER: Remedy.STOPPED,
}
"""For deliveries that ended without a result: what their last attempt says."""


def remedy(cause: Cause) -> Remedy:
    """The remedy for deliveries that ended so."""
    match cause.word:
        case "in_doubt":
            return Remedy.OFFICER
        case "unreachable":
            return Remedy.UNREACHABLE
        case "rejected":
            return _refused(cause.reason)
        case "cancelled":
            return Remedy.STOPPED
        case "expired":
            return _late(cause.reason)
    return Remedy.UNKNOWN


def _refused(reason: str) -> Remedy:
    _, _, detail = reason.partition(f"{Reason.REFUSED}: ")
    if detail.startswith(Why.ADDRESS):
        return Remedy.ADDRESS
    if detail.startswith(Why.PAYLOAD):
        return Remedy.MESSAGE
    # A receipt that rejects is about the one number it came for.
    return Remedy.ADDRESS if reason.startswith("receipt") else Remedy.UNKNOWN


def _late(reason: str) -> Remedy:
    if not reason:
        return Remedy.TOO_SLOW
    for known, found in _BY_REASON.items():
        if reason == known or reason.startswith(f"{known}: "):
            return found
    return Remedy.UNKNOWN

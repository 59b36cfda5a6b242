"""An alert as an officer drafts it: a CAP message, the facts of its hazard, and where it came from."""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from datetime import datetime

from pydantic import AwareDatetime, BaseModel, ConfigDict, JsonValue

from kentongan import cap
from kentongan.cap.model import ResponseType, Severity, Status, Urgency
from kentongan.errors import Refused
from kentongan.pictures import Picture
from kentongan.seam import Mode


class Kind(enum.StrEnum):
    """What an alert does in its thread."""

    ALERT = "alert"
    UPDATE = "update"
    CANCEL = "cancel"
    ALL_CLEAR = "all-clear"
    CORRECTION = "correction"

    @property
    def widens(self) -> bool:
        """Whether it goes to an audience of its own; the others reach whom their thread has reached alone."""
        return self in (Kind.ALERT, Kind.UPDATE)

    @property
    def takes_back(self) -> bool:
        """Whether earlier messages of the thread hold no longer, so that they are marked where a channel edits."""
        return not self.widens


class Origin(BaseModel):
    """The message that an alert relays, as its first sender named it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    sender: str
    sender_name: str
    identifier: str
    sent: AwareDatetime


class Draft(BaseModel):
    """What an officer has put together; it never changes once dispatched.

    `cap` carries our own sender and identifier. `facts` are the values of the hazard's fields as its `hazard.yaml`
    types them (numbers, texts, lists of texts, times as ISO 8601 with a zone); empty for an imported CAP alert,
    whose words stand in its info blocks. `languages` are those it can be rendered in, first one first. `pictures`
    go with the alert's own messages, never with what withdraws it. `evidence` is what an all-clear rests on, in an
    officer's words, for approver and record; `issuers_end`: it passes on the issuer's own end message.
    `public_exercise`: an Exercise for everybody, on the real accounts.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    hazard: str
    cap: cap.Alert
    facts: Mapping[str, JsonValue] = {}
    languages: tuple[str, ...]
    origin: Origin | None = None
    pictures: tuple[Picture, ...] = ()
    evidence: str = ""
    issuers_end: bool = False
    public_exercise: bool = False
    warnings: tuple[str, ...] = ()

    @property
    def expires(self) -> datetime | None:
        """When the alert ends by itself."""
        return self.cap.expires

    @property
    def mode(self) -> Mode:
        """The mode it is sent in; raises Refused for a status that never leaves."""
        return mode_of(self.cap.status, public_exercise=self.public_exercise)


def mode_of(status: Status, *, public_exercise: bool = False) -> Mode:
    """Returns the mode that a CAP status sends in; raises Refused for the two that never leave.

    A public exercise is of status Exercise alone: a live alert that calls itself one is refused, and so is a test.
    """
    if public_exercise:
        if status is Status.EXERCISE:
            return Mode.EXERCISE
        raise Refused(f"a public exercise has status Exercise and this is {status}; draft it again", rule="mode")
    if status is Status.ACTUAL:
        return Mode.LIVE
    if status in (Status.EXERCISE, Status.TEST):
        return Mode.DRILL
    raise Refused(f"an alert of status {status} never leaves; draft it again with --drill or --test", rule="mode")


def life_at_stake(draft: cap.Alert) -> bool:
    """Whether any info block is Extreme or Severe, and Immediate or Expected (DESIGN section 5)."""
    return any(
        info.severity in (Severity.EXTREME, Severity.SEVERE) and info.urgency in (Urgency.IMMEDIATE, Urgency.EXPECTED)
        for info in draft.infos
    )


def has_life_at_stake(draft: Draft) -> bool:
    """The same of an alert that is Actual, or an Exercise on drill instances, which so rehearses it.

    A public exercise is worth no second message to anybody.
    """
    told = draft.cap.status in (Status.ACTUAL, Status.EXERCISE) and not draft.public_exercise
    return told and life_at_stake(draft.cap)


def acts_as(kind: Kind, alert: cap.Alert) -> Kind:
    """The kind by which officers' right to send is judged: whatever says nothing but AllClear is an all-clear."""
    cleared = bool(alert.infos) and all(ResponseType.ALL_CLEAR in info.response_types for info in alert.infos)
    return Kind.ALL_CLEAR if cleared and kind.widens else kind


def worst_severity(alert: cap.Alert) -> Severity:
    """The gravest severity of all info blocks; Unknown where there is none."""
    order: Sequence[Severity] = tuple(Severity)
    known = [info.severity for info in alert.infos if info.severity is not Severity.UNKNOWN]
    return min(known, key=order.index, default=Severity.UNKNOWN)

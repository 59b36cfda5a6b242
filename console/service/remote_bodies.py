"""What goes between the service and officers on other machines, as JSON; `timezone` is the one to show times in."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field, JsonValue


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Challenge(_Body):
    """What the next request is to be signed over, within a minute."""

    nonce: str


class Waiting(_Body):
    """One alert that waits for a second officer."""

    code: str
    mode: str
    kind: str
    says: str
    places: list[str]
    submitted_by: str
    submitted_at: str


class WaitingList(_Body):
    """What waits for approval by the officer who asks."""

    waiting: list[Waiting]
    timezone: str


class Signed(_Body):
    """An approval as it was signed on the officer's machine."""

    approval: dict[str, JsonValue]


class Approved(_Body):
    """That the alert is approved, and by whom."""

    code: str
    state: str
    by: list[str]
    warnings: list[str]


class Reason(_Body):
    """Why an alert is returned."""

    reason: str = Field(min_length=1, max_length=2000)


class State(_Body):
    """Where an alert is now."""

    code: str
    state: str


class Page(_Body):
    """An alert's standing, as `kentongan status CODE --json` gives it."""

    standing: dict[str, JsonValue]
    timezone: str


class Listed(_Body):
    """One alert of the list."""

    code: str
    kind: str
    mode: str
    state: str
    says: str
    break_glass: str | None
    review_due: bool
    in_doubt: int


class Listing(_Body):
    """All alerts, the newest first."""

    alerts: list[Listed]

"""Approvals: what officers sign before an alert may leave."""

from __future__ import annotations

import enum
from dataclasses import field, replace
from datetime import UTC, datetime
from typing import ClassVar

from pydantic import AwareDatetime, ConfigDict, JsonValue

from kentongan.officers import STORED, SigningKey, statement
from kentongan.quick_dataclass import dataclass


class Act(enum.StrEnum):
    """What an officer's signature means; one act's signature is never good for another's."""

    SUBMIT = "submit"
    APPROVE = "approve"
    APPROVE_BY_CODE = "approve-by-code"
    BREAK_GLASS = "break-glass"
    RELEASE = "release"


@dataclass(frozen=True, slots=True)
class ByCode:
    """How an approval came over the telephone: the code at `number` of the officer's sheet, taken down by another.

    The code is spent, so that it may stand in the record.
    """

    __pydantic_config__: ClassVar[ConfigDict] = STORED

    taken_by: str
    sheet: str
    number: int
    code: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Approval:
    """One officer's signed word on a subject's `digest`, with the people count that they were shown.

    `at` is in whole seconds, UTC. `reason` is what was typed to break the glass, else "". With `by_code` the signature
    is that of the officer who took the code down.
    """

    __pydantic_config__: ClassVar[ConfigDict] = STORED

    officer: str
    act: Act
    digest: str
    people: int
    at: AwareDatetime
    reason: str
    signature: bytes = field(repr=False)
    by_code: ByCode | None = None


def sign(key: SigningKey, *, act: Act, digest: str, people: int, now: datetime, reason: str = "") -> Approval:
    """Signs for the officer whose key it is."""
    at = now.astimezone(UTC).replace(microsecond=0)
    reason = reason.strip()
    unsigned = Approval(key.officer, act, digest, people, at, reason, b"")
    return replace(unsigned, signature=key.sign(signed_content(unsigned)))


def sign_by_code(
    key: SigningKey, *, officer: str, sheet: str, number: int, code: str, digest: str, people: int, now: datetime
) -> Approval:
    """Records an approval that `officer` gave over the telephone; `key` is that of the officer who took it down."""
    at = now.astimezone(UTC).replace(microsecond=0)
    taken = ByCode(key.officer, sheet, number, code)
    unsigned = Approval(officer, Act.APPROVE_BY_CODE, digest, people, at, "", b"", taken)
    return replace(unsigned, signature=key.sign(signed_content(unsigned)))


def signed_by(approval: Approval) -> str:
    """Whose signature an approval bears."""
    return approval.by_code.taken_by if approval.by_code is not None else approval.officer


def signed_content(approval: Approval) -> bytes:
    """The bytes that an approval's signature is over."""
    fields: dict[str, JsonValue] = {
        "officer": approval.officer,
        "digest": approval.digest,
        "people": approval.people,
        "reason": approval.reason,
    }
    taken = approval.by_code
    if taken is not None:
        fields |= {"taken_by": taken.taken_by, "sheet": taken.sheet, "number": taken.number, "code": taken.code}
    return statement(f"alert.{approval.act.value}", fields, approval.at)

"""How officers, statements, subjects and approvals are written down as JSON, and read back the same."""

from __future__ import annotations

from functools import cache
from typing import Any, TypeVar

from pydantic import JsonValue, TypeAdapter, ValidationError

from kentongan.approval import Approval
from kentongan.errors import BadInput
from kentongan.officers import Officer, Signed
from kentongan.subject import Subject

Stored = Officer | Signed | Subject | Approval
_T = TypeVar("_T", bound=Stored)


def to_json(value: Stored) -> dict[str, JsonValue]:
    """Returns `value` as JSON fields: bytes in base64, times in ISO 8601."""
    fields: dict[str, JsonValue] = _adapter(type(value)).dump_python(value, mode="json")
    return fields


def from_json(kind: type[_T], fields: object) -> _T:
    """Returns what `to_json` wrote; raises BadInput, without the content, where these are no fields of such a value."""
    try:
        value: _T = _adapter(kind).validate_python(fields)
    except ValidationError as error:
        place = ".".join(map(str, error.errors(include_input=False)[0]["loc"])) or "content"
        name = kind.__name__.lower()
        raise BadInput(f"{name} in the ledger is damaged at {place}; run `kentongan log verify`") from None
    return value


def _adapter(kind: object) -> TypeAdapter[Any]:
    return _adapters()[kind]


@cache
def _adapters() -> dict[object, TypeAdapter[Any]]:
    return {kind: TypeAdapter(kind) for kind in (Officer, Signed, Subject, Approval)}

"""What Meta tells us of WhatsApp messages in one signed call: statuses of ours, and what people wrote. Pure.

Calls come repeated, late and in any order, with many entries in one. Anything that is not as documented is passed over.
Source: developers.facebook.com, WhatsApp Cloud API "Webhooks: messages".
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from pydantic import JsonValue

from channels import _graph
from kentongan.seam import Confirmed, Inbound, Receipt

NUMBER = re.compile(r"\+?([1-9][0-9]{4,14})")
"""A telephone number in the international form, its digits as the group."""

_STATUSES: Mapping[str, Confirmed] = {
    "sent": Confirmed.ACCEPTED,
    "delivered": Confirmed.DELIVERED,
    "read": Confirmed.READ,
    "played": Confirmed.READ,
    # It comes after Meta took the message, so "rejected" would say less than is known already.
    "failed": Confirmed.UNREACHABLE,
}


def receipts(content: Mapping[str, JsonValue], phone_number: str) -> Sequence[Receipt]:
    """The statuses of messages from our number."""
    found = (_receipt(each) for value in _values(content, phone_number) for each in objects(value.get("statuses")))
    return tuple(receipt for receipt in found if receipt is not None)


def inbound(content: Mapping[str, JsonValue], phone_number: str) -> Sequence[Inbound]:
    """What people wrote to our number."""
    found = (_inbound(each) for value in _values(content, phone_number) for each in objects(value.get("messages")))
    return tuple(message for message in found if message is not None)


def objects(value: JsonValue) -> list[Mapping[str, JsonValue]]:
    """The objects in a list; none where it is no list."""
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def text(value: JsonValue | Mapping[str, JsonValue], *path: str) -> str:
    """The text at `path`, "" where there is none; half a character, which nothing could keep, becomes "?"."""
    for name in path:
        value = value.get(name) if isinstance(value, Mapping) else None
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else ""


def _values(content: Mapping[str, JsonValue], phone_number: str) -> Iterator[Mapping[str, JsonValue]]:
    """What a call says of our number; what it says of other numbers of the same app is another instance's."""
    if content.get("object") != "whatsapp_business_account":
        return
    for entry in objects(content.get("entry")):
        for change in objects(entry.get("changes")):
            value = change.get("value")
            if change.get("field") == "messages" and text(value, "metadata", "phone_number_id") == phone_number:
                assert isinstance(value, dict)
                yield value


def _receipt(status: Mapping[str, JsonValue]) -> Receipt | None:
    """None for a state that says nothing of the way of a message, such as "deleted"."""
    confirmed = _STATUSES.get(text(status, "status"))
    provider_id, key = text(status, "id"), text(status, "biz_opaque_callback_data")
    if confirmed is None or not (provider_id or key):
        return None
    # Codes alone: Meta's words may name the person.
    faults = [found.reason for each in objects(status.get("errors")) if (found := _graph.fault(dict(each)))]
    return Receipt(confirmed, key=key, provider_id=provider_id, reason=", ".join(faults[:3]))


def _inbound(message: Mapping[str, JsonValue]) -> Inbound | None:
    number = NUMBER.fullmatch(text(message, "from"))
    if number is None:
        return None
    kind = text(message, "type")
    words = {
        "text": text(message, "text", "body"),
        "button": text(message, "button", "text"),
        "interactive": text(message, "interactive", "button_reply", "title")
        or text(message, "interactive", "list_reply", "title"),
        "reaction": text(message, "reaction", "emoji"),
    }.get(kind, "")
    answered = text(message, "reaction", "message_id") if kind == "reaction" else text(message, "context", "id")
    return Inbound("whatsapp", f"+{number.group(1)}", words, text(message, "id"), answered)

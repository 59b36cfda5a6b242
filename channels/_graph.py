"""Meta's Graph API as all its products speak it: version, errors, throttles, and calls to our endpoint.

A code in the body beats the HTTP status: Meta throttles inside 400. Source: developers.facebook.com, Graph API
"Handle errors", "Rate limits", "Webhooks: getting started"; WhatsApp "Error codes".
"""

from __future__ import annotations

import enum
import hashlib
import hmac
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, TypeGuard

from pydantic import JsonValue

from channels._delay import usages
from channels._reading import Answer
from channels._secret import Secret
from kentongan.quick_dataclass import dataclass
from kentongan.seam import Credential, Forged, InDoubt, Outcome, Received, Rejected, Retryable, Why

if TYPE_CHECKING:
    from channels._http import Wire

HOST = "https://graph.facebook.com"
VERSION = "v26.0"

_PAIR = 131056
PAIR_PAUSE = 6.0
"""Seconds that Meta wants between two messages to the same person; the code for it brings no delay."""


class Meaning(enum.Enum):
    """What an error code says of the request."""

    THROTTLED = enum.auto()
    """Not taken; later it will be."""
    ACCOUNT = enum.auto()
    """Token, right, bill or template of ours; a person must mend it."""
    ADDRESS = enum.auto()
    """This one recipient cannot be reached."""
    PAYLOAD = enum.auto()
    """The message is refused."""
    UNKNOWN = enum.auto()
    """It may have been taken."""
    DUPLICATE = enum.auto()
    """The same text stands there already, whoever put it there."""
    LINK = enum.auto()
    """The page that the link names could not be read; nothing was published."""
    PICTURE = enum.auto()
    """The picture was refused; nothing was published."""


def _codes(meaning: Meaning, *codes: int) -> dict[int, Meaning]:
    return dict.fromkeys(codes, meaning)


MEANINGS: Mapping[int, Meaning] = {
    # 80000 to 80014 are the business use cases. 131016 and 131057 are documented as service down, message not taken.
    **_codes(Meaning.THROTTLED, 4, 17, 32, 341, 613, *range(80000, 80015), 130429, 131016, 131056, 131057, 133016),
    # 368, 131031 and 131048: restricted for some hours or days. 132001, 132015, 132016: template absent, paused,
    # disabled. 131037, 131042, 131045: name, bill, registration.
    **_codes(Meaning.ACCOUNT, 3, 10, 102, 190, *range(200, 300), 368, 803),
    **_codes(Meaning.ACCOUNT, 131005, 131031, 131037, 131042, 131045, 131048, 132001, 132015, 132016, 133010),
    # 131049 and 131064 ask to leave this person alone for longer than an alert lasts.
    **_codes(Meaning.ADDRESS, 130472, 130497, 131021, 131026, 131030, 131047, 131049, 131050, 131064),
    **_codes(Meaning.PAYLOAD, 100, 131008, 131009, 131051, 132000, 132005, 132007, 132008, 132012, 132018),
    **_codes(Meaning.UNKNOWN, 1, 2, 131000),
    **_codes(Meaning.DUPLICATE, 506),
    **_codes(Meaning.LINK, 1609005),
    **_codes(Meaning.PICTURE, 324, 1366046),
}
"""Every code that is documented to us. Links and pictures are a channel's own to give up."""

_SHARES = ("call_count", "total_time", "total_cputime")

_NO_SUCH_OBJECT = 33
"""Subcode of 100 where the id in the path is wrong or our token may not see it."""


@dataclass(frozen=True, slots=True)
class Fault:
    """What an error object says. `meaning` is None for a code that nobody has documented to us."""

    code: int
    subcode: int
    meaning: Meaning | None

    @property
    def reason(self) -> str:
        """The code as it stands in the log; Meta's own words may hold what we sent."""
        return f"code {self.code}" + (f"/{self.subcode}" if self.subcode else "")

    @property
    def gone(self) -> bool:
        """Whether the object in the path is not there, or our token may not see it."""
        return (self.code, self.subcode) == (100, _NO_SUCH_OBJECT)


def fault(error: JsonValue) -> Fault | None:
    """Reads an error object, of an answer or of a call to our endpoint; None where it names no code."""
    if not isinstance(error, dict):
        return None
    code, subcode = error.get("code"), error.get("error_subcode", 0)
    if isinstance(code, bool) or not isinstance(code, int):
        return None
    subcode = subcode if isinstance(subcode, int) and not isinstance(subcode, bool) else 0
    # A picture or a link may be named by the subcode of a plain "invalid parameter".
    meaning = MEANINGS.get(subcode) if code == 100 and subcode > 1_000_000 else None
    if (code, subcode) == (100, _NO_SUCH_OBJECT):
        meaning = Meaning.ACCOUNT
    return Fault(code, subcode, meaning or MEANINGS.get(code))


def documented(answer: Answer) -> Outcome | None:
    """What Meta's codes mean, whatever the status; None where there is no code that is known."""
    found = fault(answer.fields.get("error"))
    if found is None:
        return None
    reason = f"status {answer.status}, {found.reason}"
    match found.meaning:
        case Meaning.THROTTLED:
            # The limit between us and one person keeps nobody else waiting.
            return Retryable(reason, PAIR_PAUSE) if found.code == _PAIR else Retryable(reason, throttled=True)
        case Meaning.ACCOUNT:
            return Credential(reason)
        case Meaning.ADDRESS:
            return Rejected(reason, Why.ADDRESS)
        case Meaning.PAYLOAD | Meaning.LINK | Meaning.PICTURE:
            return Rejected(reason, Why.PAYLOAD)
        case Meaning.DUPLICATE:
            return InDoubt(f"{reason}: the same text stands there already, ours or another's")
        case Meaning.UNKNOWN:
            return InDoubt(reason)
        case None:
            # An error inside a success says nothing that could be relied on.
            return InDoubt(reason) if 200 <= answer.status <= 299 else None


async def question(wire: Wire, token: Secret, path: str, query: Mapping[str, str]) -> Answer | Outcome:
    """Asks Meta for something that the token may read."""
    return await wire.ask("GET", f"/{VERSION}{path}", headers=token.bearer, query=query, documented=documented)


def used(answer: Answer) -> int:
    """How much of its call budget our application has used, in percent; 0 where Meta does not say."""
    shares = [share for entry in usages(answer.headers) for share in map(entry.get, _SHARES) if _is_share(share)]
    return int(max(shares, default=0))


def _is_share(value: JsonValue) -> TypeGuard[float]:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value <= 1_000_000


def handshake(request: Received, verify_token: Secret | None) -> str | None:
    """The challenge to give back where this is Meta's check of our endpoint; raises Forged for a wrong token."""
    if request.method != "GET" or "hub.mode" not in request.query:
        return None
    ours = verify_token.get_secret_value() if verify_token is not None else ""
    theirs = request.query.get("hub.verify_token", "")
    if not ours or request.query["hub.mode"] != "subscribe" or not _same(ours, theirs):
        raise Forged("the check of the endpoint does not know our token")
    return request.query.get("hub.challenge", "")


def signed(request: Received, app_secret: Secret | None) -> Mapping[str, JsonValue]:
    """The JSON object of a call that Meta signed over its raw body, empty where it is none. Raises Forged."""
    scheme, _, theirs = request.headers.get("x-hub-signature-256", "").partition("=")
    ours = hmac.new(app_secret.get_secret_value().encode(), request.body, hashlib.sha256) if app_secret else None
    if ours is None or scheme != "sha256" or not _same(ours.hexdigest(), theirs):
        raise Forged("the signature does not fit the body")
    try:
        content = json.loads(request.body)
    except (ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}


def _same(ours: str, theirs: str) -> bool:
    return hmac.compare_digest(ours.encode(), theirs.encode(errors="replace"))

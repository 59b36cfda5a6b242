"""What Meta's Graph API does alike for all its products: versioned paths, bearer tokens, and errors with codes.

Rules from developers.facebook.com, Graph API "Handle errors" and "Rate limits". A throttle is a 400 or a 403, never a
429, and says in minutes when calls pass again.
"""

from __future__ import annotations

import json
import math
import re
from abc import ABC
from collections.abc import Callable
from typing import Any

from sandbox import forms
from sandbox.stand_in import Call, StandIn
from sandbox.wire import Answer, Request

BEGINS = re.compile(r"v\d")
"""How a path of the default instance begins."""
_PATH = re.compile(r"/v(\d{1,2})\.(\d)/(.+)")
_OLDEST, _NEWEST = 21, 26
INVALID, TOKEN, UNKNOWN, SERVICE = 100, 190, 1, 2


class Failure(Exception):
    """An error of the API; `answer` says it."""

    def __init__(
        self, code: int, message: str, *, status: int = 400, subcode: int = 0, transient: bool = False
    ) -> None:
        super().__init__(message)
        self.answer = failure(code, message, status=status, subcode=subcode, transient=transient)


class GraphStandIn(StandIn, ABC):
    """A stand-in behind the Graph API; `throttle_code` is the code by which its product throttles."""

    throttle_code: int
    token: str

    def throttled(self, seconds: float) -> Answer:
        """400 with the product's code; the header says how many minutes, rounded up."""
        usage = {
            "100": [
                {
                    "type": self.kind,
                    "call_count": 100,
                    "total_cputime": 25,
                    "total_time": 25,
                    "estimated_time_to_regain_access": max(1, math.ceil(seconds / 60)),
                }
            ]
        }
        headers = (("x-business-use-case-usage", json.dumps(usage)),)
        return failure(self.throttle_code, "There have been too many calls", transient=True, headers=headers)

    def unavailable(self) -> Answer:
        """503 with code 2."""
        return failure(SERVICE, "Service temporarily unavailable", status=503, transient=True)

    def broken(self) -> Answer:
        """500 with code 1."""
        return failure(UNKNOWN, "An unknown error has occurred.", status=500, transient=True)

    def refused(self) -> Answer:
        """400 with code 190: Meta has no 401 for an expired token."""
        return failure(TOKEN, "Error validating access token: Session has expired", subcode=463, kind="OAuthException")

    def called(self, request: Request, path: str) -> tuple[str, forms.Form] | Call:
        """The path behind the version, and the parameters; or the call that refuses this request."""
        found = _PATH.fullmatch(path)
        if found is None:
            return Call(lambda: failure(2500, "Unknown path components", kind="OAuthException"))
        if not _OLDEST <= int(found.group(1)) <= _NEWEST:
            return Call(lambda: failure(2635, "You are calling a version that is not served"))
        try:
            form = forms.read(request)
        except forms.Unreadable:
            return Call(lambda: failure(INVALID, "The body cannot be read"))
        bearer = request.headers.get("authorization", "").removeprefix("Bearer ")
        if (bearer or form.text("access_token")) != self.token:
            return Call(self.refused)
        return found.group(3).rstrip("/"), form


def guarded(act: Callable[[], Any]) -> Callable[[], Answer]:
    """The answer of `act`: what it returns as JSON, or the failure that it raises."""

    def answer() -> Answer:
        try:
            return Answer.of(200, act())
        except Failure as failure:
            return failure.answer

    return answer


def failure(
    code: int,
    message: str,
    *,
    status: int = 400,
    subcode: int = 0,
    transient: bool = False,
    kind: str = "GraphMethodException",
    headers: tuple[tuple[str, str], ...] = (),
) -> Answer:
    """An error as the API writes it."""
    error: dict[str, Any] = {"message": f"(#{code}) {message}", "type": kind, "code": code, "fbtrace_id": "sandbox"}
    if subcode:
        error["error_subcode"] = subcode
    if transient:
        error["is_transient"] = True
    return Answer.of(status, {"error": error}, headers)

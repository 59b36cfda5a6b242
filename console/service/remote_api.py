"""What the service answers to officers on other machines, over TLS: what waits, approve, return, status, stop.

Who asks proves with every request to be an officer (`console.service.proof`); without that there is nothing here but a
challenge. What an officer approves is signed on their own machine.
"""

from __future__ import annotations

import hashlib
import logging
import time
from collections.abc import Awaitable, Callable, MutableMapping
from datetime import UTC, datetime
from typing import Any

from fastapi import Depends, FastAPI, Request
from fastapi.responses import JSONResponse
from pydantic import JsonValue

from console import standing
from console.invocation import Invocation
from console.office import Office
from console.service.listening import peer_of
from console.service.proof import Asked, Attempts, Challenges, verify
from console.service.remote_bodies import (
    Approved,
    Challenge,
    Listed,
    Listing,
    Page,
    Reason,
    Signed,
    State,
    Waiting,
    WaitingList,
)
from flows.house import House
from kentongan import telling
from kentongan.approval import Approval
from kentongan.desk import Desk, approvals, extent, releases, returning, subjects
from kentongan.errors import BadInput, DamagedRecord, KentonganError, LedgerUnavailable, Refused
from kentongan.ledger import Ledger, Read, alerts, dispatches, submissions
from kentongan.ledger import officers as register
from kentongan.officers import Officer, Refusal
from kentongan.overview import overview
from kentongan.safekeeping import spare
from kentongan.shown import Shown, pictures_of, record
from kentongan.stored import from_json, to_json

_log = logging.getLogger(__name__)

MOST_BYTES = 64 * 1024
"""The longest body that is read."""

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


def application(house: Callable[[], House], *, audience: str, wake: Callable[[str], None]) -> Gate:
    """The application; `house` is asked at each request, `wake` is called after an act, from any thread."""
    app = FastAPI(
        title="Kentongan, officers on other machines",
        version="1",
        summary="Over TLS. Every request but the one for a challenge is signed with the officer's key.",
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
    )
    challenges = Challenges(time.monotonic)
    failed = Attempts(time.monotonic, most=20, window=300.0)

    def proved(request: Request) -> Officer:
        what = Asked(audience, request.method, request.url.path, request.scope["kentongan.body"])
        now = datetime.now(UTC)
        officer = verify(
            request.headers.get("authorization", ""),
            what,
            challenges=challenges,
            officers=house().ledger.read(register.officers),
            now=now,
        )
        if officer is None:
            # No guess comes near a key: this spares the log. Whoever proves to be an officer is never shut out for what
            # others do behind the same address.
            peer = peer_of(request.client)
            if failed.exceeded(peer):
                raise _TooMany
            failed.count(peer)
            _log.warning("officer not proved", extra={"peer": peer})
            raise _Unproved
        return officer

    # As a default, since an annotation is read where names of this function are unknown.
    who = Depends(proved)

    @app.post("/v1/challenge", operation_id="challenge")
    def challenge() -> Challenge:
        """Gives what the next request is to be signed over; it says nothing about anybody."""
        return Challenge(nonce=challenges.give())

    @app.get("/v1/approvals", operation_id="waiting")
    def waiting(officer: Officer = who) -> WaitingList:
        """What waits for this officer's approval."""
        there = house()
        waiting = there.ledger.read(lambda read: _waiting(read, officer.name))
        return WaitingList(waiting=waiting, timezone=there.zone.key)

    @app.get("/v1/approvals/{code}", operation_id="shown")
    def shown(code: str, officer: Officer = who) -> Shown:
        """One alert with every message, its correction and all else that an approval covers, as it is kept."""
        return _shown(house().desk(), code)

    @app.post("/v1/approvals/{code}", operation_id="approve")
    def approve(code: str, body: Signed, officer: Officer = who) -> Approved:
        """Takes an approval that was signed over what was shown."""
        signed = from_json(Approval, body.approval)
        if signed.officer != officer.name or signed.by_code is not None:
            raise Refused("an officer approves in their own name alone; sign it with your own key", rule="signature")
        stored, verdict = approvals.approve_signed(house().desk(), code, signed)
        if isinstance(verdict, Refusal):
            raise verdict.error()
        wake(stored.id)
        return Approved(code=stored.code, state=stored.state, by=list(verdict.by), warnings=list(verdict.warnings))

    @app.post("/v1/approvals/{code}/return", operation_id="return_alert")
    def return_alert(code: str, body: Reason, officer: Officer = who) -> State:
        """Returns an alert to who drafted it."""
        stored = returning.return_in_name_of(house().desk(), code, officer.name, reason=body.reason)
        return State(code=stored.code, state=stored.state)

    @app.get("/v1/alerts", operation_id="alerts")
    def listing(officer: Officer = who) -> Listing:
        """All alerts, and what is due of them."""
        return Listing(alerts=house().ledger.read(_listing))

    @app.get("/v1/alerts/{code}", operation_id="standing")
    def status(code: str, officer: Officer = who) -> Page:
        """Where one alert stands."""
        return Page(standing=_standing(house(), code), timezone=house().zone.key)

    @app.post("/v1/alerts/{code}/stop", operation_id="stop")
    def stop(code: str, officer: Officer = who) -> State:
        """Stops an alert at once; from then on nothing of it is begun."""
        # No desk: a wrong template must not stand between an officer and a stop.
        spool = spare.sent_from(house().state, code)
        if spool is None:
            stored = _stop(house().ledger, code, officer)
            wake(stored.id)
        else:
            # Where it was sent from the spare, the ledger knows of no sending that it could stop.
            with Ledger.open(spool.ledger, urgent=True) as copy:
                stored = _stop(copy, code, officer)
        return State(code=stored.code, state=stored.state)

    @app.exception_handler(KentonganError)
    def told(request: Request, error: Exception) -> JSONResponse:
        rule = error.rule if isinstance(error, Refused) else None
        status = 409 if rule is not None else 503 if isinstance(error, LedgerUnavailable) else 400
        return JSONResponse({"error": str(error), "rule": rule}, status)

    @app.exception_handler(_Unproved)
    def unproved(request: Request, error: Exception) -> JSONResponse:
        return JSONResponse({"error": "you have not proved to be an officer who counts here", "rule": "proof"}, 401)

    @app.exception_handler(_TooMany)
    def too_many(request: Request, error: Exception) -> JSONResponse:
        told = {"error": "too many requests from this machine; wait five minutes", "rule": "rate"}
        return JSONResponse(told, 429, {"Retry-After": "300"})

    return Gate(app)


class _Unproved(Exception):
    """Whoever asks has not shown to be an officer."""


class _TooMany(Exception):
    """A peer asks too often."""


class Gate:
    """Reads each body before anything looks at it, refuses one that is too long, and keeps its digest for the proof."""

    def __init__(self, app: FastAPI) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request."""
        if scope["type"] != "http":
            return
        body = bytearray()
        more = True
        while more:
            message = await receive()
            if message["type"] != "http.request":
                return
            body += message.get("body", b"")
            more = bool(message.get("more_body"))
            if len(body) > MOST_BYTES:
                await JSONResponse({"error": "the request is too long", "rule": None}, 413)(scope, receive, send)
                return
        scope["kentongan.body"] = hashlib.sha256(body).hexdigest()
        told = False

        async def replay() -> MutableMapping[str, Any]:
            nonlocal told
            if told:
                return await receive()
            told = True
            return {"type": "http.request", "body": bytes(body), "more_body": False}

        await self.app(scope, replay, send)


def _stop(ledger: Ledger, code: str, officer: Officer) -> alerts.StoredAlert:
    stored = ledger.read(lambda read: alerts.by_handle(read, code))
    ledger.write(lambda write: dispatches.stop(write, stored.id, by=officer.name, signed=True), urgent=True)
    return ledger.read(lambda read: alerts.get(read, stored.id))


def _waiting(read: Read, officer: str) -> list[Waiting]:
    result = []
    for stored in alerts.listing(read, states=("submitted",)):
        submission = submissions.latest(read, stored.id)
        if submission is None or submission.officer == officer:
            continue
        if any(given["officer"] == officer for given in submissions.approvals(read, stored.id)):
            # A public exercise, which waits for another officer.
            continue
        result.append(
            Waiting(
                code=stored.code,
                mode=stored.mode.value,
                kind=stored.kind.value,
                says=standing.title(stored.draft),
                places=list(extent.area_names(stored.draft)),
                submitted_by=submission.officer,
                submitted_at=str(telling.iso(submission.at)),
            )
        )
    return result


def _shown(desk: Desk, code: str) -> Shown:
    ahead = releases.prospect(desk, code)
    if ahead.alert.state not in ("submitted", "approved"):
        raise Refused(f"alert {ahead.alert.code} is {ahead.alert.state}; it does not wait for approval", rule="state")

    def read_all(read: Read) -> Shown:
        submission = submissions.latest(read, ahead.alert.id)
        if submission is None:
            raise BadInput(f"alert {ahead.alert.code} is not submitted; run `kentongan submit`")
        subject = subjects.current(read, ahead.alert.id)
        correction = subjects.prepared_correction(read, ahead.alert.id)
        shown = record(read, ahead.alert.id)
        return Shown(
            subject=to_json(subject),
            alert=shown,
            pictures=pictures_of(read, shown),
            correction=record(read, correction.id) if correction is not None else None,
            submitted_by=submission.officer,
            people=ahead.people.total,
            people_by_instance=dict(ahead.people.by_instance),
            timezone=desk.settings.agency.timezone,
        )

    return desk.ledger.read(read_all)


def _listing(read: Read) -> list[Listed]:
    result = []
    for stored in alerts.listing(read)[:200]:
        if stored.state == "prepared":
            continue
        try:
            seen = overview(read, stored.id)
        except DamagedRecord as damage:
            _log.warning("an alert cannot be read", extra={"alert": stored.id, "why": str(damage)})
            continue
        result.append(
            Listed(
                code=stored.code,
                kind=stored.kind.value,
                mode=stored.mode.value,
                state=stored.state,
                says=standing.title(stored.draft),
                break_glass=seen.break_glass or None,
                review_due=seen.review is not None and not seen.review.is_done,
                in_doubt=seen.in_doubt,
            )
        )
    return result


def _standing(house: House, code: str) -> dict[str, JsonValue]:
    stored = house.ledger.read(lambda read: alerts.by_handle(read, code))
    seen = house.ledger.read(lambda read: overview(read, stored.id))
    assert house.settings is not None
    return standing.to_json(Office(Invocation(), house, house.settings, configured=True), seen)

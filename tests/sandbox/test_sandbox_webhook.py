"""The stand-in for a partner's endpoint: what it checks, and the adapter before every fault that it knows."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

import channels
from kentongan.seam import Accepted, Credential, InDoubt, Job, Mode, Outcome, Rendered, Retryable
from sandbox import webhook
from sandbox.faults import Fault, Rule
from sandbox.server import Sandbox
from tests.sandbox.conftest import Clock

SINCE = datetime(2026, 11, 21, 7, 0, tzinfo=UTC)
GOOD = {"type": "warning.alert", "timestamp": "2026-11-21T07:00:00Z", "data": {"text": "Gempa", "language": "id"}}


def headers(body: bytes, at: float, id: str = "msg-1", secret: str = "") -> dict[str, str]:
    key = base64.b64decode((secret or webhook.secret("default")).removeprefix("whsec_"))
    mac = hmac.new(key, f"{id}.{int(at)}.".encode() + body, hashlib.sha256).digest()
    return {
        "webhook-id": id,
        "webhook-timestamp": str(int(at)),
        "webhook-signature": f"v1,{base64.b64encode(mac).decode()}",
        "content-type": "application/json",
    }


async def test_a_signed_message_is_taken_once_under_its_id(
    http: httpx.AsyncClient, sandbox: Sandbox, clock: Clock
) -> None:
    body = json.dumps(GOOD).encode()
    for late in (0, 10, 200):
        clock.time += late
        assert (await http.post("/webhook", content=body, headers=headers(body, clock.time))).status_code == 200
    counts = sandbox.counts()["webhook"]
    assert (counts["taken"], counts["repeats"]) == (1, 2)
    await http.post("/webhook", content=body, headers=headers(body, clock.time, "msg-2"))
    assert sandbox.counts()["webhook"]["taken"] == 2
    sandbox.forget()
    await http.post("/webhook", content=body, headers=headers(body, clock.time))
    assert sandbox.counts()["webhook"]["taken"] == 1


async def test_what_is_not_signed_now_by_us_is_refused(http: httpx.AsyncClient, sandbox: Sandbox, clock: Clock) -> None:
    body = json.dumps(GOOD).encode()
    good = headers(body, clock.time)
    for changed, status in (
        (headers(body, clock.time - 301), 401),
        (headers(body, clock.time + 301), 401),
        (headers(body, clock.time, secret=webhook.secret("drill")), 401),
        (headers(body + b" ", clock.time), 401),
        ({**good, "webhook-id": "msg-2"}, 401),
        ({**good, "webhook-id": ""}, 401),
        ({**good, "webhook-timestamp": "soon"}, 401),
        ({**good, "content-type": "text/plain"}, 415),
    ):
        assert (await http.post("/webhook", content=body, headers=changed)).status_code == status
    assert sandbox.counts()["webhook"]["taken"] == 0


@pytest.mark.parametrize("content", ["[]", "nonsense", "{}", '{"type": "a", "timestamp": "b", "data": {"text": 7}}'])
async def test_a_body_of_another_shape_is_refused(http: httpx.AsyncClient, clock: Clock, content: str) -> None:
    answer = await http.post("/webhook", content=content, headers=headers(content.encode(), clock.time))
    assert answer.status_code == 422


async def test_what_is_too_long_and_what_is_no_post_is_refused(http: httpx.AsyncClient, clock: Clock) -> None:
    body = json.dumps({**GOOD, "data": {"text": "x" * 20_480}}).encode()
    assert (await http.post("/webhook", content=body, headers=headers(body, clock.time))).status_code == 413
    assert (await http.get("/webhook")).status_code == 405
    assert (await http.options("/webhook")).status_code == 204


async def test_an_instance_is_one_path_deeper_with_a_secret_of_its_own(
    http: httpx.AsyncClient, sandbox: Sandbox, clock: Clock
) -> None:
    body = json.dumps(GOOD).encode()
    url = sandbox.base_url("webhook", "drill")
    answer = await http.post(url, content=body, headers=headers(body, clock.time, secret=webhook.secret("drill")))
    assert answer.status_code == 200
    assert sandbox.counts()["webhook/drill"]["taken"] == 1
    for instance in ("default", "drill"):
        assert 24 <= len(base64.b64decode(webhook.secret(instance).removeprefix("whsec_"))) <= 64


async def test_an_endpoint_that_is_gone_says_so(http: httpx.AsyncClient) -> None:
    assert (await http.post("/_sandbox/webhook/settings", json={"gone": True})).status_code == 200
    assert (await http.post("/webhook", content=b"{}")).status_code == 410
    assert (await http.post("/_sandbox/webhook/settings", json={"gone": "yes"})).status_code == 422


# --- the adapter before it --------------------------------------------------------------------------------

CALLED_FOR: dict[Fault, type[Any]] = {
    Fault.ACCEPT_THEN_500: InDoubt,
    Fault.ACCEPT_THEN_HANG: InDoubt,
    Fault.ACCEPT_THEN_RESET: InDoubt,
    Fault.ACCEPT_THEN_HANG_UP: InDoubt,
    Fault.GARBLE: InDoubt,
    Fault.GARBLE_BODY: Accepted,  # the body of a success means nothing here
    Fault.SLOW: Accepted,
    Fault.IDLE_CLOSE: Accepted,
    Fault.IDLE_RESET: Accepted,
    Fault.DROP: InDoubt,
    Fault.HANG: InDoubt,
    Fault.THROTTLE: Retryable,
    Fault.UNAVAILABLE: Retryable,
    Fault.REFUSE: Credential,
}


@pytest.fixture
async def channel(sandbox: Sandbox, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Any]:
    monkeypatch.setenv("KENTONGAN_TEST_PARTNER", webhook.secret("default"))
    fields = {"kind": "webhook", "mode": "drill", "sandbox": True, "base_url": sandbox.base_url("webhook")}
    settings = channels.settings_model("webhook").model_validate(
        {**fields, "deadline": 0.5, "secret": {"env": "KENTONGAN_TEST_PARTNER"}}
    )
    make: Any = channels.adapter("webhook")
    channel = make("partner", settings, now=lambda: datetime.fromtimestamp(clock.time, UTC))
    yield channel
    await channel.close()


async def sent(channel: Any, key: str = "k1") -> Outcome:
    words = "[LATIHAN] Gempa M5,6 dekat Melonguane & sekitarnya. K7Q4-ID [LATIHAN]"
    message = Rendered("a", "partner", "id", "alert", Mode.DRILL, "K7Q4-ID", "[LATIHAN]", "[LATIHAN] Gempa", words)
    (outcome,) = await channel.send(message, [Job(key, None, SINCE)], None)
    result: Outcome = outcome
    return result


def test_every_fault_is_tried() -> None:
    assert set(CALLED_FOR) == set(Fault)


@pytest.mark.parametrize("fault", sorted(CALLED_FOR))
async def test_every_fault_has_the_outcome_it_calls_for_and_a_repeat_makes_no_second_message(
    sandbox: Sandbox, channel: Any, fault: Fault
) -> None:
    sandbox.add_faults("webhook", [Rule(fault, seconds=0.05)])
    outcome = await sent(channel)
    assert isinstance(outcome, CALLED_FOR[fault]), outcome
    assert isinstance(await sent(channel), Accepted)
    counts = sandbox.counts()["webhook"]
    assert counts["taken"] == 1
    assert counts["duplicates"] == []
    assert (await channel.ready()).ready


async def test_an_endpoint_that_wants_no_more_is_ours_to_mend(sandbox: Sandbox, channel: Any) -> None:
    sandbox.stand_in("webhook").configure({"gone": True})
    assert isinstance(await sent(channel), Credential)
    assert not (await channel.ready()).ready

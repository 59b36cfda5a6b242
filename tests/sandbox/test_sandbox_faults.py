"""Every fault on a real socket: what the caller sees, and whether the message was taken."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from urllib.parse import urlencode

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox import kannel, mastodon, telegram
from sandbox.faults import ACTS, BadRule, Fault, Faults, Rule
from sandbox.server import CannotListen, Sandbox


def a_send(kind: str, recipient: str = "62811", text: str = "Gempa") -> bytes:
    """The bytes of one valid request to send."""
    if kind == "kannel":
        query = urlencode(
            {"username": kannel.USERNAME, "password": kannel.password("default"), "to": recipient, "text": text}
        )
        return f"GET /kannel/cgi-bin/sendsms?{query} HTTP/1.1\r\nHost: sandbox\r\n\r\n".encode()
    body = json.dumps({"status": text} if kind == "mastodon" else {"chat_id": recipient, "text": text})
    path, authorization = (
        ("/mastodon/api/v1/statuses", f"Authorization: Bearer {mastodon.token('default')}\r\n")
        if kind == "mastodon"
        else (f"/telegram/bot{telegram.token('default')}/sendMessage", "")
    )
    head = f"POST {path} HTTP/1.1\r\nHost: sandbox\r\n{authorization}Content-Type: application/json\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n{body}".encode()


class Caller:
    """One connection, with what came of each request."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    @classmethod
    async def connect(cls, sandbox: Sandbox) -> Caller:
        return cls(*await asyncio.open_connection("127.0.0.1", sandbox.port))

    async def ask(self, request: bytes) -> int:
        """Sends a request and returns the status; raises what the connection raises."""
        self.writer.write(request)
        head = await self.reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
        await self.reader.readexactly(length)
        return int(head[9:12])

    async def close(self) -> None:
        self.writer.transport.abort()


KINDS = ("mastodon", "telegram", "kannel")


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def taken(sandbox: Sandbox, kind: str) -> int:
    return int(sandbox.counts()[kind]["taken"])


async def test_without_a_fault_a_kept_connection_serves_again_and_again(sandbox: Sandbox, kind: str) -> None:
    caller = await Caller.connect(sandbox)
    statuses = [await caller.ask(a_send(kind, text=str(n))) for n in range(3)]
    assert set(statuses) <= {200, 202}
    assert taken(sandbox, kind) == 3
    await caller.close()


async def test_accept_then_500_has_taken_the_message(sandbox: Sandbox, kind: str) -> None:
    sandbox.add_faults(kind, [Rule(Fault.ACCEPT_THEN_500)])
    caller = await Caller.connect(sandbox)
    assert await caller.ask(a_send(kind)) == 500
    assert taken(sandbox, kind) == 1
    await caller.close()


async def test_accept_then_hang_never_answers_and_has_taken_the_message(sandbox: Sandbox, kind: str) -> None:
    sandbox.add_faults(kind, [Rule(Fault.ACCEPT_THEN_HANG)])
    caller, second = await Caller.connect(sandbox), await Caller.connect(sandbox)
    hanging = asyncio.create_task(caller.ask(a_send(kind)))
    while not taken(sandbox, kind):
        # A second caller is served meanwhile, and gives the first the time to arrive.
        assert await second.ask(b"GET /_sandbox/counts HTTP/1.1\r\nHost: sandbox\r\n\r\n") == 200
    assert not hanging.done()
    hanging.cancel()
    await asyncio.gather(hanging, return_exceptions=True)
    await caller.close()
    await second.close()


async def test_hang_never_answers_and_has_not_taken_the_message(sandbox: Sandbox, kind: str) -> None:
    sandbox.add_faults(kind, [Rule(Fault.HANG)])
    caller, second = await Caller.connect(sandbox), await Caller.connect(sandbox)
    hanging = asyncio.create_task(caller.ask(a_send(kind)))
    while sandbox.counts()[kind]["requests"] == 0:
        await second.ask(b"GET /_sandbox/counts HTTP/1.1\r\nHost: sandbox\r\n\r\n")
    assert not hanging.done()
    assert taken(sandbox, kind) == 0
    hanging.cancel()
    await asyncio.gather(hanging, return_exceptions=True)
    await caller.close()
    await second.close()


async def test_accept_then_reset_breaks_the_connection_after_taking_the_message(sandbox: Sandbox, kind: str) -> None:
    sandbox.add_faults(kind, [Rule(Fault.ACCEPT_THEN_RESET)])
    caller = await Caller.connect(sandbox)
    with pytest.raises(ConnectionResetError):
        await caller.ask(a_send(kind))
    assert taken(sandbox, kind) == 1
    await caller.close()


async def test_drop_breaks_the_connection_and_has_not_taken_the_message(sandbox: Sandbox, kind: str) -> None:
    sandbox.add_faults(kind, [Rule(Fault.DROP)])
    caller = await Caller.connect(sandbox)
    with pytest.raises(ConnectionResetError):
        await caller.ask(a_send(kind))
    assert taken(sandbox, kind) == 0
    await caller.close()


async def test_accept_then_hang_up_ends_the_connection_without_a_reset(sandbox: Sandbox, kind: str) -> None:
    sandbox.add_faults(kind, [Rule(Fault.ACCEPT_THEN_HANG_UP)])
    caller = await Caller.connect(sandbox)
    with pytest.raises(asyncio.IncompleteReadError) as raised:
        await caller.ask(a_send(kind))
    assert raised.value.partial == b""
    assert taken(sandbox, kind) == 1
    await caller.close()


async def test_garble_answers_what_is_no_http_and_has_taken_the_message(sandbox: Sandbox, kind: str) -> None:
    sandbox.add_faults(kind, [Rule(Fault.GARBLE, on="any")])
    somewhere = {"mastodon": "api/v2/instance", "telegram": "bot1:x/getMe", "kannel": "cgi-bin/status"}[kind]
    async with httpx.AsyncClient() as client:
        with pytest.raises(httpx.RemoteProtocolError):
            await client.get(f"{sandbox.base_url(kind)}/{somewhere}")
    sandbox.add_faults(kind, [Rule(Fault.GARBLE)])
    caller = await Caller.connect(sandbox)
    with pytest.raises((ValueError, IndexError)):
        await caller.ask(a_send(kind))
    assert taken(sandbox, kind) == 1
    await caller.close()


async def test_garble_body_keeps_the_status_and_spoils_the_body(sandbox: Sandbox, http: httpx.AsyncClient) -> None:
    sandbox.add_faults("telegram", [Rule(Fault.GARBLE_BODY)])
    method = f"/telegram/bot{telegram.token('default')}/sendMessage"
    answer = await http.post(method, json={"chat_id": 1, "text": "Gempa"})
    assert answer.status_code == 200
    with pytest.raises(ValueError, match="char"):
        answer.json()
    assert taken(sandbox, "telegram") == 1


async def test_slow_takes_at_once_and_answers_later(sandbox: Sandbox, kind: str) -> None:
    sandbox.add_faults(kind, [Rule(Fault.SLOW, seconds=0.2)])
    caller = await Caller.connect(sandbox)
    started = asyncio.get_running_loop().time()
    assert await caller.ask(a_send(kind)) in (200, 202)
    assert asyncio.get_running_loop().time() - started >= 0.19
    assert taken(sandbox, kind) == 1
    await caller.close()


async def test_idle_close_answers_and_then_closes_the_kept_connection(sandbox: Sandbox, kind: str) -> None:
    sandbox.add_faults(kind, [Rule(Fault.IDLE_CLOSE)])
    caller = await Caller.connect(sandbox)
    assert await caller.ask(a_send(kind)) in (200, 202)
    assert await caller.reader.read() == b""
    assert taken(sandbox, kind) == 1
    await caller.close()


async def test_idle_reset_breaks_the_connection_when_the_next_request_arrives(sandbox: Sandbox, kind: str) -> None:
    sandbox.add_faults(kind, [Rule(Fault.IDLE_RESET)])
    caller = await Caller.connect(sandbox)
    assert await caller.ask(a_send(kind, text="one")) in (200, 202)
    with pytest.raises(ConnectionResetError):
        await caller.ask(a_send(kind, text="two"))
    assert taken(sandbox, kind) == 1
    await caller.close()


@pytest.mark.parametrize(
    ("fault", "statuses"),
    [
        (Fault.THROTTLE, {"mastodon": 429, "telegram": 429, "kannel": 503}),
        (Fault.UNAVAILABLE, {"mastodon": 503, "telegram": 503, "kannel": 503}),
        (Fault.REFUSE, {"mastodon": 401, "telegram": 401, "kannel": 403}),
    ],
)
async def test_a_refusal_comes_in_the_providers_own_form(
    sandbox: Sandbox, kind: str, fault: Fault, statuses: dict[str, int]
) -> None:
    sandbox.add_faults(kind, [Rule(fault)])
    caller = await Caller.connect(sandbox)
    assert await caller.ask(a_send(kind)) == statuses[kind]
    assert taken(sandbox, kind) == 0
    assert await caller.ask(a_send(kind)) in (200, 202)
    await caller.close()


async def test_faults_are_set_and_cleared_over_http(sandbox: Sandbox, http: httpx.AsyncClient) -> None:
    faults = [{"fault": "unavailable", "times": None, "match": "62811"}]
    assert (await http.post("/_sandbox/kannel/faults", json=faults)).status_code == 200
    caller = await Caller.connect(sandbox)
    assert [await caller.ask(a_send("kannel", n)) for n in ("62811", "62822", "62811")] == [503, 202, 503]
    await http.delete("/_sandbox/kannel/faults")
    assert await caller.ask(a_send("kannel", "62811")) == 202
    await caller.close()


async def test_a_fault_of_one_instance_leaves_the_others_alone(sandbox: Sandbox, http: httpx.AsyncClient) -> None:
    await http.post("/_sandbox/mastodon/drill/faults", json=[{"fault": "refuse"}])
    caller = await Caller.connect(sandbox)
    assert await caller.ask(a_send("mastodon")) == 200
    own = {"Authorization": f"Bearer {mastodon.token('drill')}"}
    path = "/mastodon/drill/api/v1/statuses"
    assert (await http.post(path, data={"status": "x"}, headers=own)).status_code == 401
    assert (await http.post(path, data={"status": "x"}, headers=own)).status_code == 200
    await caller.close()


@pytest.mark.parametrize(
    "rule",
    [
        "throttle",
        {"fault": "explode"},
        {"fault": "throttle", "time": 3},
        {"fault": "throttle", "times": -1},
        {"fault": "throttle", "times": True},
        {"fault": "throttle", "probability": 2},
        {"fault": "throttle", "on": "sometimes"},
        {"fault": "slow", "seconds": "long"},
    ],
)
async def test_a_wrong_rule_is_refused_with_a_sentence(http: httpx.AsyncClient, rule: object) -> None:
    answer = await http.post("/_sandbox/kannel/faults", json=[rule])
    assert answer.status_code == 422
    assert answer.json()["error"]


async def test_a_port_in_use_is_told_in_one_sentence(sandbox: Sandbox) -> None:
    with pytest.raises(CannotListen, match=rf"^port {sandbox.port} on 127\.0\.0\.1 is in use .* --port$"):
        async with Sandbox(port=sandbox.port):
            pass


async def test_a_fault_on_any_request_strikes_a_question_too(sandbox: Sandbox, http: httpx.AsyncClient) -> None:
    sandbox.add_faults("telegram", [Rule(Fault.REFUSE, times=2, on="any")])
    question = f"/telegram/bot{telegram.token('default')}/getMe"
    assert [(await http.get(question)).status_code for _ in range(3)] == [401, 401, 200]


async def test_a_fault_on_sends_leaves_questions_alone(sandbox: Sandbox, http: httpx.AsyncClient) -> None:
    sandbox.add_faults("telegram", [Rule(Fault.REFUSE)])
    assert (await http.get(f"/telegram/bot{telegram.token('default')}/getMe")).status_code == 200


@given(
    st.lists(st.sampled_from(["62811", "62822"]), max_size=30),
    st.integers(0, 10),
    st.integers(0, 10),
    st.sampled_from(["", "11"]),
)
def test_a_rule_strikes_so_often_after_so_many_matching_requests(
    recipients: list[str], times: int, after: int, match: str
) -> None:
    faults = Faults([Rule(Fault.DROP, times=times, after_requests=after, match=match)])
    struck = [faults.take(recipient=r, text="", sends=True) is not None for r in recipients]
    matching = [index for index, recipient in enumerate(recipients) if match in recipient]
    assert [i for i, hit in enumerate(struck) if hit] == matching[after : after + times]


@given(st.integers(), st.floats(0.1, 0.9))
def test_chance_is_drawn_from_the_seed_alone(seed: int, probability: float) -> None:
    def run() -> list[bool]:
        rule = Rule(Fault.DROP, times=None, probability=probability, seed=seed)
        return [rule.strikes(recipient="", text="", sends=True) for _ in range(50)]

    assert run() == run()


def test_rules_strike_in_the_order_of_the_queue() -> None:
    faults = Faults([Rule(Fault.THROTTLE, times=2), Rule(Fault.DROP)])
    seen = Counter(
        rule.fault for _ in range(5) if (rule := faults.take(recipient="a", text="b", sends=True)) is not None
    )
    assert seen == {Fault.THROTTLE: 2, Fault.DROP: 1}
    assert faults.rules == []


def test_every_fault_either_takes_the_message_or_does_not() -> None:
    assert {f for f in Fault if f.value.startswith("accept-")} <= ACTS
    assert Fault.DROP not in ACTS


def test_a_rule_that_is_no_object_names_an_example() -> None:
    with pytest.raises(BadRule, match="throttle"):
        Rule.read(["throttle"])


async def test_it_tells_when_a_request_came_and_whether_the_message_was_taken(sandbox: Sandbox, kind: str) -> None:
    sandbox.add_faults(kind, [Rule(Fault.THROTTLE)])
    caller = await Caller.connect(sandbox)
    await caller.ask(a_send(kind))
    ((_, refused),) = sandbox.stand_in(kind).moments().items()
    await caller.ask(a_send(kind))
    ((_, taken_then),) = sandbox.stand_in(kind).moments().items()
    assert refused["asked"] <= taken_then["asked"] <= taken_then["taken"]
    assert refused["taken"] is None
    await caller.close()

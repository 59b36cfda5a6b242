"""The rules that Kannel's user guide and Kannel 1.4.5 itself teach; tests/peers holds them against the real one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox import kannel, short_messages
from sandbox.faults import Fault, Rule
from sandbox.reports import loopback_address
from sandbox.server import Sandbox

PATH = "/kannel/cgi-bin/sendsms"
WHO = {"username": kannel.USERNAME, "password": kannel.password("default")}
HEADERS = {"X-Kannel-Username": WHO["username"], "X-Kannel-Password": WHO["password"]}


class Reports:
    """A listener for delivery reports; it can be told to answer with something else than 200."""

    def __init__(self) -> None:
        self.received: asyncio.Queue[dict[str, str]] = asyncio.Queue()
        self.connections = 0
        self.answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
        self.port = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while line := await reader.readline():
                while await reader.readline() not in (b"\r\n", b""):
                    pass
                query = urlsplit(line.split()[1].decode()).query
                self.received.put_nowait(dict(parse_qsl(query, keep_blank_values=True)))
                writer.write(self.answer)
        except ConnectionError:
            pass
        finally:
            writer.transport.abort()

    def url(self, key: str = "k") -> str:
        escapes = "type=%d&answer=%A&id=%F&phone=%p&ours=%P&account=%n&smsc=%i&at=%t"
        return f"http://127.0.0.1:{self.port}/receipts?key={key}&{escapes}"

    async def types(self, count: int) -> list[int]:
        async with asyncio.timeout(5):
            return [int((await self.received.get())["type"]) for _ in range(count)]


@pytest.fixture
async def reports() -> AsyncIterator[Reports]:
    listener = Reports()
    server = await asyncio.start_server(listener.serve, "127.0.0.1", 0)
    listener.port = server.sockets[0].getsockname()[1]
    yield listener
    server.close()


async def send(http: httpx.AsyncClient, **fields: str) -> httpx.Response:
    named = {name.replace("_", "-"): value for name, value in fields.items()}
    return await http.get(PATH, params={**WHO, "to": "+6281100", "text": "Gempa", **named})


async def test_a_get_with_parameters_is_accepted(http: httpx.AsyncClient, sandbox: Sandbox) -> None:
    answer = await send(http, to="+6281100", text="Gempa [M 5,6]", charset="UTF-8", coding="0")
    assert (answer.status_code, answer.text) == (202, "0: Accepted for delivery")
    assert sandbox.stand_in("kannel").messages[0].text == "Gempa [M 5,6]"


@pytest.mark.parametrize(
    ("text", "coding", "content_type"),
    [
        ("Gempa [é] €", "0", "text/plain; charset=UTF-8"),
        ("日本 地震", "2", "text/plain; charset=UTF-8"),
        ("日本 地震", "2", "text/plain; charset=UTF-16BE"),
        ("日本 地震", "2", "application/octet-stream"),
    ],
)
async def test_a_post_with_headers_and_the_text_as_body_is_accepted(
    http: httpx.AsyncClient, sandbox: Sandbox, text: str, coding: str, content_type: str
) -> None:
    body = text.encode("utf-8" if "UTF-8" in content_type else "utf-16-be")
    headers = {**HEADERS, "X-Kannel-To": "+6281100", "X-Kannel-Coding": coding, "Content-Type": content_type}
    answer = await http.post(PATH, content=body, headers=headers)
    assert (answer.status_code, answer.text) == (202, "0: Accepted for delivery")
    assert sandbox.stand_in("kannel").messages[0].text == text


async def test_a_form_as_body_is_refused_as_the_real_one_refuses_it(http: httpx.AsyncClient) -> None:
    answer = await http.post(PATH, data={**WHO, "to": "+6281100", "text": "Gempa"})
    assert (answer.status_code, answer.text) == (400, "Invalid content-type")


async def test_wrong_credentials_are_refused(http: httpx.AsyncClient, sandbox: Sandbox) -> None:
    answers = [await send(http, password="wrong"), await send(http, username="")]
    answers.append(await http.post(PATH, content=b"x", headers={"Content-Type": "text/plain", "X-Kannel-To": "+62"}))
    answers.append(await http.get("/kannel/drill/cgi-bin/sendsms", params={**WHO, "to": "+62", "text": "x"}))
    for answer in answers:
        assert (answer.status_code, answer.text) == (403, "Authorization failed for sendsms")
    assert sandbox.counts()["kannel"]["taken"] == 0


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"to": ""}, "Empty receiver number not allowed, rejected"),
        ({"to": "abc"}, "Number(s) has/have been denied by white- and/or black-lists."),
        ({"coding": "9"}, "Coding field misformed, rejected"),
        ({"charset": "NONSENSE"}, "Charset or body misformed, rejected"),
        ({"dlr_mask": "99"}, "DLR-Mask field misformed, rejected"),
        ({"dlr_url": "ftp://x"}, "DLR-URL field misformed, rejected"),
        ({"validity": "-5"}, "Validity field misformed, rejected"),
    ],
)
async def test_what_the_rules_forbid_is_refused(
    http: httpx.AsyncClient, sandbox: Sandbox, fields: dict[str, str], says: str
) -> None:
    answer = await send(http, **fields)
    assert (answer.status_code, answer.text) == (400, says)
    assert sandbox.counts()["kannel"]["taken"] == 0


async def test_a_number_must_be_given(http: httpx.AsyncClient) -> None:
    answer = await http.get(PATH, params={**WHO, "text": "x"})
    assert (answer.status_code, answer.text) == (400, "Missing receiver number, rejected")


async def test_another_path_is_unknown(http: httpx.AsyncClient) -> None:
    assert (await http.get("/kannel/cgi-bin/sendota")).status_code == 404


async def test_a_body_in_another_charset_than_it_says_is_refused(http: httpx.AsyncClient) -> None:
    headers = {**HEADERS, "X-Kannel-To": "+6281100", "Content-Type": "text/plain; charset=UTF-8"}
    answer = await http.post(PATH, content=b"\xff\xfe\xfd", headers=headers)
    assert (answer.status_code, answer.text) == (400, "Charset or body misformed, rejected")


async def test_several_numbers_are_counted_one_by_one(http: httpx.AsyncClient, sandbox: Sandbox) -> None:
    await send(http, to="+6281100 +6281101")
    await send(http, to="+6281100")
    counts = sandbox.counts()["kannel"]
    assert counts["recipients"] == {"+6281101": 1, "+6281100": 2}
    assert counts["duplicates"] == [{"recipient": "+6281100", "text": "Gempa", "taken": 2}]


async def test_in_the_gsm_alphabet_what_is_not_in_it_becomes_a_question_mark(
    http: httpx.AsyncClient, sandbox: Sandbox
) -> None:
    await send(http, text="日é[x]", coding="0")
    assert sandbox.stand_in("kannel").messages[0].text == "?é[x]"


async def test_an_unroutable_number_is_refused_for_good(http: httpx.AsyncClient) -> None:
    await http.post("/_sandbox/kannel/recipients", json=[{"match": "8110", "is": "unroutable"}])
    answer = await send(http)
    assert (answer.status_code, answer.text) == (403, "Not routable. Do not try again.")
    assert (await send(http, to="+62999")).status_code == 202


async def test_a_throttle_is_a_temporal_failure(http: httpx.AsyncClient, sandbox: Sandbox) -> None:
    sandbox.add_faults("kannel", [Rule(Fault.THROTTLE)])
    answer = await send(http)
    assert (answer.status_code, answer.text) == (503, "Temporal failure, try again later.")


@pytest.mark.parametrize(
    ("behaviour", "types"),
    [
        ("delivered", [8, 1]),
        ("delivered-first", [1, 8]),
        ("failed", [8, 2]),
        ("rejected", [16]),
        ("buffered", [8, 4]),
        ("unconfirmed", [8]),
    ],
)
async def test_reports_come_as_the_number_is_scripted(
    http: httpx.AsyncClient, reports: Reports, behaviour: str, types: list[int]
) -> None:
    await http.post("/_sandbox/kannel/recipients", json=[{"match": "8110", "is": behaviour}])
    await send(http, dlr_mask="31", dlr_url=reports.url())
    assert await reports.types(len(types)) == types
    # Another number's report comes after: nothing else was on its way.
    await send(http, to="+62999", dlr_mask="1", dlr_url=reports.url("last"))
    assert (await reports.received.get())["key"] == "last"


async def test_a_silent_number_never_reports(http: httpx.AsyncClient, sandbox: Sandbox, reports: Reports) -> None:
    await http.post("/_sandbox/kannel/recipients", json=[{"match": "8110", "is": "silent"}])
    await send(http, dlr_mask="31", dlr_url=reports.url("silent"))
    await send(http, to="+62999", dlr_mask="31", dlr_url=reports.url("other"))
    assert {(await reports.received.get())["key"] for _ in range(2)} == {"other"}
    assert sandbox.counts()["kannel"]["taken"] == 2


async def test_reports_can_be_scripted_step_by_step(http: httpx.AsyncClient, reports: Reports) -> None:
    await http.post("/_sandbox/kannel/recipients", json=[{"match": "+62", "reports": [[4, 0], [2, 0.05]]}])
    await send(http, dlr_mask="31", dlr_url=reports.url())
    assert await reports.types(2) == [4, 2]


async def test_only_reports_that_were_asked_for_are_sent(http: httpx.AsyncClient, reports: Reports) -> None:
    await send(http, dlr_mask="1", dlr_url=reports.url())
    assert await reports.types(1) == [1]
    await send(http, dlr_url=reports.url("unasked"))
    await send(http, dlr_mask="1", dlr_url=reports.url("asked"))
    assert (await reports.received.get())["key"] == "asked"


async def test_the_escapes_of_a_report_address_are_filled(http: httpx.AsyncClient, reports: Reports) -> None:
    await send(http, dlr_mask="1", dlr_url=reports.url(), **{"from": "BPBD"})
    report = await reports.received.get()
    assert report.pop("at").startswith("2027-")
    assert report.pop("answer").startswith("id:1 ")
    assert report == {
        "key": "k",
        "type": "1",
        "id": "1",
        "phone": "+6281100",
        "ours": "BPBD",
        "account": "sandbox",
        "smsc": "sandbox",
    }


async def test_a_report_survives_an_answer_that_was_lost(
    http: httpx.AsyncClient, sandbox: Sandbox, reports: Reports
) -> None:
    sandbox.add_faults("kannel", [Rule(Fault.ACCEPT_THEN_RESET), Rule(Fault.DROP)])
    for key in ("taken", "dropped"):
        with pytest.raises(httpx.TransportError):
            await send(http, dlr_mask="1", dlr_url=reports.url(key))
    assert (await reports.received.get())["key"] == "taken"
    await send(http, dlr_mask="1", dlr_url=reports.url("third"))
    assert (await reports.received.get())["key"] == "third"


async def test_reports_share_kept_connections(http: httpx.AsyncClient, reports: Reports) -> None:
    for _ in range(40):
        await send(http, dlr_mask="31", dlr_url=reports.url())
    await reports.types(80)
    assert reports.connections <= 8


@pytest.mark.parametrize("answer", [b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n", b"nonsense\r\n\r\n"])
async def test_a_report_that_is_not_taken_is_lost_and_noted(
    http: httpx.AsyncClient, sandbox: Sandbox, reports: Reports, answer: bytes
) -> None:
    reports.answer = answer
    await send(http, dlr_mask="1", dlr_url=reports.url())
    await reports.received.get()
    async with asyncio.timeout(5):
        while not sandbox.reports.lost:
            await http.get("/_sandbox/counts")
    assert any("report lost" in note for note in sandbox.stand_in("kannel").messages[0].notes)


async def test_a_report_that_would_leave_this_machine_is_never_sent(http: httpx.AsyncClient, sandbox: Sandbox) -> None:
    await send(http, dlr_mask="1", dlr_url="http://203.0.113.9/receipts?type=%d")
    assert sandbox.reports.lost == 1
    assert sandbox.stand_in("kannel").messages[0].notes[-1] == "report refused: its address is not on loopback"


@pytest.mark.parametrize(
    ("url", "where"),
    [
        ("http://127.0.0.1:8080/r", ("127.0.0.1", 8080)),
        ("http://[::1]/r", ("::1", 80)),
        ("http://localhost:99/r", ("127.0.0.1", 99)),
        ("http://127.8.8.8/r", ("127.8.8.8", 80)),
        ("https://127.0.0.1/r", None),
        ("http://10.0.0.1/r", None),
        ("http://0.0.0.0/r", None),
        ("http://localhost.example.org/r", None),
        ("http://127.0.0.1@example.org/r", None),
        ("http://127.0.0.1:99999/r", None),
        ("http:///r", None),
    ],
)
def test_only_loopback_is_loopback(url: str, where: tuple[str, int] | None) -> None:
    assert loopback_address(url) == where


@pytest.mark.parametrize(
    "script",
    [{"is": "delivered"}, {"match": "1", "is": "maybe"}, {"match": "1", "reports": [[3, 0]]}, {"match": "1"}],
)
async def test_a_wrong_script_is_refused(http: httpx.AsyncClient, script: Mapping[str, Any]) -> None:
    assert (await http.post("/_sandbox/kannel/recipients", json=[script])).status_code == 422


def test_an_escape_that_is_not_known_stays() -> None:
    assert kannel.expand("http://h/%d/%2F/%%d0?a=%Z%", {"d": "8"}) == "http://h/8/%2F/%d0?a=%Z%"


# --- parts -----------------------------------------------------------------------------------------------


def fewest_parts(widths: list[int], each: int) -> int:
    """The oracle: tries every way to cut, keeping what belongs together."""
    best = {0: 0}
    for start in range(len(widths)):
        used = 0
        for end in range(start, len(widths)):
            used += widths[end]
            if used > each:
                break
            best[end + 1] = min(best.get(end + 1, 10**6), best[start] + 1)
    return best[len(widths)]


@given(st.text(st.sampled_from("aé@{€"), min_size=1, max_size=400))
def test_parts_in_the_gsm_alphabet(text: str) -> None:
    widths = [2 if c in "{€" else 1 for c in text]
    expected = 1 if sum(widths) <= 160 else fewest_parts(widths, 153)
    assert short_messages.gsm(text)
    assert short_messages.parts(text, in_gsm=True) == expected


@given(st.text(st.sampled_from("a日\U0001f30a"), min_size=1, max_size=200))
def test_parts_in_ucs2(text: str) -> None:
    widths = [2 if ord(c) > 0xFFFF else 1 for c in text]
    expected = 1 if sum(widths) <= 70 else fewest_parts(widths, 67)
    assert short_messages.parts(text, in_gsm=False) == expected

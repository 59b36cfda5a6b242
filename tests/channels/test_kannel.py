from __future__ import annotations

from typing import Any, ClassVar
from urllib.parse import parse_qsl, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

import channels
from channels.kannel import Adapter, Settings
from kentongan.seam import (
    Accepted,
    Address,
    Confirmed,
    Credential,
    Forged,
    InDoubt,
    Mode,
    Received,
    Rejected,
    Retryable,
    Why,
)
from tests.channels.contract import SECRET, WORDS
from tests.channels.scripted import Reply, Request, ScriptedServer
from tests.channels.wire_contract import WireContract

OURS = "user, password or address of the gateway"
RECEIPTS = "https://agency.example/receipts/sms"


def expanded(url: str, kind: int, answer: str = "") -> dict[str, str]:
    """What our endpoint would get: Kannel's escapes filled, its doubled percent signs halved."""
    filled = url.replace("%%", "\0").replace("%d", str(kind)).replace("%F", "42").replace("%A", answer)
    return dict(parse_qsl(urlsplit(filled.replace("\0", "%")).query, keep_blank_values=True))


def received(query: dict[str, str]) -> Received:
    return Received("GET", "/receipts/sms", query, {}, b"")


class TestKannel(WireContract):
    kind = "kannel"
    settings: ClassVar[dict[str, Any]] = {
        "username": "bpbd",
        "password": {"env": "KENTONGAN_TEST_SECRET"},
        "sender": "BPBD",
        "audience": "all",
        "receipt_url": RECEIPTS,
        "receipt_secret": {"env": "KENTONGAN_TEST_SECRET"},
    }
    to = Address("phone", "+628120000001")
    good = Reply(202, b"0: Accepted for delivery")
    refused_403 = Credential  # 403 is how the gateway refuses user and password
    retry_503 = False

    def sent_text(self, request: Request) -> str:
        return request.body.decode()

    def adapter(self, **changes: Any) -> Any:
        settings = self.configured("http://127.0.0.1:1", **changes)
        return channels.adapter("kannel")("instance", settings)

    async def test_one_message_asks_for_every_report(self, server: ScriptedServer) -> None:
        assert await self.send_once(server, None) == Accepted("")
        (request,) = server.requests
        assert (request.method, request.target) == ("POST", "/cgi-bin/sendsms")
        assert request.headers["x-kannel-to"] == "+628120000001"
        assert request.headers["x-kannel-from"] == "BPBD"
        assert request.headers["x-kannel-username"] == "bpbd"
        assert request.headers["x-kannel-password"] == SECRET
        assert request.headers["x-kannel-dlr-mask"] == "31"
        assert request.headers["x-kannel-validity"] == "30"
        assert request.headers["content-type"] == "text/plain; charset=UTF-8"

    @pytest.mark.parametrize(("text", "coding"), [("Gempa [M6] €5", "0"), (WORDS + " –", "2"), ("gempa 🌊", "2")])
    async def test_the_alphabet_is_chosen_from_the_text(self, server: ScriptedServer, text: str, coding: str) -> None:
        async with self.opened(self.configured(server.base_url)) as channel:
            await channel.send(self.message(text=text), [self.job()], None)
        assert server.requests[0].headers["x-kannel-coding"] == coding
        assert server.requests[0].body.decode() == f"{text} K7Q4-ID"

    async def test_validity_is_what_is_left_of_the_alert(self, server: ScriptedServer) -> None:
        async with self.opened(self.configured(server.base_url)) as channel:
            await channel.send(self.message(), [self.job(values={"validity_minutes": "7"})], None)
        assert server.requests[0].headers["x-kannel-validity"] == "7"

    async def test_a_gateway_without_post_is_asked_by_get(self, server: ScriptedServer) -> None:
        assert isinstance(await self.send_once(server, None, request="get"), Accepted)
        (request,) = server.requests
        assert request.method == "GET"
        assert request.query["text"] == self.message().text
        assert request.query["to"] == "+628120000001"
        assert (request.query["charset"], request.query["coding"]) == ("UTF-8", "2")

    @pytest.mark.parametrize(
        ("status", "body", "outcome"),
        [
            (202, b"3: Queued for later delivery", Accepted("")),
            (202, b"Sent.", InDoubt("status 202 with an unreadable answer")),
            (200, b"0: Accepted for delivery", InDoubt("status 200 with an unreadable answer")),
            (503, b"Temporal failure, try again later.", Retryable("status 503", throttled=True)),
            (503, b"<h1>503 Service Unavailable</h1>No server is available.", InDoubt("status 503")),
            (
                403,
                b"Authorization failed for sendsms",
                Credential("status 403: user, password or address of the gateway"),
            ),
            (404, b"Unknown request.", Credential("status 404: user, password or address of the gateway")),
            (400, b"Sender missing and no global set, rejected", Credential("status 400: the sender is refused")),
            (403, b"Not routable. Do not try again.", Rejected("status 403: the number is refused", Why.ADDRESS)),
            (
                400,
                b"Number(s) has/have been denied by white- and/or black-lists.",
                Rejected("status 400: the number is refused", Why.ADDRESS),
            ),
            (
                400,
                b"Empty receiver number not allowed, rejected",
                Rejected("status 400: the number is refused", Why.ADDRESS),
            ),
            (400, b"Coding field misformed, rejected", Rejected("status 400", Why.PAYLOAD)),
        ],
    )
    async def test_the_words_of_the_gateway_are_its_codes(
        self, server: ScriptedServer, status: int, body: bytes, outcome: object
    ) -> None:
        assert await self.send_once(server, None, Reply(status, body)) == outcome

    @pytest.mark.parametrize("number", ["", "abc", "+62\r\nX-Evil: 1", "+62 812", "１２３４５"])
    async def test_what_is_no_number_never_leaves(self, server: ScriptedServer, number: str) -> None:
        self.to = Address("phone", number)  # type: ignore[misc]
        outcome = await self.send_once(server, None)
        assert isinstance(outcome, Rejected)
        assert outcome.why is Why.ADDRESS
        assert server.requests == []

    async def test_ready_sends_nothing_to_anybody(self, server: ScriptedServer) -> None:
        server.usual = Reply(400, b"Missing receiver(s) number(s), rejected")
        async with self.opened(self.configured(server.base_url)) as channel:
            assert (await channel.ready()).ready
        assert "x-kannel-to" not in server.requests[0].headers
        server.usual = Reply(403, b"Authorization failed for sendsms")
        async with self.opened(self.configured(server.base_url)) as channel:
            assert not (await channel.ready()).ready

    # --- receipts ----------------------------------------------------------------------------------------

    @pytest.mark.parametrize(
        ("bits", "confirmed"),
        [
            (1, Confirmed.DELIVERED),
            (2, Confirmed.UNREACHABLE),
            (2 | 0x20, Confirmed.UNREACHABLE),
            (2 | 0x40, Confirmed.UNREACHABLE),
            (8, Confirmed.ACCEPTED),
            (16, Confirmed.REJECTED),
            (4, None),
            (0, None),
            (32, None),
        ],
    )
    async def test_a_report_is_read_by_its_bits(self, bits: int, confirmed: Confirmed | None) -> None:
        adapter = self.adapter()
        query = expanded(adapter.receipt_address("key-1"), bits)
        receipts = adapter.receipts(received(query))
        assert [(receipt.key, receipt.confirmed) for receipt in receipts] == (
            [] if confirmed is None else [("key-1", confirmed)]
        )
        await adapter.close()

    async def test_the_address_that_went_out_brings_the_key_back(self, server: ScriptedServer) -> None:
        key = "ké/y %d&type=1#"
        async with self.opened(self.configured(server.base_url)) as channel:
            await channel.send(self.message(), [self.job(key)], None)
            url = server.requests[0].headers["x-kannel-dlr-url"]
            assert url.startswith(RECEIPTS + "?")
            (receipt,) = channel.receipts(received(expanded(url, 8)))
        assert (receipt.key, receipt.confirmed) == (key, Confirmed.ACCEPTED)

    async def test_a_token_of_another_key_or_secret_is_forged(self, monkeypatch: pytest.MonkeyPatch) -> None:
        adapter = self.adapter()
        good = expanded(adapter.receipt_address("key-1"), 1)
        for changes in ({"key": "key-2"}, {"token": ""}, {"token": "é"}, {"token": good["token"][:-1]}):
            with pytest.raises(Forged):
                adapter.receipts(received({**good, **changes}))
        with pytest.raises(Forged):
            adapter.receipts(received({}))
        monkeypatch.setenv("KENTONGAN_TEST_SECRET", "another")
        other = self.adapter()
        with pytest.raises(Forged):
            other.receipts(received(good))
        await adapter.close()
        await other.close()

    async def test_an_instance_without_receipts_takes_none(self, server: ScriptedServer) -> None:
        settings = self.configured(server.base_url, receipt_url=None, receipt_secret=None)
        async with self.opened(settings) as channel:
            await channel.send(self.message(), [self.job()], None)
            with pytest.raises(Forged):
                channel.receipts(received({"key": "key-1", "token": "", "type": "1"}))
        assert "x-kannel-dlr-url" not in server.requests[0].headers

    @pytest.mark.parametrize(
        ("told", "reason"),
        [
            ("id:7 sub:001 dlvrd:000 done date:2603011201 stat:UNDELIV err:0B1 text:+628120000001", "UNDELIV 0B1"),
            ("stat:EXPIRED text:Gempa", "EXPIRED"),
            ("NACK/0x0000000b/Invalid Destination Address", "NACK 0x0000000b"),
            ("ACK/", ""),
            ("+628120000001 Gempa", ""),
        ],
    )
    async def test_a_reason_holds_the_state_and_neither_number_nor_text(self, told: str, reason: str) -> None:
        adapter = self.adapter()
        query = {**expanded(adapter.receipt_address("key-1"), 2), "answer": told}
        (receipt,) = adapter.receipts(received(query))
        assert receipt.reason == reason
        await adapter.close()

    def test_receipts_need_address_and_secret(self) -> None:
        for changes in ({"receipt_url": None}, {"receipt_secret": None}, {"audience": None}, {"sender": "a\r\nb"}):
            with pytest.raises(ValidationError):
                self.configured("http://127.0.0.1:13013", **changes)

    async def test_a_drill_is_marked_in_gsm7(self, server: ScriptedServer) -> None:
        async with self.opened(self.configured(server.base_url, Mode.DRILL)) as channel:
            await channel.send(self.message(Mode.DRILL, text="Gempa"), [self.job()], None)
        assert server.requests[0].headers["x-kannel-coding"] == "0"


@given(st.text(max_size=40), st.text(max_size=40), st.text(max_size=12), st.text(max_size=80))
def test_no_report_that_we_did_not_ask_for_is_believed(key: str, token: str, kind: str, answer: str) -> None:
    suite = TestKannel()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KENTONGAN_TEST_SECRET", SECRET)
        adapter = suite.adapter()
    with pytest.raises(Forged):
        adapter.receipts(received({"key": key, "token": token, "type": kind, "answer": answer}))


@given(st.text(max_size=12), st.text(max_size=80))
def test_any_words_in_a_true_report_are_read_without_a_fault(kind: str, answer: str) -> None:
    suite = TestKannel()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KENTONGAN_TEST_SECRET", SECRET)
        adapter = suite.adapter()
    query = expanded(adapter.receipt_address("key-1"), 1)
    for receipt in adapter.receipts(received({**query, "type": kind, "answer": answer})):
        assert receipt.key == "key-1"


# --- What people write back ---


def kannel(monkeypatch: pytest.MonkeyPatch, **more: Any) -> Any:
    monkeypatch.setenv("KENTONGAN_TEST_SECRET", SECRET)
    settings = {**TestKannel.settings, "kind": "kannel", "mode": "live", "base_url": "http://127.0.0.1:1", **more}
    return Adapter("sms", Settings.model_validate(settings))


def written(channel: Any, body: bytes = b"", *, method: str = "POST", **changes: str) -> Received:
    """What our endpoint gets from the gateway's sms-service."""
    query = dict(parse_qsl(urlsplit(channel.inbound_address().replace("%I", "mo-7")).query))
    headers = {"content-type": "text/plain; charset=UTF-8", "x-kannel-from": "+628120000001"}
    headers |= {name.replace("_", "-"): value for name, value in changes.items() if name.startswith(("x_", "content_"))}
    query |= {name: value for name, value in changes.items() if name in ("from", "text", "id", "inbound", "at")}
    if method == "GET":
        del headers["x-kannel-from"]
    return Received(method, "/receipts/sms", query, headers, body)


@pytest.mark.parametrize(
    ("body", "charset", "text"),
    [
        (b"1", "UTF-8", "1"),
        ("butuh bantuan — cepat".encode(), "utf-8", "butuh bantuan — cepat"),
        ("tolong é".encode("utf-16-be"), "UTF-16BE", "tolong é"),
        ("sûr".encode("cp1252"), "ISO-8859-1", "sûr"),
        (b"1", "zip", "1"),
        (b"\xff\xfe1", "utf-8", "\ufffd\ufffd1"),
        (b"", "utf-8", ""),
    ],
)
def test_a_posted_message_is_read_in_its_character_set(
    body: bytes, charset: str, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    channel = kannel(monkeypatch)
    request = written(channel, body, content_type=f"text/plain; charset={charset}")
    (found,) = channel.inbound(request)
    assert (found.family, found.address, found.text, found.provider_id) == ("phone", "+628120000001", text, "mo-7")
    assert channel.receipts(request) == ()


def test_a_message_in_the_address_is_read_too(monkeypatch: pytest.MonkeyPatch) -> None:
    channel = kannel(monkeypatch)
    request = written(channel, method="GET", text="aman", **{"from": "628120000001"})
    (found,) = channel.inbound(request)
    assert (found.address, found.text) == ("628120000001", "aman")


def test_a_national_number_gets_its_country_where_the_config_names_one(monkeypatch: pytest.MonkeyPatch) -> None:
    numbers = {"08120000001": "+628120000001", "00628120000001": "+628120000001", "0999": "0999"}
    channel = kannel(monkeypatch, country="ID")
    for sent, expected in numbers.items():
        (found,) = channel.inbound(written(channel, b"1", x_kannel_from=sent))
        assert found.address == expected
    (found,) = (plain := kannel(monkeypatch)).inbound(written(plain, b"1", x_kannel_from="08120000001"))
    assert found.address == "08120000001"


def test_a_forged_message_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    channel = kannel(monkeypatch)
    for token in ("", "x" * 32, "é"):
        with pytest.raises(Forged):
            channel.inbound(written(channel, b"1", inbound=token))
    # The token of a receipt, which every gateway sees, opens nothing else.
    report = dict(parse_qsl(urlsplit(channel.receipt_address("k")).query))
    with pytest.raises(Forged):
        channel.inbound(written(channel, b"1", inbound=report["token"]))
    silent = kannel(monkeypatch, receipt_url=None, receipt_secret=None)
    with pytest.raises(Forged):
        silent.inbound(written(channel, b"1"))


def test_a_repeated_call_without_an_id_is_the_same_message(monkeypatch: pytest.MonkeyPatch) -> None:
    channel = kannel(monkeypatch)
    ids = [
        channel.inbound(written(channel, text, id="", x_kannel_time=at))[0].provider_id
        for text, at in ((b"1", "2026-11-21 07:00"), (b"1", "2026-11-21 07:00"), (b"2", "2026-11-21 07:00"))
    ]
    assert ids[0] == ids[1] != ids[2]
    assert "628120000001" not in "".join(ids)


def test_who_writes_from_a_name_is_nobody_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    channel = kannel(monkeypatch)
    assert channel.inbound(written(channel, b"promo", x_kannel_from="TELKOM")) == ()


def test_a_delivery_report_is_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    channel = kannel(monkeypatch)
    report = received(expanded(channel.receipt_address("key-1"), 1))
    assert channel.inbound(report) == ()
    assert len(channel.receipts(report)) == 1

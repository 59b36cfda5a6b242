"""Webhook: the contract on real sockets, the signature as a receiver checks it, and receipts that may be forged."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

import channels
from channels import _standard_webhooks
from channels.webhook import MOST_BYTES
from kentongan.errors import BadConfig
from kentongan.seam import (
    Accepted,
    Confirmed,
    Credential,
    Forged,
    Mode,
    Receipt,
    Received,
    Rejected,
    Retryable,
    Why,
)
from tests.channels.contract import SECRET, SINCE
from tests.channels.scripted import Reply, Request, ScriptedServer
from tests.channels.wire_contract import WireContract


def whsec(content: bytes) -> str:
    return f"whsec_{base64.b64encode(content).decode()}"


RAW, EARLIER, THEIRS = (SECRET * 2).encode(), b"e" * 32, b"t" * 64
NOW = datetime(2026, 3, 1, 12, 4, 30, 500000, tzinfo=UTC)


def checked(headers: Mapping[str, str], body: bytes, secret: bytes) -> bool:
    """The check as the standard describes it for a receiver, written apart from ours."""
    content = b".".join((headers["webhook-id"].encode(), headers["webhook-timestamp"].encode(), body))
    wanted = base64.b64encode(hmac.digest(secret, content, hashlib.sha256)).decode()
    return f"v1,{wanted}" in headers["webhook-signature"].split(" ")


class TestWebhook(WireContract):
    kind = "webhook"
    settings: ClassVar[dict[str, Any]] = {
        "sandbox": True,
        "path": "/hook",
        "secret": {"env": "KENTONGAN_TEST_SHARED"},
    }
    good = Reply(200)
    refused_403 = Credential
    retry_503 = True

    @pytest.fixture(autouse=True)
    def _secrets(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("KENTONGAN_TEST_SHARED", whsec(RAW))
        monkeypatch.setenv("KENTONGAN_TEST_EARLIER", whsec(EARLIER))
        monkeypatch.setenv("KENTONGAN_TEST_THEIRS", whsec(THEIRS))

    def sent_text(self, request: Request) -> str:
        return str(request.json["data"]["text"])

    def channel(self, now: datetime = NOW, **changes: Any) -> Any:
        settings = self.configured("http://127.0.0.1:1", **changes)
        return channels.adapter("webhook")("instance", settings, now=lambda: now)  # type: ignore[call-arg]

    # --- where the standard and the common table differ ----------------------------------------------------

    @pytest.mark.parametrize("body", [b"", b"<html>", b"{}", b"null", b"[" * 100_000])
    async def test_a_success_that_cannot_be_read_is_in_doubt(self, server: ScriptedServer, body: bytes) -> None:
        """Here any success is one: the standard gives the body no meaning."""
        for status in (200, 201, 202, 299):
            assert await self.send_once(server, None, Reply(status, body)) == Accepted("key-1")

    @pytest.mark.parametrize("status", [400, 413, 418, 422])
    async def test_any_other_refusal_is_about_the_message(self, server: ScriptedServer, status: int) -> None:
        outcome = await self.send_once(server, None, Reply(status, b"no"))
        assert isinstance(outcome, Rejected)
        assert outcome.why is Why.PAYLOAD

    @pytest.mark.parametrize("status", [404, 405, 410])
    async def test_an_endpoint_that_is_gone_is_ours_to_mend(self, server: ScriptedServer, status: int) -> None:
        assert isinstance(await self.send_once(server, None, Reply(status)), Credential)

    async def test_the_same_key_makes_the_same_request(self, server: ScriptedServer) -> None:
        """All but the time of the attempt, which the signature covers."""
        for now in (NOW, NOW + timedelta(seconds=90)):
            channel = channels.adapter("webhook")(
                "instance",
                self.configured(server.base_url),
                now=lambda now=now: now,  # type: ignore[call-arg]
            )
            await channel.send(self.message(), [self.job()], None)
            await channel.close()
        first, second = server.requests
        assert first.body == second.body
        assert first.headers["webhook-id"] == second.headers["webhook-id"] == "key-1"
        assert int(second.headers["webhook-timestamp"]) - int(first.headers["webhook-timestamp"]) == 90
        assert first.headers["webhook-signature"] != second.headers["webhook-signature"]

    # --- what leaves -------------------------------------------------------------------------------------

    async def test_a_receiver_finds_the_alert_and_a_signature_that_fits(self, server: ScriptedServer) -> None:
        message = self.message(link="https://siaga.example/K7Q4", alert_kind="all-clear")
        async with self.opened(self.configured(server.base_url, feed="https://siaga.example/")) as channel:
            await channel.send(message, [self.job()], None)
        (request,) = server.requests
        assert (request.method, request.target) == ("POST", "/hook")
        assert request.headers["content-type"] == "application/json"
        assert checked(request.headers, request.body, RAW)
        assert not checked(request.headers, request.body + b" ", RAW)
        assert request.json == {
            "type": "warning.all_clear",
            "timestamp": SINCE.isoformat().replace("+00:00", "Z"),
            "data": {
                "alert": "K7Q4",
                "code": "K7Q4-ID",
                "kind": "all-clear",
                "drill": False,
                "language": "id",
                "title": "Gempa bumi",
                "text": message.text,
                "link": "https://siaga.example/K7Q4",
                "cap": "https://siaga.example/K7Q4/alert.xml",
            },
        }

    async def test_a_drill_is_told_to_machines_and_to_readers(self, server: ScriptedServer) -> None:
        async with self.opened(self.configured(server.base_url, Mode.DRILL)) as channel:
            await channel.send(self.message(Mode.DRILL, title="Gempa"), [self.job()], None)
        data = server.requests[0].json["data"]
        assert data["drill"] is True
        assert data["title"] == "[DRILL] Gempa"
        assert data["text"].startswith("[DRILL]")
        assert data["text"].endswith("[DRILL]")

    async def test_while_a_secret_is_changed_both_sign(self, server: ScriptedServer) -> None:
        async with self.opened(
            self.configured(server.base_url, earlier_secret={"env": "KENTONGAN_TEST_EARLIER"})
        ) as channel:
            await channel.send(self.message(), [self.job()], None)
        (request,) = server.requests
        assert checked(request.headers, request.body, RAW)
        assert checked(request.headers, request.body, EARLIER)
        assert not checked(request.headers, request.body, THEIRS)

    async def test_secrets_in_files_count_as_they_stand_there_now(self, server: ScriptedServer, tmp_path: Path) -> None:
        files = {
            "secret": tmp_path / "ours",
            "earlier_secret": tmp_path / "before",
            "receipt_secret": tmp_path / "theirs",
        }
        for file, content in zip(files.values(), (RAW, EARLIER, THEIRS), strict=True):
            file.write_text(whsec(content))
        settings = self.configured(server.base_url, **{field: {"file": str(file)} for field, file in files.items()})
        channel = channels.adapter("webhook")("instance", settings, now=lambda: NOW)  # type: ignore[call-arg]
        new, new_theirs = b"n" * 32, b"T" * 64
        receipt = {"type": "receipt.delivered", "data": {"webhook_id": "key-1"}}
        assert channel.receipts(self.receipt(receipt))
        for file, content in zip(files.values(), (new, RAW, new_theirs), strict=True):
            file.write_text(whsec(content) + "\n")
        await channel.send(self.message(), [self.job()], None)
        files["secret"].write_text("whsec_half-writ")
        await channel.send(self.message(), [self.job()], None)
        await channel.close()
        for request in server.requests:
            assert checked(request.headers, request.body, new), "a file that is half written leaves what was"
            assert checked(request.headers, request.body, RAW)
            assert not checked(request.headers, request.body, EARLIER)
        assert channel.receipts(self.receipt(receipt, secret=new_theirs))
        with pytest.raises(Forged):
            channel.receipts(self.receipt(receipt))

    async def test_a_receipt_secret_that_becomes_ours_opens_nothing(
        self, server: ScriptedServer, tmp_path: Path
    ) -> None:
        file = tmp_path / "theirs"
        file.write_text(whsec(THEIRS))
        channel = self.channel(receipt_secret={"file": str(file)})
        file.write_text(whsec(RAW))
        receipt = {"type": "receipt.delivered", "data": {"webhook_id": "key-1"}}
        with pytest.raises(Forged):
            channel.receipts(self.receipt(receipt, secret=RAW))

    @pytest.mark.parametrize("both", [True, False], ids=["seed and public key", "seed"])
    async def test_a_partner_may_check_an_ed25519_signature(
        self, server: ScriptedServer, monkeypatch: pytest.MonkeyPatch, both: bool
    ) -> None:
        key = Ed25519PrivateKey.generate()
        public: Ed25519PublicKey = key.public_key()
        content = key.private_bytes_raw() + (public.public_bytes_raw() if both else b"")
        monkeypatch.setenv("KENTONGAN_TEST_KEY", f"whsk_{base64.b64encode(content).decode()}")
        async with self.opened(self.configured(server.base_url, private_key={"env": "KENTONGAN_TEST_KEY"})) as channel:
            await channel.send(self.message(), [self.job()], None)
        (request,) = server.requests
        (signature,) = (each[4:] for each in request.headers["webhook-signature"].split(" ") if each[:4] == "v1a,")
        signed = f"key-1.{request.headers['webhook-timestamp']}.".encode()
        public.verify(base64.b64decode(signature), signed + request.body)
        with pytest.raises(InvalidSignature):
            public.verify(base64.b64decode(signature), signed + request.body + b" ")

    async def test_the_longest_text_stays_below_what_the_standard_asks(self, server: ScriptedServer) -> None:
        async with self.opened(self.configured(server.base_url)) as channel:
            longest = "🌊" * channel.limits.length
            (outcome,) = await channel.send(self.message(text=longest[:-20]), [self.job()], None)
            assert isinstance(outcome, Accepted)
            assert len(server.requests[0].body) <= MOST_BYTES
            (outcome,) = await channel.send(self.message(text=longest * 2), [self.job()], None)
        assert isinstance(outcome, Rejected)
        assert len(server.requests) == 1

    async def test_half_a_character_never_leaves(self, server: ScriptedServer) -> None:
        async with self.opened(self.configured(server.base_url)) as channel:
            (outcome,) = await channel.send(self.message(text="\ud83c"), [self.job()], None)
        assert isinstance(outcome, Rejected)
        assert server.requests == []

    async def test_ready_asks_what_nothing_could_act_upon(self, server: ScriptedServer) -> None:
        for status, ready in ((204, True), (405, True), (501, True), (404, False), (410, False), (403, False)):
            server.usual = Reply(status)
            async with self.opened(self.configured(server.base_url)) as channel:
                assert (await channel.ready()).ready is ready, status
        assert {request.method for request in server.requests} == {"OPTIONS"}
        assert all(request.body == b"" and "webhook-id" not in request.headers for request in server.requests)

    # --- settings ----------------------------------------------------------------------------------------

    @pytest.mark.parametrize(
        "changes",
        [
            {"sandbox": False},
            {"audience": "all"},
            {"path": "hook"},
            {"path": "/a b"},
            {"path": "/a?b"},
            {"feed": "ftp://x"},
        ],
        ids=str,
    )
    def test_settings_that_cannot_be_are_refused(self, changes: dict[str, Any]) -> None:
        with pytest.raises(ValidationError):
            self.configured(**{"base_url": "http://partner.example", **changes})

    @pytest.mark.parametrize(
        "secret", ["", "secret", "whsec_", "whsec_!!!", whsec(b"x" * 23), whsec(b"x" * 65), whsec(b"x" * 32) + "é"]
    )
    def test_a_secret_of_another_form_is_refused_without_being_shown(
        self, monkeypatch: pytest.MonkeyPatch, secret: str
    ) -> None:
        monkeypatch.setenv("KENTONGAN_TEST_SHARED", secret)
        with pytest.raises(BadConfig, match=r"channels\.instance\.secret") as raised:
            self.channel()
        assert not secret or len(secret) < 7 or secret not in str(raised.value)

    def test_a_receipt_secret_that_we_sign_with_is_refused(self) -> None:
        for field in ("KENTONGAN_TEST_SHARED", "KENTONGAN_TEST_EARLIER"):
            with pytest.raises(BadConfig, match=r"receipt_secret: is a secret by which we sign"):
                self.channel(earlier_secret={"env": "KENTONGAN_TEST_EARLIER"}, receipt_secret={"env": field})

    # --- receipts ----------------------------------------------------------------------------------------

    def receipt(self, content: Any, at: datetime = NOW, secret: bytes = THEIRS, **changes: str) -> Received:
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        stamp = str(int(at.timestamp()))
        mac = base64.b64encode(hmac.digest(secret, f"msg-1.{stamp}.".encode() + body, hashlib.sha256)).decode()
        headers = {"webhook-id": "msg-1", "webhook-timestamp": stamp, "webhook-signature": f"v1,{mac}", **changes}
        return Received("POST", "/receipts/sirens", {}, headers, body)

    @pytest.mark.parametrize(
        ("content", "receipts"),
        [
            (
                {"type": "receipt.delivered", "data": {"webhook_id": "key-1"}},
                (Receipt(Confirmed.DELIVERED, key="key-1"),),
            ),
            (
                {"type": "receipt.failed", "data": {"webhook_id": "key-1", "reason": "siren_offline"}},
                (Receipt(Confirmed.UNREACHABLE, key="key-1", reason="siren_offline"),),
            ),
            (
                {"type": "receipt.failed", "data": {"webhook_id": "k", "reason": "Pak Budi +62812"}},
                (Receipt(Confirmed.UNREACHABLE, key="k"),),
            ),
            ({"type": "receipt.delivered", "data": {"webhook_id": 7}}, ()),
            ({"type": "receipt.delivered", "data": {"webhook_id": ""}}, ()),
            ({"type": "receipt.delivered", "data": {"webhook_id": "k" * 129}}, ()),
            ({"type": "receipt.delivered", "data": []}, ()),
            ({"type": ["receipt.delivered"], "data": {"webhook_id": "k"}}, ()),
            ({"type": "warning.alert", "data": {"webhook_id": "k"}}, ()),
            ([], ()),
            (b"nonsense", ()),
            (b"[" * 100_000, ()),
        ],
    )
    async def test_a_signed_receipt_is_read(self, content: Any, receipts: tuple[Receipt, ...]) -> None:
        channel = self.channel(receipt_secret={"env": "KENTONGAN_TEST_THEIRS"})
        assert tuple(channel.receipts(self.receipt(content))) == receipts
        await channel.close()

    async def test_what_is_not_signed_now_by_the_partner_is_forged(self) -> None:
        channel = self.channel(receipt_secret={"env": "KENTONGAN_TEST_THEIRS"})
        said = {"type": "receipt.delivered", "data": {"webhook_id": "key-1"}}
        good = self.receipt(said)
        forged = [
            self.receipt(said, secret=RAW),
            self.receipt(said, at=NOW - timedelta(seconds=301)),
            self.receipt(said, at=NOW + timedelta(seconds=302)),
            self.receipt(said, **{"webhook-id": "msg-2"}),
            self.receipt(said, **{"webhook-id": ""}),
            self.receipt(said, **{"webhook-timestamp": "soon"}),
            self.receipt(said, **{"webhook-timestamp": "-5"}),
            self.receipt(said, **{"webhook-timestamp": "٣"}),
            self.receipt(said, **{"webhook-timestamp": "9" * 5000}),
            self.receipt(said, **{"webhook-signature": ""}),
            self.receipt(said, **{"webhook-signature": good.headers["webhook-signature"].replace("v1,", "v2,")}),
            self.receipt(said, **{"webhook-signature": "v1,\udce9 v1,é"}),
            Received("POST", "/", {}, good.headers, good.body + b" "),
            Received("GET", "/", {}, good.headers, good.body),
            Received("POST", "/", {}, {}, b""),
        ]
        for request in forged:
            with pytest.raises(Forged):
                channel.receipts(request)
        assert channel.receipts(self.receipt(said, at=NOW - timedelta(seconds=299)))
        several = f"v1,AAAA v1a,BBBB {good.headers['webhook-signature']}"
        assert channel.receipts(self.receipt(said, **{"webhook-signature": several}))
        await channel.close()

    async def test_our_own_message_sent_back_is_no_receipt(self, server: ScriptedServer) -> None:
        settings = self.configured(server.base_url, receipt_secret={"env": "KENTONGAN_TEST_THEIRS"})
        async with self.opened(settings) as channel:
            await channel.send(self.message(), [self.job()], None)
            (request,) = server.requests
            with pytest.raises(Forged):
                channel.receipts(Received("POST", "/", {}, request.headers, request.body))

    async def test_an_instance_without_receipts_takes_none(self) -> None:
        channel = self.channel()
        with pytest.raises(Forged):
            channel.receipts(self.receipt({"type": "receipt.delivered", "data": {"webhook_id": "k"}}))
        await channel.close()

    async def test_a_partner_in_our_own_network_is_not_spoken_to(self, server: ScriptedServer) -> None:
        """The guard stands in the way of an instance that is no sandbox, whatever its config says."""
        for host in ("localhost", "127.0.0.1", "[::1]", "169.254.169.254", "10.0.0.7", "2130706433"):
            settings = self.configured(f"https://{host}:{server.port}", sandbox=False, deadline=2.0)
            async with self.opened(settings) as channel:
                (outcome,) = await channel.send(self.message(), [self.job()], None)
                assert isinstance(outcome, Credential | Retryable), (host, outcome)
                if host != "2130706433":  # which not every resolver takes for an address
                    assert isinstance(outcome, Credential), (host, outcome)
        assert server.connections == 0


@given(
    st.text(min_size=1, max_size=40).filter(str.isprintable),
    st.binary(max_size=200),
    st.binary(min_size=24, max_size=64),
)
def test_what_we_sign_passes_the_receivers_check_and_nothing_else_does(id: str, body: bytes, secret: bytes) -> None:
    headers = _standard_webhooks.signed(id, body, now=NOW, secrets=[secret])
    assert checked(headers, body, secret)
    assert _standard_webhooks.verified(headers, body, now=NOW, secrets=[secret])
    assert not _standard_webhooks.verified(headers, body + b"x", now=NOW, secrets=[secret])
    assert not _standard_webhooks.verified(headers, body, now=NOW, secrets=[secret[:-1] + bytes([secret[-1] ^ 1])])
    assert not _standard_webhooks.verified({**headers, "webhook-id": id + "."}, body, now=NOW, secrets=[secret])


def test_the_example_of_the_standard_is_signed_as_there() -> None:
    secret = _standard_webhooks.shared_secret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    body = b'{"test": 2432232314}'
    at = datetime.fromtimestamp(1614265330, UTC)
    signed = _standard_webhooks.signed("msg_p5jXN8AQM9LWM0D4loKWxJek", body, now=at, secrets=[secret])
    assert signed["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="

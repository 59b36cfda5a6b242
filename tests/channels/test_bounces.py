"""Bounces: whose they are, what they say, and that nobody can make one up."""

from __future__ import annotations

import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

import channels
from channels._bounces import MOST_BYTES, Bounces
from kentongan.seam import Confirmed, Forged, Receipt, Received
from tests.channels.contract import SECRET
from tests.channels.smtp_scene import BOUNCES, FORM, PERSON

OURS = Bounces("bounce@bpbd.example", SecretStr(SECRET))
KEY = "0123456789abcdef0123456789abcdef"


def report(*groups: str, to: str | None = None, header: str = "To") -> bytes:
    """A delivery status notification as RFC 3464 has it, with these per-recipient groups."""
    told = "\r\n\r\n".join(("Reporting-MTA: dns; mx.people.example", *groups))
    return (
        f"Return-Path: <>\r\n{header}: {OURS.sender(KEY) if to is None else to}\r\n"
        "From: MAILER-DAEMON@mx.people.example\r\nMIME-Version: 1.0\r\n"
        'Content-Type: multipart/report; report-type=delivery-status; boundary="b"\r\n\r\n'
        "--b\r\nContent-Type: text/plain\r\n\r\nI am sorry.\r\n"
        f"--b\r\nContent-Type: message/delivery-status\r\n\r\n{told}\r\n\r\n"
        f"--b\r\nContent-Type: text/rfc822-headers\r\n\r\nTo: {PERSON}\r\n\r\n--b--\r\n"
    ).encode()


def group(action: str, status: str) -> str:
    return f"Final-Recipient: rfc822; {PERSON}\r\nAction: {action}\r\nStatus: {status}"


@pytest.mark.parametrize(
    ("groups", "receipt"),
    [
        ([group("failed", "5.1.1")], Receipt(Confirmed.UNREACHABLE, KEY, reason="5.1.1")),
        ([group("Failed", "5.2.2 (mailbox full)")], Receipt(Confirmed.UNREACHABLE, KEY, reason="5.2.2")),
        ([group("delivered", "2.1.5")], Receipt(Confirmed.DELIVERED, KEY, reason="2.1.5")),
        ([group("relayed", "2.0.0")], Receipt(Confirmed.ACCEPTED, KEY, reason="2.0.0")),
        ([group("delayed", "4.4.1")], None),
        ([group("", "")], None),
        ([], None),
        ([group("failed", f"nonsense {PERSON}")], Receipt(Confirmed.UNREACHABLE, KEY)),
        (
            [group("failed", "5.1.1"), group("delivered", "2.0.0"), group("delayed", "4.0.0")],
            Receipt(Confirmed.DELIVERED, KEY, reason="2.0.0"),
        ),
    ],
)
def test_a_report_says_what_became_of_one_delivery(groups: list[str], receipt: Receipt | None) -> None:
    assert OURS.read(report(*groups)) == receipt


@pytest.mark.parametrize("header", ["To", "Delivered-To", "X-Original-To", "Envelope-To"])
def test_the_address_is_found_wherever_a_server_puts_it(header: str) -> None:
    to = f"Someone <{OURS.sender(KEY).upper()}>, <other@bpbd.example>"
    found = OURS.read(report(group("failed", "5.1.1"), to=to, header=header))
    assert found is not None
    assert found.key == KEY


@pytest.mark.parametrize(
    "to",
    [
        "",
        "bounce@bpbd.example",
        f"bounce+{KEY}@bpbd.example",
        f"bounce+{KEY}-@bpbd.example",
        f"bounce+{KEY}-{'0' * 16}@bpbd.example",
        OURS.sender(KEY).replace(KEY, "f" * 32),
        Bounces("bounce@bpbd.example", SecretStr("another")).sender(KEY),
        Bounces("bounce@other.example", SecretStr(SECRET)).sender(KEY),
        f"x{OURS.sender(KEY)}",
        f"{OURS.sender(KEY)}.evil.example",
        "bounce@bpbd.example\r\nX-Spare: \udce9",
    ],
)
def test_a_report_on_what_is_not_ours_is_none(to: str) -> None:
    content = report(group("failed", "5.1.1"), to=to.encode("utf-8", "surrogateescape").decode("latin-1"))
    assert OURS.read(content) is None


def test_an_automatic_answer_is_no_bounce() -> None:
    head = f"To: {OURS.sender(KEY)}\r\nAuto-Submitted: auto-replied\r\nSubject: Out of office\r\n"
    assert OURS.read(f"{head}\r\nI am away. 5.1.1 Action: failed\r\n".encode()) is None
    body = report(group("failed", "5.1.1")).partition(b"\r\n\r\n")[2]
    assert OURS.read(head.encode() + b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + body) is None


def test_a_key_that_no_address_can_hold_makes_a_plain_one() -> None:
    for key in ("ké y", "a@b", "x" * 41, "A", ""):
        assert OURS.sender(key) == "bounce@bpbd.example"


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x00\xff" * 100,
        b"Content-Type: multipart/report; boundary=\r\n\r\n",
        report(group("failed", "5.1.1")).replace(b"message/delivery-status", b"message/delivery-status; boundary=b"),
        report(group("failed", "5.1.1")) + b"x" * MOST_BYTES,
        b"".join(b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (n, n) for n in range(3000)),
    ],
    ids=["empty", "garbage", "no boundary", "odd part", "too long", "nested without end"],
)
def test_hostile_mail_is_none_or_read_and_never_a_fault(content: bytes) -> None:
    assert OURS.read(content) in (None, Receipt(Confirmed.UNREACHABLE, KEY, reason="5.1.1"))


@pytest.mark.parametrize("head", ["To: somebody@people.example", f"To: {OURS.sender(KEY)}"], ids=["stranger", "ours"])
@pytest.mark.parametrize(
    "told",
    [
        "".join(f'Content-Type: multipart/mixed; boundary="b{n}"\n\n--b{n}\n' for n in range(300)) + "\n" * 900_000,
        'Content-Type: multipart/report; a="' + ";" * 900_000,
        "Content-Type: multipart/report" + "; a*0=b" * 140_000,
        "Content-Type: multipart/report; boundary=b\n\n--b\nContent-Type: message/delivery-status\n\n"
        + "Action: failed\n\n" * 60_000,
        "X: a\n" + " b\n" * 300_000,
        "To: " + OURS.sender(KEY)[:-9] * 15_000,
    ],
    ids=["parts in parts", "quoted", "parameters", "groups", "folded", "addresses"],
)
def test_no_mail_holds_up_the_service_that_reads_it(head: str, told: str) -> None:
    content = f"{head}\n{told}".encode()[:MOST_BYTES]
    begun = time.process_time()
    OURS.read(content)
    assert time.process_time() - begun < 5  # what takes long takes minutes; sending waits meanwhile


@given(st.binary(max_size=300), st.integers(0, 600), st.integers(0, 40))
def test_spoilt_reports_are_read_or_left_without_a_fault(junk: bytes, at: int, cut: int) -> None:
    whole = report(group("failed", "5.1.1"))
    found = OURS.read(whole[:at] + junk + whole[at + cut :])
    assert found is None or found.key == KEY


@given(st.from_regex(r"[0-9a-z]{1,40}", fullmatch=True))
def test_every_key_comes_back(key: str) -> None:
    found = OURS.read(report(group("failed", "5.1.1"), to=OURS.sender(key)))
    assert found is not None
    assert found.key == key


async def test_a_bounce_piped_to_the_endpoint_is_a_receipt_and_anything_else_is_forged(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("KENTONGAN_TEST_SECRET", SECRET)

    def opened(**changes: Any) -> Any:
        fields = {"kind": "smtp", "mode": "live", "base_url": "smtp://mail.example", **FORM, **changes}
        return channels.adapter("smtp")("mail", channels.settings_model("smtp").model_validate(fields))

    channel, without = opened(**BOUNCES), opened()
    content = report(group("failed", "5.1.1"))

    def came(body: bytes, method: str = "POST") -> Received:
        return Received(method, "/receipts/mail", {}, {}, body)

    assert channel.receipts(came(content)) == (Receipt(Confirmed.UNREACHABLE, KEY, reason="5.1.1"),)
    assert channel.bounce(content) == Receipt(Confirmed.UNREACHABLE, KEY, reason="5.1.1")
    for refused in (came(b""), came(content, "GET"), came(content.replace(KEY.encode(), b"f" * 32))):
        with pytest.raises(Forged):
            channel.receipts(refused)
    assert without.bounce(content) is None
    with pytest.raises(Forged):
        without.receipts(came(content))

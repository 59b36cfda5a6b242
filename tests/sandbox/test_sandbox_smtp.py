"""The stand-in for a mail server: the rules it keeps, and the adapter before every fault that it knows."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from email.message import EmailMessage
from typing import Any

import aiosmtplib
import httpx
import pytest

import channels
from kentongan.seam import Accepted, Address, Credential, InDoubt, Job, Mode, Outcome, Rejected, Rendered, Retryable
from sandbox import smtp
from sandbox.faults import Fault, Rule
from sandbox.server import CannotListen, Sandbox

SINCE = datetime(2026, 11, 21, 7, 0, tzinfo=UTC)
PERSON = "siti@people.example"


def letter(**headers: str) -> EmailMessage:
    message = EmailMessage()
    told = {"From": "a@b.example", "Date": "Sat, 21 Nov 2026 07:00:00 +0000", "Subject": "Gempa", **headers}
    for name, value in told.items():
        if value:
            message[name.replace("_", "-")] = value
    message.set_content("Gempa M5,6.\n.Jauhi pantai.", cte="quoted-printable")
    return message


@pytest.fixture
async def client(sandbox: Sandbox) -> AsyncIterator[aiosmtplib.SMTP]:
    client = aiosmtplib.SMTP(hostname="127.0.0.1", port=sandbox.mail_port, start_tls=False, timeout=5)
    await client.connect()
    yield client
    client.close()


async def taken(client: aiosmtplib.SMTP, content: bytes, to: str = PERSON) -> tuple[int, str]:
    try:
        await client.mail("a@b.example")
        await client.rcpt(to)
        answer = await client.data(content)
    except aiosmtplib.SMTPResponseException as error:
        await client.rset()
        return error.code, error.message
    return answer.code, answer.message


async def test_mail_is_taken_after_login_and_shown_on_the_wall(
    client: aiosmtplib.SMTP, sandbox: Sandbox, http: httpx.AsyncClient
) -> None:
    await client.login(smtp.USERNAME, smtp.password("default"))
    assert (await client.send_message(letter(Message_ID="<k@b.example>"), recipients=[PERSON]))[0] == {}
    (message,) = sandbox.stand_in("smtp").messages
    assert (message.recipient, message.text, message.id) == (PERSON, "Gempa M5,6.\n.Jauhi pantai.", "<k@b.example>")
    page = (await http.get("/")).text
    assert "Jauhi pantai." in page
    assert PERSON not in page


async def test_nothing_is_taken_without_login(client: aiosmtplib.SMTP, sandbox: Sandbox) -> None:
    assert (await taken(client, letter().as_bytes()))[0] == 530
    for name, word in ((smtp.USERNAME, "wrong"), ("somebody", "x"), ("sandbox-", "x"), ("sandbox-drill", "x")):
        with pytest.raises(aiosmtplib.SMTPAuthenticationError) as raised:
            await client.auth_plain(name, word)
        assert raised.value.code == 535
    with pytest.raises(aiosmtplib.SMTPAuthenticationError):
        await client.auth_login(smtp.USERNAME, "wrong")
    assert sandbox.counts().get("smtp", {"taken": 0})["taken"] == 0


async def test_an_instance_is_an_account(client: aiosmtplib.SMTP, sandbox: Sandbox) -> None:
    await client.auth_login(smtp.username("drill"), smtp.password("drill"))
    await client.send_message(letter(), recipients=[PERSON])
    assert {name: each["taken"] for name, each in sandbox.counts().items()} == {"smtp/drill": 1}
    assert sandbox.base_url("smtp", "drill") == sandbox.base_url("smtp")


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (letter().as_bytes(), 250),
        (letter(Date="").as_bytes(), 550),
        (letter(From="").as_bytes(), 550),
        (b"From: a@b.example\r\n" + letter().as_bytes(), 550),
        (letter().as_bytes() + b"x" * 999 + b"\r\n", 550),
        (letter().as_bytes() + "é\r\n".encode(), 554),
    ],
    ids=["good", "no Date", "no From", "two From", "long line", "8 bit"],
)
async def test_a_message_is_held_to_the_standard(client: aiosmtplib.SMTP, content: bytes, code: int) -> None:
    await client.login(smtp.USERNAME, smtp.password("default"))
    assert (await taken(client, content))[0] == code


async def test_commands_out_of_order_are_refused(client: aiosmtplib.SMTP) -> None:
    await client.login(smtp.USERNAME, smtp.password("default"))
    for words, code in (
        ("RCPT TO:<a@b.example>", 503),
        ("DATA", 503),
        ("MAIL FROM:a@b.example", 501),
        ("MAIL FROM:<a@b.example> SIZE=10", 250),
        ("MAIL FROM:<a@b.example>", 503),
        ("RCPT TO:<nonsense>", 501),
        ("RCPT TO:<a@b.example> NOTIFY=FAILURE", 250),
        ("VRFY a", 502),
        ("AUTH NTLM", 504),
        ("NOOP", 250),
        ("RSET", 250),
        ("DATA", 503),
    ):
        assert (await client.execute_command(words.encode())).code == code, words


async def test_recipients_behave_as_they_are_told(client: aiosmtplib.SMTP, http: httpx.AsyncClient) -> None:
    script = [{"match": name, "is": name} for name in ("unknown", "full", "greylisted", "refused")]
    assert (await http.post("/_sandbox/smtp/recipients", json=script)).status_code == 200
    await client.login(smtp.USERNAME, smtp.password("default"))
    codes = [
        (await taken(client, letter().as_bytes(), f"{name}@b.example"))[0]
        for name in ("unknown", "full", "greylisted", "greylisted", "refused", "other")
    ]
    assert codes == [550, 452, 450, 250, 554, 250]
    assert (await http.post("/_sandbox/smtp/recipients", json=[{"match": "a", "is": "odd"}])).status_code == 422


def free_beside_taken(taken: socket.socket) -> int:
    """Binds `taken` to a port whose lower neighbour is free, and returns that."""
    taken.bind(("127.0.0.1", 0))
    taken.listen()
    beside = int(taken.getsockname()[1]) - 1
    with socket.socket() as tried:
        tried.bind(("127.0.0.1", beside))
    return beside


async def test_a_port_whose_neighbour_is_taken_is_told_in_one_sentence() -> None:
    with contextlib.ExitStack() as stack:
        for _ in range(50):
            try:
                port = free_beside_taken(stack.enter_context(socket.socket()))
                break
            except OSError:
                continue
        with pytest.raises(CannotListen, match=f"port {port + 1} on 127.0.0.1 is in use by another program"):
            async with Sandbox(port=port):
                pass


# --- the adapter before it --------------------------------------------------------------------------------

TAKEN = {
    Fault.ACCEPT_THEN_500,
    Fault.ACCEPT_THEN_HANG,
    Fault.ACCEPT_THEN_RESET,
    Fault.ACCEPT_THEN_HANG_UP,
    Fault.GARBLE,
}
CALLED_FOR: dict[Fault, type[Any]] = {
    **dict.fromkeys(TAKEN, InDoubt),
    Fault.GARBLE_BODY: Accepted,  # the words of a reply mean nothing, its code alone counts
    Fault.SLOW: Accepted,
    Fault.IDLE_CLOSE: Accepted,
    Fault.IDLE_RESET: Accepted,
    Fault.DROP: InDoubt,
    Fault.HANG: InDoubt,
    Fault.THROTTLE: Retryable,
    Fault.UNAVAILABLE: Retryable,
    Fault.REFUSE: Credential,
}


def message() -> Rendered:
    words = "[LATIHAN] Gempa M5,6 dekat Melonguane & sekitarnya. K7Q4-ID [LATIHAN]"
    return Rendered("a", "mail", "id", "alert", Mode.DRILL, "K7Q4-ID", "[LATIHAN]", "[LATIHAN] Gempa", words)


@pytest.fixture
async def channel(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Any]:
    monkeypatch.setenv("KENTONGAN_TEST_MAIL", smtp.password("default"))
    fields = {
        "kind": "smtp",
        "mode": "drill",
        "sandbox": True,
        "audience": "all",
        "deadline": 0.5,
        "base_url": sandbox.base_url("smtp"),
        "username": smtp.USERNAME,
        "password": {"env": "KENTONGAN_TEST_MAIL"},
        "sender": "siaga@bpbd.example",
        "sender_name": "BPBD",
        "list_id": "siaga.bpbd.example",
    }
    channel = channels.adapter("smtp")("mail", channels.settings_model("smtp").model_validate(fields))
    yield channel
    await channel.close()


async def sent(channel: Any, key: str = "k1", to: str = PERSON) -> Outcome:
    (outcome,) = await channel.send(message(), [Job(key, Address("email", to), SINCE)], None)
    result: Outcome = outcome
    return result


def test_every_fault_is_tried() -> None:
    assert set(CALLED_FOR) == set(Fault)


@pytest.mark.parametrize("fault", sorted(CALLED_FOR))
async def test_every_fault_has_the_outcome_it_calls_for(sandbox: Sandbox, channel: Any, fault: Fault) -> None:
    sandbox.add_faults("smtp", [Rule(fault, seconds=0.05)])
    outcome = await sent(channel)
    assert isinstance(outcome, CALLED_FOR[fault]), outcome
    was_taken = fault in TAKEN or CALLED_FOR[fault] is Accepted
    assert len(sandbox.stand_in("smtp").messages) == int(was_taken)
    assert isinstance(await sent(channel, "k2", "budi@people.example"), Accepted), "the next one does not suffer"
    assert sandbox.counts()["smtp"]["duplicates"] == []


async def test_what_arrives_is_the_text_and_a_repeat_bears_the_same_message_id(sandbox: Sandbox, channel: Any) -> None:
    first, again = await sent(channel), await sent(channel)
    assert first == again
    one, other = sandbox.stand_in("smtp").messages
    assert one.text == other.text == message().text
    assert one.language == "id"
    assert "the Message-ID of number 1 again" in other.notes
    assert (await channel.ready()).ready


async def test_a_recipient_the_server_does_not_know_is_rejected_alone(sandbox: Sandbox, channel: Any) -> None:
    sandbox.stand_in("smtp").script([{"match": "gone@", "is": "unknown"}, {"match": "grey@", "is": "greylisted"}])
    outcomes = [await sent(channel, f"k{n}", f"{name}@people.example") for n, name in enumerate(("gone", "grey", "a"))]
    assert [type(outcome) for outcome in outcomes] == [Rejected, Retryable, Accepted]
    assert isinstance(await sent(channel, "k1", "grey@people.example"), Accepted)

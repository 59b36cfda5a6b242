"""E-mail over real sockets: the contract, and every fault at every step."""

from __future__ import annotations

import asyncio
import logging
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

import channels
from channels._smtp_reading import Reply, Step, read
from kentongan.seam import (
    Accepted,
    Address,
    Credential,
    InDoubt,
    Job,
    Rejected,
    Retryable,
    Why,
)
from tests.channels.contract import SECRET, SINCE, ChannelContract
from tests.channels.scripted import DeafPort, Fault, Hang, HangUp, Raw, Reset, closed_port, self_signed
from tests.channels.scripted_mail import LineServer, MailServer, trusted
from tests.channels.smtp_scene import BOUNCES, FORM, LOGIN, PERSON, SmtpScene

BEFORE_THE_CONTENT: tuple[str | Fault, ...] = (
    Reset(),
    HangUp(),
    Hang(),
    Raw(b"\x00\xff nonsense\r\n"),
    Raw(b"25"),
    "421 4.3.2 busy",
    "451 later",
    "354 go",
)


class TestSmtp(SmtpScene, ChannelContract):
    @pytest.mark.parametrize("step", ["MAIL", "RCPT", "DATA"])
    async def test_a_word_too_many_is_not_taken_for_the_reply_to_the_content(self, step: str) -> None:
        says = f"{'354' if step == 'DATA' else '250'} go on\r\n250 2.0.0 Ok: queued"
        async with LineServer(**{step: says, "content": "554 5.7.1 spam"}) as server:
            assert not isinstance(await self.send_once(server.base_url, deadline=1.0), Accepted)

    # --- what the server says of one recipient -----------------------------------------------------------

    @pytest.mark.parametrize(
        ("says", "outcome"),
        [
            ("251 will forward", Accepted),
            ("450 4.2.0 greylisted", Retryable),
            ("451 4.7.1 try again", Retryable),
            ("452 4.2.2 over quota", Retryable),
            ("550 5.1.1 no such user", Why.ADDRESS),
            ("550 no such user", Why.ADDRESS),
            ("552 5.2.2 mailbox full", Why.ADDRESS),
            ("553 bad address", Why.ADDRESS),
            ("554 5.7.1 refused", Why.ADDRESS),
            ("552 5.2.3 too long for this mailbox", Why.PAYLOAD),
            ("550 5.1.8 sender's domain", Credential),
            ("530 5.7.0 log in first", Credential),
        ],
    )
    async def test_a_recipient_is_answered_for_alone(self, says: str, outcome: Any) -> None:
        self.mail.rcpt[PERSON] = says
        got = await self.send_once(self.mail.base_url)
        if isinstance(outcome, Why):
            assert isinstance(got, Rejected)
            assert got.why is outcome
        else:
            assert isinstance(got, outcome)
        assert self.happened() == (1 if outcome is Accepted else 0)
        others = await self.send_once(self.mail.base_url, to="budi@people.example")
        assert isinstance(others, Accepted)

    @pytest.mark.parametrize(
        ("says", "outcome"),
        [
            ("250 queued", Accepted),
            ("451 4.3.0 local error", Retryable),
            ("421 4.3.2 going down", Retryable),
            ("554 5.7.1 looks like spam", Why.PAYLOAD),
            ("552 too long", Why.PAYLOAD),
            ("550 5.1.1 no such user after all", Why.ADDRESS),
            ("500 what", InDoubt),
            ("503 bad sequence", InDoubt),
            ("354 go on", InDoubt),
        ],
    )
    async def test_a_reply_to_the_content_is_read_by_its_class(self, says: str, outcome: Any) -> None:
        self.mail.data[PERSON] = says
        got = await self.send_once(self.mail.base_url)
        if isinstance(outcome, Why):
            assert isinstance(got, Rejected)
            assert got.why is outcome
        else:
            assert isinstance(got, outcome)
        assert self.happened() == 1

    @pytest.mark.parametrize(
        "fault", [Hang(), Reset(), HangUp(), Raw(b"\x00\xff\r\n"), Raw(b"25"), Raw(b"250-one\r\n"), Raw(b"hello\r\n")]
    )
    async def test_content_without_a_whole_answer_is_in_doubt(self, fault: Fault) -> None:
        self.mail.data[PERSON] = fault
        began = time.monotonic()
        assert isinstance(await self.send_once(self.mail.base_url, deadline=0.5), InDoubt)
        assert time.monotonic() - began < 2.5, "the total deadline did not hold"
        assert self.happened() == 1, "a repeat left without a decision"

    async def test_the_script_of_one_recipient_does_not_touch_the_others(self) -> None:
        self.mail.rcpt |= {"full@people.example": "452 4.2.2 full", "gone@people.example": "550 5.1.1 gone"}
        self.mail.data |= {"lost@people.example": Reset(), "slow@people.example": Hang()}
        names = ["a", "full", "lost", "b", "gone", "slow", "c", "d"]
        jobs = [Job(f"key{name}", Address("email", f"{name}@people.example"), SINCE) for name in names]
        async with self.opened(self.configured(self.mail.base_url, deadline=1.0, concurrency=2)) as channel:
            answers = [outcome for job in jobs for outcome in await channel.send(self.message(), [job], None)]
        kinds = [type(outcome).__name__ for outcome in answers]
        assert kinds == [
            "Accepted", "Retryable", "InDoubt", "Accepted", "Rejected", "InDoubt", "Accepted", "Accepted",
        ]  # fmt: skip
        arrived = sorted(recipient for taken in self.mail.taken for recipient in taken.recipients)
        assert arrived == sorted(f"{name}@people.example" for name in ("a", "lost", "b", "slow", "c", "d"))

    # --- what never left ---------------------------------------------------------------------------------

    @pytest.mark.parametrize(
        ("step", "fault"),
        [
            (step, fault)
            for step in ("greeting", "EHLO", "MAIL", "RCPT", "DATA")
            for fault in BEFORE_THE_CONTENT
            if (step, fault) != ("DATA", "354 go")  # which is how it should be
        ],
        ids=lambda each: each if isinstance(each, str) else type(each).__name__,
    )
    async def test_whatever_fails_before_the_content_never_left(self, step: str, fault: str | Fault) -> None:
        async with LineServer(**{step: fault}) as server:
            outcome = await self.send_once(server.base_url, deadline=0.5)
            assert isinstance(outcome, Retryable), outcome
            assert server.contents == []

    async def test_a_server_that_is_not_there_never_had_it(self) -> None:
        assert isinstance(await self.send_once(closed_port().replace("http", "smtp")), Retryable)
        with DeafPort() as url:
            assert isinstance(await self.send_once(url.replace("http", "smtp"), deadline=0.5), Retryable)
        outcome = await self.send_once("smtps://kentongan.invalid", deadline=2.0)
        assert isinstance(outcome, Retryable)

    @pytest.mark.parametrize(
        ("step", "says"),
        [
            ("greeting", "554 no service for you"),
            ("EHLO", "550 go away"),
            ("MAIL", "550 5.7.1 not your address"),
            ("MAIL", "530 5.7.0 log in first"),
            ("MAIL", "553 5.1.8 no such domain"),
            ("AUTH", "535 5.7.8 wrong"),
            ("AUTH", "534 5.7.9 too weak"),
        ],
    )
    async def test_a_refusal_of_us_is_ours_to_mend(self, step: str, says: str) -> None:
        script = {step: says, **({"HELO": says} if step == "EHLO" else {})}
        async with LineServer(**script) as server:
            assert isinstance(await self.send_once(server.base_url, **LOGIN), Credential)
            assert server.contents == []
            assert server.seen.count("AUTH") <= 1, "a wrong password said twice locks the account"

    async def test_a_login_that_is_put_off_is_retried(self) -> None:
        async with LineServer(AUTH="454 4.7.0 later") as server:
            assert isinstance(await self.send_once(server.base_url, **LOGIN), Retryable)

    async def test_a_message_too_long_for_the_server_is_the_messages_fault(self) -> None:
        async with MailServer(size=500) as server:
            outcome = await self.send_once(server.base_url)
            assert isinstance(outcome, Rejected)
            assert outcome.why is Why.PAYLOAD
            assert server.taken == []

    # --- TLS and login -----------------------------------------------------------------------------------

    @pytest.mark.parametrize("implicit", [True, False], ids=["smtps", "STARTTLS"])
    async def test_mail_and_password_travel_encrypted(self, tmp_path: Path, implicit: bool) -> None:
        context, authority = trusted(tmp_path)
        async with MailServer(context, implicit=implicit, password=SECRET) as server:
            changes = {"sandbox": False, "certificates": authority, **LOGIN}
            assert isinstance(await self.send_once(server.base_url, **changes), Accepted)
            assert len(server.taken) == len(server.logins) == 1

    async def test_a_server_without_starttls_gets_neither_mail_nor_password(self) -> None:
        async with LineServer() as server:
            outcome = await self.send_once(server.base_url, sandbox=False, **LOGIN)
            assert isinstance(outcome, Credential)
            assert not {"AUTH", "MAIL"} & set(server.seen)

    @pytest.mark.parametrize("implicit", [True, False], ids=["smtps", "STARTTLS"])
    async def test_a_certificate_that_does_not_pass_is_ours_to_mend(self, tmp_path: Path, implicit: bool) -> None:
        async with MailServer(self_signed(tmp_path), implicit=implicit) as server:
            outcome = await self.send_once(server.base_url, sandbox=False)
            assert outcome == Credential("the certificate does not pass")
            assert server.taken == []

    async def test_a_stand_in_behind_smtps_is_held_to_tls_too(self, tmp_path: Path) -> None:
        async with MailServer(self_signed(tmp_path), implicit=True) as server:
            assert isinstance(await self.send_once(server.base_url), Credential)

    async def test_a_wrong_password_is_ours_to_mend(self, tmp_path: Path) -> None:
        context, authority = trusted(tmp_path)
        async with MailServer(context, password="another") as server:
            outcome = await self.send_once(server.base_url, sandbox=False, certificates=authority, **LOGIN)
            assert isinstance(outcome, Credential)
            assert len(server.logins) == 1

    # --- connections -------------------------------------------------------------------------------------

    async def test_a_connection_is_used_again_and_no_envelope_is_left_open(self) -> None:
        self.mail.rcpt["gone@people.example"] = "550 5.1.1 gone"
        async with self.opened(self.configured(self.mail.base_url)) as channel:
            for name in ("a", "gone", "b", "gone", "c"):
                job = Job(f"key{name}", Address("email", f"{name}@people.example"), SINCE)
                await channel.send(self.message(), [job], None)
        assert len(self.mail.connections) == 1
        assert [taken.recipients for taken in self.mail.taken] == [(f"{name}@people.example",) for name in "abc"]

    async def test_a_connection_that_was_cut_while_idle_makes_no_doubt(self) -> None:
        async with self.opened(self.configured(self.mail.base_url)) as channel:
            for number in range(20):
                (outcome,) = await channel.send(self.message(), [self.job(f"key{number}")], None)
                assert isinstance(outcome, Accepted)
                self.mail.cut()
        assert self.happened() == 20

    @pytest.mark.parametrize("fault", ["421 bye", "500 what", Reset(), HangUp(), Raw(b"garbled\r\n")])
    async def test_an_idle_connection_that_does_not_answer_well_is_replaced(self, fault: str | Fault) -> None:
        async with LineServer(RSET=fault) as server, self.opened(self.configured(server.base_url)) as channel:
            for key in ("a", "b"):
                (outcome,) = await channel.send(self.message(), [self.job(key)], None)
                assert isinstance(outcome, Accepted)
            assert (server.connections, len(server.contents)) == (2, 2)

    async def test_many_at_once_are_each_sent_once(self) -> None:
        jobs = [Job(f"k{n}", Address("email", f"p{n}@people.example"), SINCE) for n in range(100)]
        async with self.opened(self.configured(self.mail.base_url, concurrency=8)) as channel:
            answers = await asyncio.gather(*(channel.send(self.message(), [job], None) for job in jobs))
        assert all(isinstance(outcome, Accepted) for (outcome,) in answers)
        assert sorted(taken.recipients[0] for taken in self.mail.taken) == sorted(
            job.to.value for job in jobs if job.to is not None
        )
        assert len(self.mail.connections) <= 8 + 100 // 50

    async def test_a_channel_goes_on_after_many_deadlines(self) -> None:
        self.mail.data[PERSON] = Hang()
        async with self.opened(self.configured(self.mail.base_url, deadline=0.3)) as channel:
            late = await asyncio.gather(
                *(channel.send(self.message(), [self.job(f"k{number}")], None) for number in range(20))
            )
            self.mail.data.clear()
            (outcome,) = await channel.send(self.message(), [self.job("after")], None)
        assert all(isinstance(outcome, InDoubt | Retryable) for (outcome,) in late)
        assert sum(isinstance(outcome, InDoubt) for (outcome,) in late) == self.happened() - 1
        assert isinstance(outcome, Accepted)

    async def test_a_cancelled_send_is_not_swallowed(self) -> None:
        self.mail.data[PERSON] = Hang()
        async with self.opened(self.configured(self.mail.base_url)) as channel:
            sending = asyncio.create_task(channel.send(self.message(), [self.job()], None))
            await self.mail.arrived.wait()
            sending.cancel()
            with pytest.raises(asyncio.CancelledError):
                await sending

    # --- readiness and secrets ---------------------------------------------------------------------------

    async def test_ready_logs_in_and_sends_nothing(self) -> None:
        async with LineServer() as server, self.opened(self.configured(server.base_url, **LOGIN)) as channel:
            assert (await channel.ready()).ready
            assert server.seen == ["greeting", "EHLO", "AUTH", "MAIL"]
            server.script["MAIL"] = "550 5.7.1 not your address"
            assert not (await channel.ready()).ready

    @pytest.mark.parametrize("step", ["AUTH", "MAIL", "RCPT", "DATA", "content"])
    @pytest.mark.parametrize(
        "fault", [f"550 5.1.1 <{PERSON}> {SECRET}", Raw(f"{PERSON} {SECRET}\r\n".encode()), Reset()]
    )
    async def test_nothing_secret_is_told(
        self, caplog: pytest.LogCaptureFixture, step: str, fault: str | Fault
    ) -> None:
        caplog.set_level(logging.DEBUG)
        async with LineServer(**{step: fault}) as server:
            settings = self.configured(server.base_url, deadline=0.5, **LOGIN, **BOUNCES)
            async with self.opened(settings) as channel:
                (outcome,) = await channel.send(self.message(), [self.job("aabb")], None)
                seen = await channel.ready()
                told = f"{channel!r} {vars(channel)!r} {vars(channel._submission)!r} {outcome!r} {seen!r} {settings!r}"
        told += "".join(f"{record.getMessage()} {vars(record)!r}" for record in caplog.records)
        assert SECRET not in told
        assert PERSON not in told

    @pytest.mark.parametrize(
        "changes",
        [
            {"audience": None},
            {"username": "x"},
            {"password": {"env": "X"}},
            {"bounces": "b@x.example"},
            {"bounces": "far-too-long-a-name@x.example", "bounce_secret": {"env": "X"}},
            {"sender": "a\r\nBcc: b@c.example"},
            {"sender": "BPBD <a@b.example>"},
            {"list_id": "a\r\nX: y"},
            {"unsubscribe": "https://x> <y"},
            {"unsubscribe": "http://plain.example"},
            {"base_url": "https://mail.example"},
            {"base_url": "smtp://user:password@mail.example"},
            {"base_url": "smtp://mail.example/path"},
            {"base_url": "smtp://"},
            {"base_url": "smtp://mail.example:99999"},
        ],
        ids=str,
    )
    def test_settings_that_cannot_be_are_refused(self, changes: dict[str, Any]) -> None:
        with pytest.raises(ValidationError):
            self.configured(**{"base_url": "smtps://mail.example", **changes})


@given(st.integers(-5, 999), st.text(max_size=60), st.sampled_from(list(Step)))
def test_only_a_reply_of_the_protocol_accepts_and_only_content_can_be_in_doubt(
    code: int, text: str, step: Step
) -> None:
    outcome = read(Reply(code, text), step)
    goes_on = code == 354 if step is Step.DATA else 200 <= code <= 299
    assert (outcome is None) == goes_on
    if isinstance(outcome, InDoubt):
        assert step is Step.CONTENT
    assert not isinstance(outcome, Retryable) or step is not Step.CONTENT or 400 <= code <= 499


async def test_settings_name_the_kind_and_open_without_a_network(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KENTONGAN_TEST_SECRET", SECRET)
    fields = {"kind": "smtp", "mode": "live", "base_url": "smtp://mail.example", **FORM, **LOGIN, **BOUNCES}
    settings = channels.settings_model("smtp").model_validate(fields)
    channel = channels.adapter("smtp")("mail", settings)
    assert channel.limits.deadline == 30
    await channel.close()

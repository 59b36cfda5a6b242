"""What stands in a mail: for its reader, for their mail program, and whatever words it is made of."""

from __future__ import annotations

from email.utils import parsedate_to_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from channels._mail import LONGEST_LINE, CannotBeMail, Letterhead, compose, message_id
from kentongan.seam import Accepted, Job, Mode, Rejected, Why
from tests.channels.contract import SINCE, rendered
from tests.channels.scripted_mail import LineServer
from tests.channels.smtp_scene import BOUNCES, PERSON, SmtpScene


class TestMail(SmtpScene):
    async def test_the_message_is_what_a_reader_and_a_mail_program_expect(self) -> None:
        changes = {**BOUNCES, "reply_to": "pusat@bpbd.example", "unsubscribe": "https://bpbd.example/leave"}
        async with self.opened(self.configured(self.mail.base_url, **changes)) as channel:
            message = self.message(html="<p>Gempa M6,1 &amp; tsunami K7Q4-ID</p>")
            job = self.job("0123456789abcdef0123456789abcdef")
            (outcome,) = await channel.send(message, [job], None)
        (taken,) = self.mail.taken
        assert isinstance(outcome, Accepted)
        assert taken.mail["Message-ID"] == f"<{outcome.id}>"
        assert job.key not in outcome.id
        assert taken.recipients == (PERSON,)
        assert taken.sender.startswith("bounce+0123456789abcdef0123456789abcdef-")
        assert len(taken.sender.partition("@")[0]) <= 64
        told = {name: taken.mail[name] for name in ("From", "To", "Reply-To", "Subject", "Content-Language")}
        assert told == {
            "From": "BPBD Bengkulu <siaga@bpbd.example>",
            "To": PERSON,
            "Reply-To": "pusat@bpbd.example",
            "Subject": "Gempa bumi",
            "Content-Language": "id",
        }
        assert taken.mail["Auto-Submitted"] == "auto-generated"
        assert taken.mail["Precedence"] == "bulk"
        assert taken.mail["List-Id"] == "<siaga.bpbd.example>"
        assert taken.mail["List-Unsubscribe"] == "<https://bpbd.example/leave>"
        assert parsedate_to_datetime(taken.mail["Date"]) == SINCE
        assert taken.mail.get_content_type() == "multipart/alternative"
        assert taken.part("plain").rstrip("\r\n").replace("\r\n", "\n") == message.text
        assert "<p>Gempa M6,1 &amp; tsunami K7Q4-ID</p>" in taken.part("html")
        assert '<html lang="id">' in taken.part("html")

    async def test_the_same_key_makes_the_same_bytes(self) -> None:
        for _ in range(2):
            await self.send_once(self.mail.base_url)
        await self.send_once(self.mail.base_url, key="key-2")
        first, second, other = self.mail.taken
        assert first.content == second.content
        assert first.mail["Message-ID"] != other.mail["Message-ID"]

    async def test_a_drill_says_so_in_the_subject_and_the_headers(self) -> None:
        async with self.opened(self.configured(self.mail.base_url, Mode.DRILL)) as channel:
            await channel.send(self.message(Mode.DRILL, title="Gempa bumi"), [self.job()], None)
        (taken,) = self.mail.taken
        assert taken.mail["Subject"] == "[DRILL] Gempa bumi"
        assert taken.mail["X-Kentongan-Mode"] == "drill"

    async def test_lines_that_begin_with_a_dot_arrive_as_they_are(self) -> None:
        text = ".\n..\n.Jauhi pantai.\n\nFrom here\n"
        async with self.opened(self.configured(self.mail.base_url)) as channel:
            await channel.send(self.message(text=text), [self.job()], None)
        (taken,) = self.mail.taken
        assert taken.part("plain").replace("\r\n", "\n").startswith(text)
        assert taken.mail["Subject"] == "Gempa bumi"

    async def test_what_a_server_can_do_is_used(self) -> None:
        offers = "250-mail.example\r\n250-SIZE 100000\r\n250-DSN\r\n250 DELIVERBY 240"
        async with LineServer(EHLO=offers) as server, self.opened(self.configured(server.base_url)) as channel:
            await channel.send(self.message(), [self.job(values={"validity_minutes": "7"})], None)
            await channel.send(self.message(), [self.job("b", values={"validity_minutes": "3"})], None)
            first, second = (line for line in server.lines if line.startswith("MAIL"))
            assert "SIZE=" in first
            assert first.endswith("RET=HDRS BY=420;R")
            assert "BY=" not in second, "a server refuses less than it said"
            assert f"RCPT TO:<{PERSON}> NOTIFY=FAILURE" in server.lines

    @pytest.mark.parametrize(
        "address",
        ["", "siti", "a b@c.example", "a@b\r\nRCPT TO:<x@y.example>", "<a@b.example>", "sítí@a.example", "a@b> X"],
    )
    async def test_what_is_no_address_never_leaves(self, address: str) -> None:
        outcome = await self.send_once(self.mail.base_url, to=address)
        assert isinstance(outcome, Rejected)
        assert outcome.why is Why.ADDRESS
        assert self.mail.connections == []

    def test_a_name_in_the_config_cannot_make_a_header(self) -> None:
        assert self.configured("smtps://mail.example", sender_name="BPBD\r\nBcc: x@y.example")
        content = compose(
            rendered(), self.job(), PERSON, Letterhead("a@b.example", "BPBD\r\nBcc: x@y.example", "", "l.example", "")
        )
        assert b"\r\nBcc:" not in content


HEAD = Letterhead("siaga@bpbd.example", "BPBD", "", "siaga.bpbd.example", "")


@given(st.text(max_size=400), st.text(max_size=4000), st.text(max_size=2000))
def test_no_words_can_make_a_header_or_break_a_line(title: str, text: str, html: str) -> None:
    import email
    import email.policy

    try:
        content = compose(rendered(title=title, text=f"a {text}", html=html), Job("k", None, SINCE), PERSON, HEAD)
    except CannotBeMail:
        assert any("\ud800" <= character <= "\udfff" for character in title + text + html)
        return
    assert all(len(line) <= LONGEST_LINE for line in content.split(b"\r\n"))
    assert b"\n" not in content.replace(b"\r\n", b"")
    assert b"\r" not in content.replace(b"\r\n", b"")
    assert content.isascii()
    names = {name.lower() for name in email.message_from_bytes(content, policy=email.policy.compat32)}
    assert names <= {
        "message-id", "date", "from", "to", "subject", "content-language", "auto-submitted", "x-auto-response-suppress",
        "precedence", "list-id", "x-kentongan-alert", "x-kentongan-kind", "x-kentongan-mode", "mime-version",
        "content-type", "content-transfer-encoding",
    }  # fmt: skip


def test_message_ids_differ_by_key_and_do_not_show_it() -> None:
    ids = {message_id(key, "b.example") for key in ("a", "b", "A", "a ")}
    assert len(ids) == 4
    assert all(len(id.partition("@")[0]) == 24 for id in ids)

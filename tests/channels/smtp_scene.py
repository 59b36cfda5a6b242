"""What tests of e-mail begin with: a mail server on loopback, and a channel that is set up for it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, ClassVar

import pytest

from kentongan.seam import Address, Job, Outcome
from tests.channels.contract import SINCE, ChannelScene
from tests.channels.scripted_mail import MailServer

PERSON = "siti@people.example"
FORM: dict[str, Any] = {
    "sender": "siaga@bpbd.example",
    "sender_name": "BPBD Bengkulu",
    "list_id": "siaga.bpbd.example",
    "audience": "all",
}
BOUNCES = {"bounces": "bounce@bpbd.example", "bounce_secret": {"env": "KENTONGAN_TEST_SECRET"}}
LOGIN = {"username": "bpbd", "password": {"env": "KENTONGAN_TEST_SECRET"}}


class SmtpScene(ChannelScene):
    kind = "smtp"
    settings: ClassVar[dict[str, Any]] = {**FORM, "sandbox": True}
    to = Address("email", PERSON)

    @pytest.fixture
    async def mail(self) -> AsyncIterator[MailServer]:
        async with MailServer() as server:
            yield server

    @pytest.fixture
    def base_url(self, mail: MailServer) -> str:
        return mail.base_url

    @pytest.fixture(autouse=True)
    def _usual(self, mail: MailServer) -> None:
        self.mail = mail

    def happened(self) -> int:
        return len(self.mail.taken)

    async def send_once(self, base_url: str, to: str = PERSON, key: str = "key-1", **changes: Any) -> Outcome:
        async with self.opened(self.configured(base_url, **changes)) as channel:
            (outcome,) = await channel.send(self.message(), [Job(key, Address("email", to), SINCE)], None)
        result: Outcome = outcome
        return result

"""The pager: beside alerts, never before them; every page on record; a crash repeats rather than loses one."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from pydantic import SecretStr

from console.service import looking, pager
from flows.house import House
from kentongan.desk import approvals, by_code, membership, releases, subjects, submitting
from kentongan.ledger import Write, pages, senders, views
from kentongan.login import Login, LoginFile
from kentongan.officers import SigningKey, unseal
from kentongan.seam import (
    Accepted,
    Address,
    Credential,
    InDoubt,
    Job,
    Limits,
    Mode,
    Outcome,
    Rendered,
    Retryable,
    Traits,
    Uploaded,
)
from kentongan.subject import subject_digest
from tests.installation import Installation, install

SECRETS = {"siti": "siti has many long secrets", "budi": "budi keeps a different one"}
BUDI = Address("phone", "+6281200000002")


@dataclass
class Gateway:
    """A channel that answers as it is told."""

    outcomes: list[Outcome | Exception | asyncio.Event] = field(default_factory=list)
    sent: list[tuple[Rendered, Job]] = field(default_factory=list)
    name: str = "sms"
    mode: Mode = Mode.DRILL
    limits: Limits = field(default_factory=lambda: Limits("sms", 3, 10.0, 4, 0.2, 60.0))
    kind: str = "kannel"
    traits: Traits = field(default_factory=lambda: Traits(family="phone"))
    arrived: asyncio.Event = field(default_factory=asyncio.Event)

    async def send(self, message: Rendered, jobs: Sequence[Job], uploaded: Uploaded | None) -> Sequence[Outcome]:
        self.sent.append((message, jobs[0]))
        self.arrived.set()
        outcome = self.outcomes.pop(0) if self.outcomes else Accepted("1")
        if isinstance(outcome, asyncio.Event):
            await outcome.wait()
            return [Accepted("1")]
        if isinstance(outcome, Exception):
            raise outcome
        return [outcome]

    async def close(self) -> None:
        return


@dataclass
class Office:
    installation: Installation
    house: House
    logins: dict[str, Login]
    gateway: Gateway
    paging: pager.Paging

    def submitted(self) -> str:
        self.installation.login = self.logins["siti"]
        return self.installation.draft(self.house.desk())

    async def round(self) -> int:
        """One look, and all that it begins comes to its end."""
        begun = await self.paging.look()
        while self.paging._sending:
            await asyncio.wait(self.paging._sending)
        return begun

    def outcomes(self) -> list[tuple[str, str, str]]:
        rows = self.house.ledger.read(pages.listing)
        return [(row["cause"], row["officer"], row["outcome"]) for row in reversed(rows)]


@pytest.fixture
def office(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Office]:
    channel = {
        "kind": "kannel",
        "mode": "drill",
        "sandbox": True,
        "base_url": "http://127.0.0.1:9",
        "sender": "BPBD",
        "username": "x",
        "password": {"env": "TEST_PASSWORD"},
        "audience": "subscribers",
    }
    monkeypatch.setenv("TEST_PASSWORD", "never-used")
    installation = install(tmp_path, {"sms": channel})
    (installation.config / "paging.yaml").write_text("instances: {sms: {}}\nlanguage: id\n")
    with installation.open() as house:
        desk = house.desk()
        vouching: list[SigningKey] = []
        logins = {}
        for name, secret in SECRETS.items():
            officer = membership.add(desk, name, SecretStr(secret), vouching)
            vouching = [unseal(officer, SecretStr(secret))]
            logins[name] = LoginFile(tmp_path / name / "login", LoginFile.find(tmp_path, {}).owner).write(
                vouching[0], now=desk.now
            )
        house.ledger.write(lambda write: pages.set_pager(write, "budi", BUDI, keys=house.keys))
        gateway = Gateway()
        paging = pager.Paging(house)
        paging._channels = {"sms": gateway}  # type: ignore[dict-item]
        yield Office(installation, house, logins, gateway, paging)


async def test_who_is_to_approve_is_paged_once_with_the_check_and_the_mark(office: Office) -> None:
    alert_id = office.submitted()
    assert await office.round() == 1
    assert await office.round() == 0
    ((message, job),) = office.gateway.sent
    digest = office.house.ledger.read(lambda read: subjects.current(read, alert_id))
    assert office.house.keys.page_check("budi", subject_digest(digest)) in message.text
    assert message.text.startswith(message.mark)
    assert message.mark == "[LATIHAN]"
    assert job.to == BUDI
    assert office.outcomes() == [("approval", "budi", "accepted")]
    (event,) = office.house.ledger.read(lambda read: views.events(read, types=("page.sent",)))
    assert event.data["outcome"] == "accepted"
    assert BUDI.value not in str(event.data)


async def test_an_approval_ends_the_paging_and_a_new_submission_begins_it_anew(office: Office) -> None:
    alert_id = office.submitted()
    await office.round()
    approvals.approve(office.house.desk(), alert_id, office.logins["budi"])
    assert await office.round() == 0
    submitting.submit(office.house.desk(), alert_id, office.logins["siti"])
    assert await office.round() == 1


@pytest.mark.parametrize(
    ("outcome", "word"),
    [
        (Retryable("refused"), "failed"),
        (Credential("status 401"), "failed"),
        (InDoubt("hung up"), "in_doubt"),
        (RuntimeError("a mistake of ours"), "in_doubt"),
    ],
)
async def test_whatever_a_channel_does_is_on_record_and_ends_nothing(
    office: Office, outcome: Outcome | Exception, word: str
) -> None:
    office.gateway.outcomes.append(outcome)
    office.submitted()
    await office.round()
    assert office.outcomes() == [("approval", "budi", word)]
    assert "a mistake of ours" not in str(office.house.ledger.read(pages.listing))


async def test_a_channel_that_never_answers_is_given_up(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pager, "_OVERTIME", 0.0)
    office.gateway.outcomes.append(asyncio.Event())
    office.submitted()
    await office.round()
    assert office.outcomes() == [("approval", "budi", "in_doubt")]


async def test_a_look_does_not_wait_for_what_is_being_sent(office: Office) -> None:
    wedged = asyncio.Event()
    office.gateway.outcomes.append(wedged)
    office.submitted()
    async with asyncio.timeout(5):
        assert await office.paging.look() == 1
        await office.gateway.arrived.wait()
        assert await office.paging.look() == 0
    wedged.set()
    await asyncio.wait(office.paging._sending)


async def test_a_page_that_a_crash_left_open_is_in_doubt_and_comes_again(office: Office) -> None:
    office.submitted()
    (page,) = await asyncio.to_thread(office.house.ledger.read, office.paging._due)
    office.house.ledger.write(lambda write: pages.begin(write, "lost", page))
    # Killed here: nothing of it was sent, or all.
    assert office.house.ledger.write(pages.settle_lost) == 1
    assert office.outcomes() == [("approval", "budi", "in_doubt")]
    assert office.house.ledger.write(pages.settle_lost) == 0

    def age(write: Write) -> None:
        write.sql("UPDATE page SET at = at - 31000")

    office.house.ledger.write(age)
    assert await office.round() == 1


async def test_broken_glass_and_a_hold_page_too(office: Office) -> None:
    desk = office.house.desk()
    alert_id = office.submitted()
    releases.dispatch(desk, alert_id, office.logins["siti"], break_glass="nobody else is awake")
    office.house.ledger.write(lambda write: senders.hold(write, instance="sms", reason="status 401"))
    await office.round()
    assert sorted(office.outcomes()) == [("break-glass", "budi", "accepted"), ("held", "budi", "accepted")]
    assert all(message.text.startswith("[LATIHAN]") for message, _ in office.gateway.sent)


async def test_what_is_noted_and_who_is_revoked_are_not_paged(office: Office) -> None:
    office.submitted()
    (page,) = await asyncio.to_thread(office.house.ledger.read, office.paging._due)
    office.house.ledger.write(lambda write: pages.acknowledge(write, [page.concern.about], by="budi"))
    assert await office.round() == 0
    by_code.issue_codes(office.house.desk(), office.logins["budi"], "budi")
    membership.revoke(office.house.desk(), "budi", office.logins["siti"])
    office.submitted()
    assert await office.round() == 0


async def test_officers_are_paged_when_the_ledger_takes_nothing_and_it_is_recorded_once_it_does(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kentongan.ledger.opening._PATIENCE", 0.05)
    office.paging = paging = pager.Paging(office.house, silent=lambda: True)
    paging._channels = {"sms": office.gateway}  # type: ignore[dict-item]
    office.gateway.mode = Mode.LIVE
    assert await paging.look() == 0, "a slow process is no reason"
    with contextlib.closing(sqlite3.connect(office.installation.state / "ledger.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        assert await paging.look() == 1
        async with asyncio.timeout(5):
            await office.gateway.arrived.wait()
        ((message, job),) = office.gateway.sent
        assert "is locked" in message.text
        assert job.to == BUDI
        assert await paging.look() == 0, "it was paged, though nothing says so yet"
        assert office.outcomes() == []
        other.execute("ROLLBACK")
    await asyncio.wait(paging._sending)
    assert office.outcomes() == [("ledger", "budi", "accepted")]
    assert await paging.look() == 0


async def test_officers_are_paged_while_the_key_of_people_is_gone_that_they_are_still_reached_by(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pager, "_KEY_EVERY", 0)
    office.gateway.mode = Mode.LIVE
    key = office.installation.state / "keys" / "people.key"
    assert await office.round() == 0
    away = key.rename(key.with_name("mislaid"))
    assert await office.round() == 1
    assert office.outcomes() == [("key", "budi", "accepted")]
    ((message, job),) = office.gateway.sent
    assert "kunci data warga" in message.text
    assert job.to == BUDI
    assert await office.round() == 0, "it was paged a moment ago"
    away.rename(key)
    assert await office.round() == 0
    assert office.paging._key is None


def test_nobody_is_paged_for_a_key_that_is_back_for_what_was_seen_without_it() -> None:
    keys = SimpleNamespace(people_key_away=lambda: "is missing", people_fault=lambda: "is missing")
    assert pager.Paging(cast(House, SimpleNamespace(keys=keys)))._key_fault() is None


async def test_a_disk_that_hangs_under_the_key_keeps_no_page_waiting(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = threading.Event()
    monkeypatch.setattr(office.paging._key_asked, "_patience", 0.05)
    monkeypatch.setattr(pager.Paging, "_key_fault", lambda paging: None if answers.wait(30) else "never")
    office.submitted()
    try:
        assert await office.round() == 1
        assert office.outcomes() == [("approval", "budi", "accepted")]
    finally:
        answers.set()


async def test_a_page_that_is_due_goes_out_although_it_cannot_be_recorded(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kentongan.ledger.opening._PATIENCE", 0.05)
    office.submitted()
    with contextlib.closing(sqlite3.connect(office.installation.state / "ledger.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        assert await office.paging.look() == 1
        async with asyncio.timeout(5):
            await office.gateway.arrived.wait()
        assert await office.paging.look() == 0
    await asyncio.wait(office.paging._sending)
    assert office.outcomes() == [("approval", "budi", "accepted")]
    assert len(office.gateway.sent) == 1


async def test_an_address_is_nowhere_in_the_ledger_in_the_clear(office: Office) -> None:
    office.submitted()
    await office.round()
    office.house.ledger.read(lambda read: read.sql("SELECT 1").all())
    for path in office.installation.state.glob("ledger.db*"):
        assert BUDI.value.encode() not in path.read_bytes()


async def test_the_pager_outlives_a_fault_and_stops_when_told(
    office: Office, monkeypatch: pytest.MonkeyPatch, caplog: Any
) -> None:
    again = asyncio.Event()
    faults = iter([RuntimeError("once")])

    async def look(self: pager.Paging) -> int:
        for fault in faults:
            raise fault
        again.set()
        return 0

    monkeypatch.setattr(pager.Paging, "look", look)
    monkeypatch.setattr(pager, "_LOOK", 0.0)
    monkeypatch.setattr(pager, "opened_pagers", lambda house: {"sms": office.gateway})
    paging = pager.Paging(office.house)
    await paging.start()
    async with asyncio.timeout(5):
        await again.wait()
    await paging.stop()
    (said,) = [record for record in caplog.records if record.name == looking.__name__]
    assert (said.message, said.look) == ("a look of the service failed", "pager")

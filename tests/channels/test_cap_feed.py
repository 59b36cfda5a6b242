from __future__ import annotations

import asyncio
import errno
import fcntl
import os
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from lxml import etree
from pydantic import ValidationError

from channels import _publishing
from kentongan.seam import (
    Absent,
    Accepted,
    Credential,
    Document,
    InDoubt,
    Job,
    Mode,
    Posted,
    Rejected,
    Rendered,
    Retryable,
)
from tests.channels.contract import MARK, SINCE, ChannelContract, rendered

ROOT = Path(__file__).resolve().parents[2]
ATOM = "{http://www.w3.org/2005/Atom}"
LONG = "[LATIHAN] INI HANYA LATIHAN"
SENT = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def cap(status: str = "Actual", sent: datetime = SENT, expires: datetime | None = None, note: str = "") -> str:
    ends = f"<expires>{expires.isoformat()}</expires>" if expires is not None else ""
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n<alert xmlns="urn:oasis:names:tc:emergency:cap:1.2">'
        f"<identifier>a</identifier><sender>b</sender><sent>{sent.isoformat()}</sent><status>{status}</status>"
        f"<note>{note}</note><info>{ends}</info></alert>"
    )


def page(words: str) -> str:
    return f"<!DOCTYPE html><html><head><title>x</title></head><body><h1>{words}</h1></body></html>"


def publication(code: str = "K7Q4", mode: Mode = Mode.LIVE, **changes: Any) -> Rendered:
    status = changes.pop("status", "Actual" if mode is Mode.LIVE else "Exercise")
    sent, expires = changes.pop("sent", SENT), changes.pop("expires", None)
    message = rendered(mode, language="mul", code=f"{code}-MUL")
    documents = (
        Document("alert.xml", "application/cap+xml", cap(status, sent, expires)),
        Document("page.html", "text/html; charset=utf-8", page(f"{message.mark} Gempa {code} ñ {message.mark}")),
    )
    return replace(message, **{"documents": documents, **changes})


class TestCapFeed(ChannelContract):
    kind = "cap_feed"

    @pytest.fixture(autouse=True)
    def _folder(self, tmp_path: Path) -> Iterator[None]:
        self.folder = tmp_path / "public"
        self.folder.mkdir()
        self.outside = sorted(tmp_path.iterdir())
        yield
        assert sorted(tmp_path.iterdir()) == self.outside, "something was written outside of the folder"
        assert not list(self.folder.rglob(".staged-*")), "something staged was left"

    def configured(self, base_url: str = "https://feed.example", mode: Mode = Mode.LIVE, **changes: Any) -> Any:
        common = {"directory": self.folder, "title": "Peringatan", "author": "BPBD"}
        return super().configured(base_url, mode, **{**common, **changes})

    def message(self, mode: Mode = Mode.LIVE, **changes: Any) -> Rendered:
        text = changes.pop("text", None)
        message = publication(mode=mode, **changes)
        return message if text is None else replace(message, text=text)

    def happened(self) -> int:
        return len(list(self.folder.glob("*/alert.xml")))

    def entries(self) -> list[Any]:
        return etree.parse(self.folder / "feed.xml").findall(f"{ATOM}entry")

    async def publish(self, *messages: Rendered, **changes: Any) -> list[Any]:
        async with self.opened(self.configured(**changes)) as channel:
            return [
                (await channel.send(message, [Job(f"key-{message.code}", None, SINCE)], None))[0]
                for message in messages
            ]

    async def test_an_alert_is_a_cap_file_a_page_and_an_entry(self) -> None:
        message = self.message()
        assert await self.publish(message) == [Accepted("K7Q4", "https://feed.example/K7Q4/")]
        assert (self.folder / "K7Q4/alert.xml").read_text() == message.documents[0].text
        assert (self.folder / "K7Q4/index.html").read_text() == message.documents[1].text
        (entry,) = self.entries()
        links = {link.get("type"): link.get("href") for link in entry.findall(f"{ATOM}link")}
        assert links == {
            "application/cap+xml": "https://feed.example/K7Q4/alert.xml",
            "text/html": "https://feed.example/K7Q4/index.html",
        }
        assert 'href="K7Q4/index.html"' in (self.folder / "index.html").read_text()

    async def test_what_is_published_can_be_read_by_a_web_server(self) -> None:
        await self.publish(self.message())
        for path in self.folder.rglob("*"):
            if not path.name.startswith("."):
                assert path.stat().st_mode & 0o004, path

    async def test_the_feed_is_valid_atom(self) -> None:
        await self.publish(publication("AAAA"), publication("BBB1", sent=SENT + timedelta(hours=1)))
        root = etree.parse(self.folder / "feed.xml").getroot()
        assert root.tag == f"{ATOM}feed"
        for element in (root, *root.findall(f"{ATOM}entry")):  # RFC 4287, 4.1.1 and 4.1.2
            for name in ("id", "title", "updated"):
                (found,) = element.findall(f"{ATOM}{name}")
                assert found.text
            assert datetime.fromisoformat(element.findtext(f"{ATOM}updated")).tzinfo is not None
        assert root.find(f"{ATOM}author/{ATOM}name").text == "BPBD"
        assert [link.get("href") for link in root.findall(f"{ATOM}link") if link.get("rel") == "self"] == [
            "https://feed.example/feed.xml"
        ]
        assert [entry.findtext(f"{ATOM}published")[:13] for entry in self.entries()] == [
            "2026-03-01T13",
            "2026-03-01T12",
        ]
        assert root.findtext(f"{ATOM}updated").startswith("2026-03-01T13")

    async def test_the_same_key_means_the_same_files_for_ever(self) -> None:
        await self.publish(self.message())
        before = {path: path.read_bytes() for path in self.folder.rglob("*") if path.is_file()}
        other = replace(self.message(), documents=(Document("x", "text/html", page("other")),))
        assert await self.publish(other) == [Accepted("K7Q4", "https://feed.example/K7Q4/")]
        assert {path: path.read_bytes() for path in self.folder.rglob("*") if path.is_file()} == before

    async def test_a_repeat_mends_the_lists_that_a_crash_left_behind(self) -> None:
        await self.publish(self.message())
        (self.folder / "feed.xml").unlink()
        (self.folder / "index.html").unlink()
        await self.publish(self.message())
        assert len(self.entries()) == 1

    async def test_a_crash_before_the_entry_is_published_anew(self) -> None:
        await self.publish(self.message())
        (self.folder / "K7Q4/entry.json").unlink()
        (self.folder / "K7Q4/index.html").write_text("half a pa")
        await self.publish(self.message())
        assert "Gempa" in (self.folder / "K7Q4/index.html").read_text()
        assert len(self.entries()) == 1

    async def test_a_code_is_never_given_to_a_second_message(self) -> None:
        await self.publish(self.message())
        async with self.opened(self.configured()) as channel:
            (outcome,) = await channel.send(self.message(), [self.job("another")], None)
            looked = await channel.find(self.message(), self.job("another"))
        assert isinstance(outcome, Rejected)
        assert isinstance(looked, InDoubt)

    async def test_a_look_finds_the_complete_entry(self) -> None:
        async with self.opened(self.configured()) as channel:
            assert await channel.find(self.message(), self.job()) == Absent()
            await channel.send(self.message(), [self.job()], None)
            assert await channel.find(self.message(), self.job()) == Accepted("K7Q4", "https://feed.example/K7Q4/")
            assert await channel.find(replace(self.message(), code="../x"), self.job()) == Absent()

    @pytest.mark.parametrize("code", ["../../etc", "K7Q4/..", "k7q4-mul", "", ".lock", "K7Q4-MUL\n", "K7Q4-MUL/x"])
    async def test_no_code_leads_out_of_the_folder(self, code: str) -> None:
        (outcome,) = await self.publish(replace(self.message(), code=code))
        assert isinstance(outcome, Rejected)
        async with self.opened(self.configured()) as channel:
            await channel.delete(Posted(code), self.job())
            assert isinstance(await channel.edit(Posted(code), self.message(), self.job()), Rejected)

    async def test_an_edit_changes_the_page_and_keeps_the_cap_file(self) -> None:
        await self.publish(self.message())
        withdrawn = replace(
            self.message(),
            title="Ditarik",
            documents=(
                Document("alert.xml", "application/cap+xml", cap(note="other")),
                Document("page.html", "text/html", page("Ditarik")),
            ),
        )
        original = (self.folder / "K7Q4/alert.xml").read_text()
        async with self.opened(self.configured()) as channel:
            assert isinstance(await channel.edit(Posted("K7Q4"), withdrawn, self.job("other")), Accepted)
        assert (self.folder / "K7Q4/alert.xml").read_text() == original
        assert "Ditarik" in (self.folder / "K7Q4/index.html").read_text()
        (entry,) = self.entries()
        assert entry.findtext(f"{ATOM}title") == "Ditarik"
        assert entry.findtext(f"{ATOM}updated") > entry.findtext(f"{ATOM}published")
        assert len(entry.findall(f"{ATOM}link")) == 2

    async def test_a_deleted_alert_leaves_files_and_feed(self) -> None:
        await self.publish(publication("AAA1"), publication("BBB1"))
        async with self.opened(self.configured()) as channel:
            for _ in range(2):
                assert isinstance(await channel.delete(Posted("AAA1"), self.job()), Accepted)
        assert [entry.findtext(f"{ATOM}title") for entry in self.entries()] == ["Gempa bumi"]
        assert not (self.folder / "AAA1/alert.xml").exists()
        assert (self.folder / "BBB1/alert.xml").exists()

    @pytest.mark.parametrize("status", ["Exercise", "Test", "System", "Draft", ""])
    async def test_a_cap_file_of_another_status_never_enters_a_live_feed(self, status: str) -> None:
        (outcome,) = await self.publish(publication(status=status))
        assert isinstance(outcome, Rejected)
        assert self.happened() == 0

    async def test_an_actual_cap_file_never_enters_a_drill_feed(self) -> None:
        async with self.opened(self.configured(mode=Mode.DRILL)) as channel:
            (outcome,) = await channel.send(publication(mode=Mode.DRILL, status="Actual"), [self.job()], None)
            unmarked = publication(mode=Mode.DRILL)
            unmarked = replace(unmarked, documents=(replace(unmarked.documents[1], text=page(f"Gempa {MARK}")),))
            (second,) = await channel.send(unmarked, [self.job()], None)
        assert isinstance(outcome, Rejected)
        assert isinstance(second, Rejected)
        assert self.happened() == 0

    @pytest.mark.parametrize(
        ("title", "listed_as"),
        [("Gempa", f"{LONG} Gempa"), ("[LATIHAN] Gempa", "[LATIHAN] Gempa"), (f"{LONG} Gempa", f"{LONG} Gempa")],
    )
    async def test_a_drill_is_listed_as_a_drill(self, title: str, listed_as: str) -> None:
        message = publication(mode=Mode.DRILL)
        words = page(f"{LONG} Gempa {LONG}")
        message = replace(
            message,
            title=title,
            mark=LONG,
            text=f"{LONG} Gempa K7Q4-MUL {LONG}",
            documents=(message.documents[0], replace(message.documents[1], text=words)),
        )
        assert isinstance((await self.publish(message, mode=Mode.DRILL))[0], Accepted)
        assert self.entries()[0].findtext(f"{ATOM}title") == listed_as

    @pytest.mark.parametrize(
        "documents",
        [
            (),
            (Document("x", "application/cap+xml", "<alert"),),
            (Document("x", "application/cap+xml", "<alert/>"),),
            (Document("x.exe", "application/x-executable", "x"),),
            (Document("a", "text/html", "x"), Document("b", "text/html", "y")),
        ],
    )
    async def test_files_that_a_feed_does_not_publish_are_refused(self, documents: tuple[Document, ...]) -> None:
        (outcome,) = await self.publish(replace(self.message(), documents=documents))
        assert isinstance(outcome, Rejected)

    async def test_a_missing_folder_is_ours_to_mend(self) -> None:
        missing = self.folder / "gone"
        (outcome,) = await self.publish(self.message(), directory=missing)
        assert isinstance(outcome, Credential)
        assert not missing.exists()
        async with self.opened(self.configured(directory=missing)) as channel:
            assert not (await channel.ready()).ready
        async with self.opened(self.configured()) as channel:
            assert (await channel.ready()).ready

    @pytest.mark.parametrize("room_for", range(5))
    async def test_a_full_disk_leaves_the_old_files(self, monkeypatch: pytest.MonkeyPatch, room_for: int) -> None:
        await self.publish(publication("AAA1"))
        before = {path: path.read_bytes() for path in self.folder.rglob("*") if path.is_file()}
        synced, room = os.fsync, iter(range(room_for))

        def full(descriptor: int) -> None:
            if next(room, None) is None:
                raise OSError(errno.ENOSPC, "No space left on device")
            synced(descriptor)

        monkeypatch.setattr(_publishing.os, "fsync", full)
        (outcome,) = await self.publish(publication("BBB1"))
        assert isinstance(outcome, Retryable)
        assert {path: path.read_bytes() for path in self.folder.rglob("*") if path.is_file()} == before
        monkeypatch.setattr(_publishing.os, "fsync", synced)
        assert isinstance((await self.publish(publication("BBB1")))[0], Accepted)

    async def test_a_fault_after_the_first_file_took_its_name_is_in_doubt_and_may_be_repeated(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        replaced = os.replace
        left = iter([True])

        def broken(source: Any, target: Any) -> None:
            if next(left, None) is None:
                raise OSError(errno.EIO, "Input/output error")
            replaced(source, target)

        with monkeypatch.context() as patch:
            patch.setattr(_publishing.os, "replace", broken)
            (outcome,) = await self.publish(self.message())
        assert isinstance(outcome, InDoubt)
        assert isinstance((await self.publish(self.message()))[0], Accepted)
        assert len(self.entries()) == 1

    async def test_a_folder_that_another_process_holds_is_tried_again_later(self) -> None:
        descriptor = os.open(self.folder / ".lock", os.O_RDWR | os.O_CREAT)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            (outcome,) = await self.publish(self.message(), deadline=0.2)
        finally:
            os.close(descriptor)
        assert isinstance(outcome, Retryable)
        assert self.happened() == 0

    async def test_a_disk_that_hangs_does_not_hold_the_deadline(self, monkeypatch: pytest.MonkeyPatch) -> None:
        freed, synced = threading.Event(), os.fsync
        monkeypatch.setattr(_publishing.os, "fsync", lambda descriptor: (freed.wait(10), synced(descriptor)))
        try:
            (outcome,) = await self.publish(self.message(), deadline=0.2)
        finally:
            freed.set()
        assert isinstance(outcome, InDoubt)
        assert isinstance((await self.publish(self.message()))[0], Accepted)

    async def test_instances_that_publish_at_once_lose_no_entry(self) -> None:
        outcomes = await asyncio.gather(*(self.publish(publication(f"A{number:03}")) for number in range(20)))
        assert all(isinstance(outcome, Accepted) for (outcome,) in outcomes)
        assert len(self.entries()) == 20

    async def test_two_processes_that_publish_at_once_lose_no_entry(self) -> None:
        program = """
import asyncio, sys
from pathlib import Path
from tests.channels.contract import SINCE
from tests.channels.test_cap_feed import publication
from kentongan.seam import Accepted, Job
import channels

async def main(letter, folder):
    settings = channels.settings_model("cap_feed").model_validate(
        {"kind": "cap_feed", "mode": "live", "base_url": "https://feed.example", "directory": folder,
         "title": "t", "author": "a"})
    channel = channels.adapter("cap_feed")("feed", settings)
    sys.stdin.readline()
    for number in range(15):
        message = publication(f"{letter}{number:03}")
        (outcome,) = await channel.send(message, [Job(message.code, None, SINCE)], None)
        assert isinstance(outcome, Accepted), outcome

asyncio.run(main(sys.argv[1], Path(sys.argv[2])))
"""
        processes = [
            await asyncio.create_subprocess_exec(
                sys.executable, "-c", program, letter, str(self.folder), stdin=asyncio.subprocess.PIPE, cwd=ROOT
            )
            for letter in "ABC"
        ]
        await asyncio.gather(*(process.communicate(b"go\n") for process in processes))
        assert [process.returncode for process in processes] == [0, 0, 0]
        assert len(self.entries()) == 45

    async def test_the_signed_heads_lie_beside_the_feed(self) -> None:
        async with self.opened(self.configured()) as channel:
            for document in ('{"heads": []}', '{"heads": [1]}'):
                outcome = await channel.publish_heads(document)
                assert outcome == Accepted("heads", "https://feed.example/heads.json")
                assert (self.folder / "heads.json").read_text() == document
        async with self.opened(self.configured(directory=self.folder / "gone")) as channel:
            assert isinstance(await channel.publish_heads("{}"), Credential)

    async def test_an_entry_that_cannot_be_read_holds_up_nothing(self, caplog: pytest.LogCaptureFixture) -> None:
        await self.publish(publication("AAA1"))
        (self.folder / "AAA1/entry.json").write_text("{")
        assert isinstance((await self.publish(publication("BBB1")))[0], Accepted)
        assert len(self.entries()) == 1
        assert "left out" in caplog.text

    def test_a_feed_is_for_all(self) -> None:
        with pytest.raises(ValidationError, match="audience"):
            self.configured(audience="all")

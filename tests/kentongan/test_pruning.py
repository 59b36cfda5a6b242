"""What ended long ago is pruned: its deliveries go, what was counted of them stays, and heads verify as before."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.exc import IntegrityError

from kentongan import pruning, report
from kentongan.desk import following, withdrawing
from kentongan.errors import DamagedRecord, Refused
from kentongan.keys import StateKeys
from kentongan.ledger import Ledger, alerts, dispatches, kept_reports, outcomes, receipts, threads, views
from kentongan.ledger import pruning as ledger_pruning
from kentongan.ledger.chaining import canonical
from kentongan.ledger.verification import Verdict, check_head, signed_head, verify
from kentongan.pruning import DAY, Pruned
from kentongan.seam import Confirmed, Receipt
from tests.kentongan.desk.scenes import Scene, login, scene, template
from tests.kentongan.ledger.scenes import expand_all, later, open_at, public, put_dispatch
from tests.kentongan.report import nights
from tests.kentongan.report.nights import Night, night

DELIVERIES = ("delivery", "attempt", "receipt")


class House:
    """A night that ended long ago, another alert after it, and the head that was published between them."""

    def __init__(self, made: Scene, night: Night, head: Any, folder: Path) -> None:
        self.scene, self.ledger, self.clock = made, made.ledger, made.clock
        self.keys, self.night, self.head = StateKeys.open(template()), night, head
        self.folder, self.agency = folder, made.desk.settings.agency

    @property
    def messages(self) -> list[str]:
        return self.ledger.read(lambda read: threads.messages(read, self.night.first.id))

    def prune(self, days: float = 30) -> Pruned:
        before = self.clock.wall() - round(days * DAY)
        return pruning.prune(self.ledger, self.keys, self.agency, before=before, by="siti")

    def report(self) -> dict[str, Any]:
        """The report on the night, but for the moment at which it is written and how far the record goes."""
        found = self.ledger.read(lambda read: report.document(report.read(read, self.night.first.id)))
        return {name: value for name, value in found.items() if name not in ("at", "record")}

    def verdict(self, head: Any = None) -> Verdict:
        signed = head or self.head
        return self.ledger.read(lambda read: verify(read, head=signed, public_key=self.keys.head_public_key))

    def count(self, table: str) -> int:
        among = json.dumps(self.messages)
        one = {"delivery": "alert_id", "attempt": "delivery_id"}.get(table, "delivery_id")
        whose = "" if table == "delivery" else "SELECT id FROM delivery WHERE alert_id IN "
        of = f"({whose}(SELECT value FROM json_each(:ids)))" if whose else "(SELECT value FROM json_each(:ids))"
        return int(
            self.ledger.read(
                lambda read: read.sql(f"SELECT count(*) FROM {table} WHERE {one} IN {of}", {"ids": among}).scalar_one()
            )
        )

    def sql(self, statement: str, **parameters: Any) -> None:
        self.ledger.write(lambda write: write.sql(statement, parameters))


def end(made: Scene, *ids: str) -> None:
    """An officer settles the doubts, the alerts expire, and another one is sent and stopped; then 40 days pass."""
    ledger = made.ledger
    for id in ids:
        doubts = ledger.read(lambda read, id=id: views.deliveries(read, id, words=("in_doubt",)))  # type: ignore[misc]
        if doubts:
            settled = [each.id for each in doubts]
            ledger.write(
                lambda write, these=settled: outcomes.resolve(write, deliveries=these, sent=True, again=False, by="b")  # type: ignore[misc]
            )
    made.clock.pass_by(2 * DAY)
    ledger.write(dispatches.end_expired)
    ledger.write(lambda write: put_dispatch(write, [public("toots", later(72))], id="later", code="LATR"))
    expand_all(ledger, "later")
    ledger.write(lambda write: dispatches.stop(write, "later", by="siti", signed=False))
    ledger.write(lambda write: outcomes.cancel_stopped(write, "later"))
    made.clock.pass_by(40 * DAY)


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Night, Any, int]:
    """The night, played once: the folder with its ledger, the head published after it, and the clock at the end."""
    folder = tmp_path_factory.mktemp("played")
    with scene(folder) as made:
        found = night(made)
        head = made.ledger.read(lambda read: signed_head(read, made.keys))
        end(made, found.first.id, found.update.id, found.correction.id)
    return folder, found, head, made.clock.wall()


@pytest.fixture
def house(tmp_path: Path, played: tuple[Path, Night, Any, int]) -> Iterator[House]:
    folder, found, head, at = played
    with scene(tmp_path / "desk") as made:
        made.ledger.close()
        shutil.copy(folder / "ledger.db", made.folder / "ledger.db")
        made.clock.wall_at = at
        made.ledger = open_at(made.folder / "ledger.db", clock=made.clock)
        made.desk = replace(made.desk, ledger=made.ledger)
        yield House(made, found, head, tmp_path)


def test_deliveries_go_and_all_that_is_told_of_them_stays(house: House) -> None:
    before, events = house.report(), house.verdict().events
    names = {row["code"]: row["kind"] for row in before["thread"]}
    done = house.prune()
    assert len(done.alerts) == 3
    assert done.deliveries > 100
    assert not done.waits
    assert [house.count(table) for table in DELIVERIES] == [0, 0, 0]
    after = house.report()
    for part in after["thread"]:
        assert part.pop("pruned_at") is not None
    # A correction does not expire: being pruned ends it.
    ended, stood = after["thread"][-1], before["thread"][-1]
    assert (stood.pop("state"), ended.pop("state")) == ("dispatched", "ended")
    assert ended["timeline"].pop()["what"] == "ended: pruned"
    for part in before["thread"]:
        assert part.pop("pruned_at") is None
    assert after == before
    verdict = house.verdict()
    assert verdict.differences == []
    assert verdict.unfinished == ()
    assert verdict.behind_head > 0
    # Each event that went is there by its digest; for each alert two were added, and one ended.
    assert verdict.events + verdict.pruned == events + 2 * len(names) + 1
    assert verdict.pruned == done.events


def test_the_report_is_kept_with_the_checkpoints_that_hold_its_digest(house: House) -> None:
    found = house.ledger.read(lambda read: report.read(read, house.night.first.id))
    written = report.html(found, timezone=house.agency.timezone, agency=house.agency.name)
    house.prune()
    content = house.ledger.read(lambda read: read.sql("SELECT content FROM checkpoint LIMIT 1").scalar_one())
    digest = json.loads(content)["report"]["sha256"]
    assert digest == hashlib.sha256(written.encode()).hexdigest()
    # Whoever asks by any message of the thread finds the one report.
    pages = {house.ledger.read(lambda read, id=id: kept_reports.page(read, id)) for id in house.messages}  # type: ignore[misc]
    assert pages == {written}
    assert house.ledger.read(lambda read: kept_reports.page(read, "later")) is None
    assert house.ledger.read(kept_reports.differences) == []


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ("UPDATE kept_report SET page = substr(page, 1, length(page) - 1)", "is not the one that was written"),
        ("UPDATE kept_report SET page = :text", "is not the one that was written"),
        ("UPDATE kept_report SET base = alert_id", "is not the one that was written"),
        ("DELETE FROM kept_report", "is missing"),
        ("UPDATE kept_report SET alert_id = 'other'", "is none that a checkpoint names"),
    ],
)
def test_a_kept_report_that_was_changed_is_named_and_not_shown(house: House, change: str, sentence: str) -> None:
    house.prune()
    house.sql(change, **({"text": "no bytes"} if ":text" in change else {}))
    found = house.ledger.read(kept_reports.differences)
    assert sentence in " ".join(each.sentence for each in found)
    with pytest.raises(DamagedRecord, match="restore the ledger from its backup"):
        house.ledger.read(lambda read: kept_reports.page(read, house.night.first.id))


def test_who_comes_second_with_a_report_leaves_that_of_the_first(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    written, done = report.html, []

    def html(found: Any, **options: Any) -> str:
        page = written(found, **options)
        if not done:
            # Another pruning, with a page of another moment, between this one's report and its checkpoints.
            done.append(house.clock.pass_by(60_000))
            done.append(house.prune())
        return page

    monkeypatch.setattr(report, "html", html)
    second = house.prune()
    assert (len(done[1].alerts), second.alerts) == (3, [])
    assert "something was recorded of it just now" in [each.why for each in second.stays]
    assert house.ledger.read(kept_reports.count) == 1
    assert house.ledger.read(kept_reports.differences) == []
    assert house.verdict().differences == []


def test_links_go_with_their_events_and_heads_that_name_them_verify(house: House) -> None:
    before = house.ledger.read(lambda read: read.sql("SELECT count(*) FROM link").scalar_one())
    house.prune()
    after = house.ledger.read(lambda read: read.sql("SELECT chain, seq FROM link").all())
    assert len(after) < before / 3
    ((chain, (seq, _)),) = house.head["chains"].items()
    assert (chain, seq) not in {(row.chain, row.seq) for row in after}
    assert house.verdict().differences == []
    alone = Verdict()
    house.ledger.read(lambda read: check_head(read, house.head, house.keys.head_public_key, alone))
    assert (alone.differences, alone.behind_head) == ([], seq)
    forged = {**house.head, "chains": {chain: [seq, "0" * 64]}}
    body = canonical({name: value for name, value in forged.items() if name != "signature"})
    forged["signature"] = house.keys.sign_head(body.encode()).hex()
    assert "is not the one that was signed" in {each.sentence for each in house.verdict(forged).differences}


def test_nothing_is_pruned_where_its_report_cannot_be_kept(house: House) -> None:
    house.sql("CREATE TRIGGER full BEFORE INSERT ON kept_report BEGIN SELECT RAISE(ABORT, 'disk is full'); END")
    with pytest.raises(IntegrityError, match="disk is full"):
        house.prune()
    assert house.count("delivery") > 100
    assert house.ledger.read(ledger_pruning.begun) == []
    assert house.verdict().differences == []


def test_nothing_can_follow_what_was_pruned(house: House) -> None:
    house.prune()
    with pytest.raises(Refused, match="was pruned from the record"):
        following.cancel(house.scene.desk, house.night.first.code, by="siti")
    correction = house.night.correction
    assert house.ledger.read(lambda read: alerts.get(read, correction.id)).state == "ended"


def test_a_correction_that_lies_ready_is_refused_once_its_alert_is_pruned(tmp_path: Path) -> None:
    with scene(tmp_path / "desk") as made:
        stored = nights.dispatch(made, made.drafted())
        nights.Sender(made, stored.id).run()
        end(made, stored.id)
        agency, keys = made.desk.settings.agency, StateKeys.open(template())
        done = pruning.prune(made.ledger, keys, agency, before=made.clock.wall() - 30 * DAY, by="siti")
        assert done.alerts == [stored.id]
        with pytest.raises(Refused, match="send a new alert"):
            withdrawing.release_correction(made.desk, stored.code, login("made"), reason="wrong_area")


def why_it_stays(house: House, days: float = 30) -> str:
    before = house.clock.wall() - round(days * DAY)
    seen = house.ledger.read(lambda read: pruning.outlook(read, before))
    done = house.prune(days)
    assert done.alerts == []
    assert house.count("delivery") > 100
    codes = {code: each.why for each in seen.stays for code in each.codes}
    assert {code: each.why for each in done.stays for code in each.codes} == codes
    return codes[house.night.first.code]


def test_what_is_not_old_enough_stays_and_is_not_spoken_of(house: House) -> None:
    assert house.prune(days=90) == Pruned()


def test_a_thread_of_which_anything_is_in_doubt_stays(house: House) -> None:
    house.sql(
        "UPDATE delivery SET result = 'in_doubt' WHERE id = (SELECT min(id) FROM delivery WHERE alert_id = :id)",
        id=house.night.first.id,
    )
    assert "in doubt" in why_it_stays(house)


def test_a_thread_of_which_something_was_recorded_lately_stays(house: House) -> None:
    house.ledger.write(lambda write: write.event("page.sent", alert=house.night.update.id))
    assert why_it_stays(house) == "something was recorded of it since"


def test_a_thread_that_somebody_is_about_to_follow_stays(house: House) -> None:
    house.sql("UPDATE alert SET state = 'submitted' WHERE id = :id", id=house.night.correction.id)
    assert "waits to follow it (submitted)" in why_it_stays(house)


def test_the_last_that_was_sent_stays_so_that_no_number_is_given_away_twice(house: House) -> None:
    done = house.prune()
    assert [each.codes for each in done.stays] == [("LATR",)]
    assert house.ledger.read(lambda read: len(views.deliveries(read, "later"))) == 2


@pytest.mark.parametrize(
    "forged",
    [
        "UPDATE delivery SET result = 'accepted' WHERE result = 'rejected'",
        "UPDATE attempt SET reason = 'forged' WHERE evidence = 'rejected'",
        "DELETE FROM delivery WHERE id = (SELECT max(id) FROM delivery WHERE alert_id <> 'later')",
        "UPDATE event SET at = at + 1 WHERE type = 'deliveries.planned'",
        "DELETE FROM event WHERE type = 'delivery.resolved'",
    ],
)
def test_a_record_that_was_changed_is_not_pruned_away(house: House, forged: str) -> None:
    house.sql(forged)
    done = house.prune()
    assert done.alerts == []
    assert "not as it was written" in done.stays[0].why
    assert house.count("delivery") > 100


def test_pruning_waits_while_an_alert_is_on_its_way(house: House) -> None:
    house.ledger.write(
        lambda write: put_dispatch(write, [public("toots", house.clock.wall() + DAY)], id="now", code="NOWW")
    )
    done = house.prune()
    assert done.waits
    assert done.alerts == []


class Cut(Exception):
    """Stands for kill -9: nothing after it runs, and what was committed stays."""


def test_pruning_that_is_cut_anywhere_is_taken_up_and_verifies_at_every_point(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, kept = house.report(), ledger_pruning.take
    monkeypatch.setattr(pruning, "_FIRST", 40)
    monkeypatch.setattr(pruning, "_MOST", 40)
    commits = 0

    def cut(*arguments: Any, **named: Any) -> None:
        nonlocal commits
        commits += 1
        if commits % 2:
            raise Cut
        kept(*arguments, **named)

    monkeypatch.setattr(ledger_pruning, "take", cut)
    seen = set()
    for _ in range(100):
        try:
            house.prune()
        except Cut:
            verdict = house.verdict()
            assert verdict.differences == []
            seen.add(verdict.unfinished)
            told = house.report()
            assert [part["words"] for part in told["thread"]] == [part["words"] for part in before["thread"]]
        else:
            break
    assert commits > 8
    assert len(seen) > 1
    assert house.count("delivery") == 0
    assert house.verdict().unfinished == ()
    assert house.verdict().differences == []


def test_a_receipt_that_comes_late_changes_nothing_and_is_forgotten_in_time(house: House) -> None:
    key = house.ledger.read(lambda read: views.deliveries(read, house.night.first.id, instance="sms-drill"))[0].key
    house.prune()
    told = Receipt(Confirmed.READ, key=key)
    house.ledger.write(lambda write: receipts.record(write, instance="sms-drill", receipts=[told]))
    assert house.verdict().differences == []
    assert house.ledger.read(receipts.unmatched) == 1
    house.clock.pass_by(31 * DAY)
    house.prune()
    assert house.ledger.read(receipts.unmatched) == 0
    assert house.verdict().differences == []


def forge_deletion(house: House) -> str:
    house.sql("DELETE FROM event WHERE type = 'alert.approved'")
    return "its events are not those"


def forge_words(house: House) -> str:
    house.sql("UPDATE checkpoint SET content = replace(content, 'rejected', 'accepted')")
    return "is not what was recorded"


def forge_digests(house: House) -> str:
    house.sql("UPDATE pruned SET events = events || x'00' WHERE number = 1")
    return "are not those that were pruned"


def forge_more(house: House) -> str:
    house.sql("INSERT INTO pruned SELECT alert_id, number + 1000, events, signature FROM pruned")
    return "are not those that were pruned"


def forge_less(house: House) -> str:
    house.sql("DELETE FROM pruned WHERE number = 1")
    return "its events are not those"


def forge_links(house: House) -> str:
    house.sql("DELETE FROM pruned WHERE number = (SELECT max(number) FROM pruned)")
    return "of this chain is missing"


def forge_checkpoint(house: House) -> str:
    house.sql("DELETE FROM checkpoint WHERE alert_id = :id", id=house.night.first.id)
    return "is missing"


def forge_return(house: House) -> str:
    house.sql("UPDATE delivery SET alert_id = :id WHERE alert_id = 'later'", id=house.night.first.id)
    return "are not those that were planned"


@pytest.mark.parametrize(
    "forge",
    [forge_deletion, forge_words, forge_digests, forge_more, forge_less, forge_links, forge_checkpoint, forge_return],
)
def test_a_change_by_hand_is_found_in_what_pruning_left(house: House, forge: Any) -> None:
    house.prune()
    wanted = forge(house)
    assert wanted in " ".join(each.sentence for each in house.verdict().differences)


def test_events_deleted_by_hand_are_found_although_their_digests_are_put_in_place(house: House) -> None:
    """As `pruned` is written, but by somebody without the ledger's key."""
    other = StateKeys.open(house.folder / "other")
    ids = house.messages

    def forge(write: Any) -> None:
        for id in ids:
            while (chunk := ledger_pruning.chunk(write, id, 500)) is not None:
                ledger_pruning.take(write, other, id, chunk)

    house.ledger.write(forge)
    assert "are not those that were pruned" in {each.sentence for each in house.verdict().differences}


def test_two_that_prune_at_once_do_it_once(house: House) -> None:
    path = house.ledger.path
    assert isinstance(path, Path)
    with Ledger.open(path, clock=house.clock, chain="other") as other, ThreadPoolExecutor(2) as pool:
        before = house.clock.wall() - 30 * DAY
        runs = [
            pool.submit(pruning.prune, each, house.keys, house.agency, before=before, by="siti")
            for each in (house.ledger, other)
        ]
        done = [run.result() for run in runs]
    assert house.count("delivery") == 0
    assert house.verdict().differences == []
    assert sum(each.events for each in done) == house.verdict().pruned

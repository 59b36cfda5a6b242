"""A list of people comes into force whole or not at all, wherever its import is cut."""

from __future__ import annotations

import contextlib
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kentongan import importing
from kentongan.clock import Process
from kentongan.errors import BadInput
from kentongan.importing import Importing
from kentongan.keys import StateKeys
from kentongan.ledger import Ledger, Read, editions, senders
from kentongan.ledger import people as register
from kentongan.ledger.editions import LANGUAGE, listed
from kentongan.ledger.filling import Imported, reference_of
from kentongan.ledger.verification import signed_head, verify
from kentongan.people import Row
from kentongan.seam import Address
from kentongan.staging import Staging
from tests.kentongan.killed import Killed, Mortal
from tests.kentongan.ledger.scenes import direct, expand_all, later, open_at, put_dispatch, register_sender

People = dict[str, tuple[str | None, frozenset[str], frozenset[str], frozenset[tuple[str, str]]]]
GONE = Process(Process.current().boot_id, Process.current().namespace, 2**22 + 1, 1)

some = st.sets(st.sampled_from(["a", "b", "c"]), max_size=2).map(lambda found: tuple(sorted(found)))
places = st.sets(st.sampled_from(["33", "33.05", "33.05.01"]), max_size=2).map(lambda found: tuple(sorted(found)))
addresses = st.sets(st.integers(0, 9), min_size=1, max_size=2).map(
    lambda found: tuple(Address("phone", f"+628120000000{n}") for n in sorted(found))
)
rows = st.builds(
    Row, st.just(2), st.sampled_from("pqrst"), addresses, st.sampled_from([None, "id", "en"]), some, places
)
lists = st.lists(rows, max_size=5, unique_by=lambda row: row.reference)


def on_list(read: Read, keys: StateKeys) -> People:
    """Who is on the list, by the keyed hash of their reference; whoever has no address is not on it."""
    found: People = {}
    for person in read.sql(f"SELECT p.id, p.reference, {LANGUAGE} AS language FROM person p").all():
        one = {"id": person.id}
        own = read.sql(f"SELECT a.* FROM address a WHERE a.person_id = :id AND {listed('a')}", one).all()
        key = read.sql("SELECT key FROM person WHERE id = :id", one).scalar_one()
        groups = read.sql(f"SELECT g.name FROM person_group g WHERE g.person_id = :id AND {listed('g')}", one)
        regions = read.sql(f"SELECT r.code FROM person_region r WHERE r.person_id = :id AND {listed('r')}", one)
        opened = {keys.decrypt_address(key, each.ciphertext, aad=person.id.encode()) for each in own}
        if own:
            found[person.reference] = (
                person.language,
                frozenset(groups.scalars()),
                frozenset(regions.scalars()),
                frozenset((address.family, address.value) for address in opened),
            )
    return found


def as_listed(people: list[Row], keys: StateKeys) -> People:
    return {
        reference_of(row, keys): (
            row.language,
            frozenset(row.groups),
            frozenset(row.regions),
            frozenset((address.family, address.value) for address in row.addresses),
        )
        for row in people
    }


def import_list(ledger: Ledger, keys: StateKeys, people: list[Row], *, whole: bool, owner: str = "second") -> Imported:
    with Staging() as staged:
        for row in people:
            staged.add(reference_of(row, keys), row)
        return Importing(ledger, keys, owner, Process.current(), wait=lambda seconds: None).run(staged, replace=whole)


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("template") / "ledger.db"
    open_at(path).close()
    return path


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    before=lists, former=lists, cut=lists, new=lists, kill=st.integers(1, 13), whole=st.booleans(), also=st.booleans()
)
def test_an_import_that_is_killed_changes_nothing_and_the_next_is_whole(
    template: Path,
    monkeypatch_module: pytest.MonkeyPatch,
    before: list[Row],
    former: list[Row],
    cut: list[Row],
    new: list[Row],
    kill: int,
    whole: bool,
    also: bool,
) -> None:
    with tempfile.TemporaryDirectory(prefix="kentongan-") as name:
        folder = Path(name)
        (folder / "ledger.db").write_bytes(template.read_bytes())
        keys = StateKeys.open(folder / "state")
        with open_at(folder / "ledger.db") as ledger:
            # A former list leaves addresses, groups and regions behind that people may have again.
            import_list(ledger, keys, before, whole=False, owner="zeroth")
            import_list(ledger, keys, former, whole=also, owner="first")
            standing = ledger.read(lambda read: on_list(read, keys))
            assert standing == (({} if also else as_listed(before, keys)) | as_listed(former, keys))
            with Mortal.open(folder / "ledger.db", clock=ledger.clock) as mortal, Staging() as staged:
                assert isinstance(mortal, Mortal)
                mortal.left = kill
                for row in cut:
                    staged.add(reference_of(row, keys), row)
                with contextlib.suppress(Killed):
                    Importing(mortal, keys, "killed", GONE, wait=lambda seconds: None).run(staged, replace=whole)
            in_force = ledger.read(lambda read: editions.unfinished(read)) is None
            left = ledger.read(lambda read: on_list(read, keys))
            after = ({} if whole else standing) | as_listed(cut, keys)
            assert left == standing or (left == after and in_force)
            done = import_list(ledger, keys, new, whole=whole)
            assert ledger.read(lambda read: on_list(read, keys)) == (({} if whole else left) | as_listed(new, keys))
            assert done.added + done.updated == len(new)
            assert ledger.read(editions.unfinished) is None
            head = ledger.read(lambda read: signed_head(read, keys))
            verdict = ledger.read(lambda read: verify(read, head=head, public_key=keys.head_public_key))
            assert verdict.differences == []


@pytest.fixture(scope="module")
def monkeypatch_module() -> Any:
    """Two people in a transaction, so that lists of five are cut in their middle."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(importing, "_SIZE", 2)
        patch.setattr(importing, "_SIZE_BESIDE", 2)
        patch.setattr(importing, "_TIDIED", 2)
        yield patch


def row(number: int, phone: str = "", *, groups: tuple[str, ...] = ()) -> Row:
    return Row(number, f"p{number}", (Address("phone", phone or f"+62812000000{number:02}"),), None, groups, ())


def test_nothing_of_an_import_that_fails_is_kept(ledger: Ledger, keys: StateKeys) -> None:
    import_list(ledger, keys, [row(1)], whole=False, owner="first")

    class Cut(Staging):
        def __iter__(self) -> Any:
            yield from super().__iter__()
            raise BadInput("the disk is full")

    with Cut() as staged:
        staged.add(reference_of(row(2), keys), row(2))
        with pytest.raises(BadInput, match="disk is full"):
            Importing(ledger, keys, "second", Process.current()).run(staged)
    rows = ledger.read(lambda read: read.sql("SELECT count(*) FROM person").scalar_one())
    assert (rows, ledger.read(editions.unfinished)) == (1, None)


def test_two_lists_are_not_imported_at_once(ledger: Ledger, keys: StateKeys) -> None:
    register_sender(ledger, "other")
    ledger.write(lambda write: editions.begin(write, owner="other"))
    with pytest.raises(BadInput, match="just being imported"):
        import_list(ledger, keys, [row(1)], whole=False)
    with pytest.raises(BadInput, match="being imported"):
        ledger.write(lambda write: register.import_people(write, [row(1)], keys=keys))


def test_an_import_that_was_taken_for_dead_writes_nothing_more(ledger: Ledger, keys: StateKeys) -> None:
    """It slept, its lease ended, and the next import has taken it back: its own edition is no longer there."""

    class Slept(Staging):
        def __iter__(self) -> Any:
            for each in super().__iter__():
                ledger.write(lambda write: senders.end(write, sender="second"))
                import_list(ledger, keys, [row(7)], whole=False, owner="third")
                yield each

    with Slept() as staged:
        staged.add(reference_of(row(2), keys), row(2))
        with pytest.raises(BadInput, match="taken back; run it again"):
            Importing(ledger, keys, "second", Process.current()).run(staged)
    assert set(ledger.read(lambda read: on_list(read, keys))) == {reference_of(row(7), keys)}


def test_an_alert_whose_people_are_being_looked_up_goes_by_one_list(ledger: Ledger, keys: StateKeys) -> None:
    import_list(ledger, keys, [row(1), row(2)], whole=False, owner="first")
    ledger.write(lambda write: put_dispatch(write, [direct("sms", later())]))
    waited: list[float] = []

    def wait(seconds: float) -> None:
        waited.append(seconds)
        expand_all(ledger, "alert1", size=1)

    with Staging() as staged:
        staged.add(reference_of(row(3), keys), row(3))
        Importing(ledger, keys, "second", Process.current(), wait=wait).run(staged, replace=True)
    assert waited
    planned = set(ledger.read(lambda read: read.sql("SELECT unique_by FROM delivery").scalars().all()))
    assert planned == {keys.address_hash("phone", each.addresses[0].value) for each in (row(1), row(2))}
    assert set(ledger.read(lambda read: on_list(read, keys))) == {reference_of(row(3), keys)}


def test_what_is_staged_lies_on_the_disk_encrypted(keys: StateKeys, tmp_path: Path) -> None:
    with Staging() as staged:
        staged.add("r1", replace(row(1), groups=("coast",)))
        written = staged._file.execute("SELECT content FROM staged").fetchone()[0]
        assert b"+62812" not in written
        assert [each.groups for _, each in staged] == [("coast",)]

"""Signed heads, and finding any changed byte behind one.

A head names the last link of every chain and is signed with the ledger key. Behind a head, every event is as it was,
and so is every row that events speak of: by digest where it never changes, else by replaying the events in the order
of their commits (`kentongan.ledger.replay`). What cannot be found: docs/ledger.md.
"""

from __future__ import annotations

import contextlib
import itertools
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import field
from datetime import datetime
from typing import Any

from kentongan import telling
from kentongan.clock import to_datetime, to_milliseconds
from kentongan.keys import StateKeys, verify_head
from kentongan.ledger import alerts, pruned
from kentongan.ledger.chaining import canonical, event_digest, link_digest
from kentongan.ledger.replay import Difference, Part, check_deliveries, check_rows, plain
from kentongan.ledger.transaction import Read
from kentongan.quick_dataclass import dataclass


@dataclass(slots=True)
class Verdict:
    """What verification found; nothing in `differences` means that all is as it was recorded.

    `lost`: how many of them are chains that were longer before the ledger was restored from a backup. `pruned`: events
    of which a signed checkpoint says that they were pruned. `unfinished`: the codes of alerts that are being pruned, or
    whose pruning was cut; what is left of their deliveries is not compared.
    """

    events: int = 0
    chains: int = 0
    behind_head: int = 0
    deliveries: int = 0
    lost: int = 0
    pruned: int = 0
    unfinished: tuple[str, ...] = ()
    differences: list[Difference] = field(default_factory=list)


def signed_head(read: Read, keys: StateKeys) -> dict[str, Any]:
    """The ends of all chains now, signed; safe to publish, since it holds counts and digests alone."""
    body = {
        "at": to_datetime(read.now).isoformat(timespec="seconds"),
        "chains": {chain: [seq, content] for chain, seq, content in ends(read)},
        "key": keys.head_public_key.hex(),
    }
    return {**body, "signature": keys.sign_head(canonical(body).encode()).hex()}


def ends(read: Read) -> list[tuple[str, int, str]]:
    """Name, number of links, and last digest of every chain, in order: a few steps along the index for each."""
    rows = read.sql(
        "WITH RECURSIVE named(chain) AS (SELECT min(chain) FROM link UNION ALL SELECT (SELECT min(l.chain) FROM link l"
        " WHERE l.chain > named.chain) FROM named WHERE named.chain IS NOT NULL)"
        " SELECT l.chain, l.seq, l.digest FROM named JOIN link l ON l.chain = named.chain"
        " AND l.seq = (SELECT max(m.seq) FROM link m WHERE m.chain = named.chain) ORDER BY l.chain"
    )
    return [(row.chain, row.seq, row.digest) for row in rows]


def verify(read: Read, *, head: Mapping[str, Any] | None, public_key: bytes) -> Verdict:
    """Checks the whole ledger against its chains and against `head`, as `signed_head` made it."""
    verdict = Verdict()
    covered = pruned.Covered()

    def find_pruned() -> None:
        nonlocal covered
        covered = pruned.covered(read, public_key, verdict.differences)
        codes = alerts.codes(read, sorted(covered.begun)) if covered.begun else {}
        verdict.unfinished = tuple(sorted(codes.get(id, id) for id in covered.begun))

    def deliveries() -> None:
        gone = frozenset(covered.begun | covered.finished)
        part = Part(gone=gone, going=frozenset(covered.begun))
        verdict.deliveries = check_deliveries(read, verdict.differences, of=part)

    checks: list[tuple[str, Callable[[], None]]] = [
        ("pruned events", find_pruned),
        ("chains", lambda: _check_chains(read, verdict, covered)),
        ("rows", lambda: check_rows(read, verdict.differences)),
        ("deliveries", deliveries),
    ]
    if head is not None:
        checks.insert(2, ("head", lambda: check_head(read, head, public_key, verdict, covered.computed)))
    with _every_byte(read):
        for name, check in checks:
            try:
                check()
            except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
                # A value of a kind that nothing of ours writes; which one, the other checks mostly name.
                verdict.differences.append(Difference(name, f"hold what cannot be read ({type(error).__name__})"))
    return verdict


@contextlib.contextmanager
def _every_byte(read: Read) -> Iterator[None]:
    """Lets texts be read whose bytes are no UTF-8 any more, so that they are found and do not end the search."""
    if read.on_postgres:
        # It keeps no text that is not in its encoding.
        yield
        return
    connection: Any = read.connection.connection.driver_connection
    usual = connection.text_factory
    connection.text_factory = lambda content: content.decode("utf-8", "surrogateescape")
    try:
        yield
    finally:
        connection.text_factory = usual


def _check_chains(read: Read, verdict: Verdict, covered: pruned.Covered) -> None:
    """Recomputes every link from its events, and from the digests of those that were pruned."""
    grouped: dict[tuple[str, int], dict[int, str]] = {}
    for link_of, gone in covered.digests.items():
        grouped[link_of] = dict(gone)
        verdict.pruned += len(gone)
    for row in read.sql("SELECT * FROM event ORDER BY chain, seq, ordinal").mappings():
        verdict.events += 1
        e = plain(row)
        grouped.setdefault((e["chain"], e["seq"]), {})[e["ordinal"]] = event_digest(
            e["chain"],
            e["seq"],
            e["ordinal"],
            e["at"],
            e["type"],
            e["alert_id"],
            e["delivery_id"],
            e["data"],
        )
    chain, previous, expected = None, "", 1
    positions = []
    for link in _links(read, covered):
        if link["chain"] != chain:
            chain, previous, expected = link["chain"], "", 1
            verdict.chains += 1
        place = f"link {chain}/{link['seq']}"
        positions.append(link["position"])
        if link["seq"] != expected:
            verdict.differences.append(Difference(place, f"link {expected} of this chain is missing"))
        if link.get("previous", previous) != previous:
            verdict.differences.append(Difference(place, "does not continue the link before it"))
        events = grouped.pop((link["chain"], link["seq"]), {})
        if "digest" not in link:
            # It went with its events. Whether it was this one, the `previous` of the next tells.
            link["digest"] = link_digest(previous, link["position"], [events[n] for n in sorted(events)])
            covered.computed[link["chain"], link["seq"]] = link["digest"]
        elif link["digest"] != link_digest(link["previous"], link["position"], [events[n] for n in sorted(events)]):
            verdict.differences.append(Difference(place, "its events are not those that were recorded"))
        previous, expected = link["digest"], link["seq"] + 1
    for name, seq in grouped:
        verdict.differences.append(Difference(f"event {name}/{seq}", "belongs to no link"))
    missing = sorted(set(range(1, len(positions) + 1)) - set(positions))
    if missing:
        verdict.differences.append(Difference(f"commit {missing[0]}", "is missing, though later ones are there"))


def _links(read: Read, covered: pruned.Covered) -> Iterator[dict[str, Any]]:
    """All links in the order of their chains: those that are there, and by their places alone those that went."""
    there = (plain(row) for row in read.sql("SELECT * FROM link").mappings())
    went = (each._asdict() for each in covered.links)
    return iter(sorted(itertools.chain(there, went), key=lambda link: (str(link["chain"]), int(link["seq"]))))


def check_head(
    read: Read,
    head: Mapping[str, Any],
    public_key: bytes,
    verdict: Verdict,
    computed: Mapping[tuple[str, int], str] | None = None,
) -> None:
    """Whether all chains reach as far as when `head` was signed, to the very links.

    `computed`: the digests of those that went with their events; without them they are computed where they are needed.
    """
    body = {name: value for name, value in head.items() if name != "signature"}
    try:
        signature = bytes.fromhex(str(head.get("signature", "")))
    except ValueError:
        signature = b""
    if not verify_head(public_key, canonical(body).encode(), signature):
        verdict.differences.append(Difference("head", "its signature is not by this ledger's key"))
        return
    restored = _restored(read, str(body["at"]))
    for chain, (seq, wanted) in body["chains"].items():
        found = read.sql(
            "SELECT digest FROM link WHERE chain = :chain AND seq = :seq", {"chain": chain, "seq": seq}
        ).scalar()
        if found is None:
            if computed is None:
                covered = pruned.covered(read, public_key, [])
                _check_chains(read, Verdict(), covered)
                computed = covered.computed
            found = computed.get((chain, seq))
        if found != wanted and restored is not None and seq > restored.ends.get(chain, 0):
            verdict.lost += 1
            verdict.differences.append(Difference(f"chain {chain}", restored.sentence(chain, seq)))
        elif found is None:
            ends = read.sql("SELECT coalesce(max(seq), 0) FROM link WHERE chain = :chain", {"chain": chain}).scalar()
            sentence = f"ends at {ends} and had {seq} links when the head was signed"
            verdict.differences.append(Difference(f"chain {chain}", sentence))
        elif found != wanted:
            verdict.differences.append(Difference(f"link {chain}/{seq}", "is not the one that was signed"))
        else:
            verdict.behind_head += int(seq)


@dataclass(frozen=True, slots=True)
class _Restored:
    """That the ledger was restored, after the head was signed, from a backup that did not reach as far.

    `at`: when, and `taken`: when the backup was made (wall time). `ends`: the last link of each chain that it held.
    """

    at: int
    taken: int
    ends: Mapping[str, int]

    def sentence(self, chain: str, signed: int) -> str:
        kept = self.ends.get(chain, 0)
        links = f"links {kept + 1} to {signed} were" if signed > kept + 1 else f"link {signed} was"
        there = "are" if signed > kept + 1 else "is"
        return (
            f"{links} signed, and {there} not here since the ledger was restored at {telling.recorded(self.at)}"
            f" from a backup of {telling.recorded(self.taken)}: what they recorded is lost"
        )


def _restored(read: Read, signed_at: str) -> _Restored | None:
    """The restoring that cut off what a head of that moment had signed; of several, the one that cut off the most."""
    found = None
    signed = to_milliseconds(datetime.fromisoformat(signed_at))
    for row in read.sql("SELECT at, data FROM event WHERE type = 'ledger.restored'"):
        data = json.loads(row.data)
        if signed <= row.at and (found is None or data["taken"] < found.taken):
            found = _Restored(row.at, data["taken"], data["ends"])
    return found

"""What must hold after a rehearsal, whatever was killed: ledger and counter compared, delivery by delivery."""

from __future__ import annotations

import enum
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kentongan.delivery import Evidence, Stage
from kentongan.ledger import alerts, views

if TYPE_CHECKING:
    from tests.chaos.installation import Installation

_UNSENT = frozenset({"planned", "claimed", "rejected", "expired", "cancelled"})
_MAY_BE_UNTAKEN = frozenset({"rejected", "unreachable", "in_doubt"})
_PROVES_NOTHING_LEFT = frozenset({Evidence.ABSENT.value, Evidence.REJECTED.value})


class Broken(enum.StrEnum):
    """One way in which a rehearsal fails."""

    LOST = "lost"  # nobody has it, and the ledger neither says why nor that it is in doubt
    UNMARKED = "unmarked repeat"  # counted twice, and not marked as a possible duplicate
    REPEATED = "repeated"  # counted twice where the provider drops repeats
    UNSENT = "recorded as unsent"  # counted, and the ledger says that it was not sent
    UNEXPLAINED = "more than recorded"  # counted more often than attempts may have arrived
    OPEN = "not ended"  # neither in a final state nor in doubt
    UNPLANNED = "not planned"  # a recipient with no delivery, or with several
    RECORD = "record"  # `log verify` finds a difference
    UNFENCED = "not fenced"  # a sender that had lost its lease sent what another had taken over
    LATE = "late"  # took longer than this scenario allows
    COMMAND = "command"  # a command of ours failed or hung


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that does not hold; `row` names the delivery, or what else it is about."""

    broken: Broken
    row: str

    def __str__(self) -> str:
        return f"{self.broken}: {self.row}"


@dataclass(frozen=True, slots=True)
class Row:
    """One delivery as the ledger has it, beside how often the counter took it.

    `evidence`: of its attempts, in order. `drops_repeats`: the provider takes nothing twice under the same key.
    """

    id: int
    instance: str
    recipient: str
    stage: str
    word: str
    marked: bool
    evidence: tuple[str, ...]
    taken: int
    drops_repeats: bool = False


def check(rows: Sequence[Row], planned: Sequence[tuple[str, str]]) -> list[Finding]:
    """Everything that does not hold of one alert; `planned`: (instance, recipient) of all that it is for."""
    found = [Finding(broken, _named(row)) for row in rows for broken in _of(row)]
    there = Counter((row.instance, row.recipient) for row in rows)
    for place in planned:
        if there[place] != 1:
            found.append(Finding(Broken.UNPLANNED, f"{place[1]} on {place[0]} has {there[place]} deliveries"))
    strays = there.keys() - set(planned)
    found.extend(Finding(Broken.UNPLANNED, f"{recipient} on {name} is not to be warned") for name, recipient in strays)
    return found


def _of(row: Row) -> list[Broken]:
    found = []
    if row.stage != Stage.DONE or row.word in list(Stage):
        found.append(Broken.OPEN)
    if row.taken == 0 and row.word not in _MAY_BE_UNTAKEN:
        found.append(Broken.LOST)
    if row.taken > 1:
        if row.drops_repeats:
            found.append(Broken.REPEATED)
        elif not row.marked:
            found.append(Broken.UNMARKED)
    if row.taken and row.word in _UNSENT:
        found.append(Broken.UNSENT)
    if row.taken > sum(evidence not in _PROVES_NOTHING_LEFT for evidence in row.evidence):
        found.append(Broken.UNEXPLAINED)
    return found


def _named(row: Row) -> str:
    told = ", ".join(row.evidence) or "none"
    return (
        f"delivery {row.id} on {row.instance}: {row.word}, {row.stage}{', marked' if row.marked else ''}, attempts"
        f" {told}; counted {row.taken} times"
    )


def rows_of(installation: Installation, code: str, taken: Mapping[tuple[str, str], int]) -> list[Row]:
    """All deliveries of an alert, with what the counter took since it was sent."""
    import channels

    with installation.open() as house:
        alert = house.ledger.read(lambda read: alerts.by_handle(read, code))
        deliveries = house.ledger.read(lambda read: views.deliveries(read, alert.id))
        attempts = house.ledger.read(lambda read: views.attempts_of(read, alert.id))
        opened = house.open_addresses([d.address_id for d in deliveries if d.address_id is not None])
        assert house.settings is not None
        kinds = {name: instance.kind for name, instance in house.settings.channels.items()}
    evidence: dict[int, list[str]] = {}
    for attempt in attempts:
        evidence.setdefault(attempt.delivery, []).append(attempt.evidence)
    found = []
    for delivery in deliveries:
        public = delivery.address_id is None
        recipient = "public" if delivery.address_id is None else opened[delivery.address_id].value
        # A stand-in may leave the plus of a number out.
        counted = taken.get((delivery.instance if public else "", recipient), 0)
        counted = counted or (0 if public else taken.get(("", recipient.lstrip("+")), 0))
        traits = channels.traits(kinds[delivery.instance])
        found.append(
            Row(
                id=delivery.id,
                instance=delivery.instance,
                recipient=recipient,
                stage=delivery.stage,
                word=delivery.word,
                marked=delivery.possible_duplicate,
                evidence=tuple(evidence.get(delivery.id, ())),
                taken=counted,
                drops_repeats=traits.idempotent is not None,
            )
        )
    return found

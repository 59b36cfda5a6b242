"""What a forecast reads from the ledger: what is still to be sent, what was taken lately, who has several channels."""

from __future__ import annotations

from collections.abc import Mapping

from kentongan.area.codes import Waves, Within
from kentongan.clock import Milliseconds
from kentongan.ledger.audience import audience_condition
from kentongan.ledger.editions import listed
from kentongan.ledger.people import EVERYBODY
from kentongan.ledger.reach import reach_condition
from kentongan.ledger.transaction import Read
from kentongan.ledger.within import turn_expression
from kentongan.reach import Reach
from kentongan.settings import Audience

_DAY: Milliseconds = 86_400_000


def waiting(read: Read, *, besides: str) -> dict[tuple[str, str], int]:
    """How many deliveries are not done, by alert and instance, of other alerts than `besides`; none is left out."""
    rows = read.sql(
        # The other index holds all that was ever done.
        "SELECT alert_id, instance, count(*) AS n FROM delivery INDEXED BY delivery_open"
        " WHERE stage <> 'done' AND alert_id <> :alert GROUP BY alert_id, instance",
        {"alert": besides},
    ).all()
    return {(row.alert_id, row.instance): row.n for row in rows}


def taken_lately(read: Read, instance: str) -> int:
    """How many messages the provider of an instance has accepted in the last 24 hours, of alerts of two days."""
    return int(
        read.sql(
            "SELECT count(*) FROM delivery WHERE alert_id IN (SELECT alert_id FROM dispatch WHERE at > :begun)"
            " AND instance = :instance AND accepted_at > :since",
            {"instance": instance, "since": read.now - _DAY, "begun": read.now - 2 * _DAY},
        ).scalar_one()
    )


def nearest(
    read: Read, family: str, audience: Audience, *, within: Within, waves: Waves, reach: Reach = EVERYBODY
) -> int:
    """How many addresses of a family are in the first wave of an audience: the nearest and worst hit."""
    belongs, parameters = audience_condition(audience, within=within)
    reachable, named = reach_condition(reach)
    turn, own = turn_expression(within, waves, "_turn")
    return int(
        read.sql(
            "SELECT count(DISTINCT a.hash) FROM address a JOIN person p ON p.id = a.person_id"
            f" WHERE a.family = :family AND {listed('a')} AND {belongs} AND {reachable} AND {turn} = 0",
            {"family": family, **parameters, **named, **own},
        ).scalar_one()
    )


def also_reached(
    read: Read,
    late: int,
    instance: tuple[str, Audience],
    others: Mapping[str, tuple[str, Audience]],
    *,
    within: Within | None = None,
    waves: Waves = (),
    reach: Reach = EVERYBODY,
) -> dict[str, int]:
    """How many of the last `late` people of an instance each of the `others` writes to too, by its name.

    Each is given by its family and its audience. The last are those who are planned last (`planning`).
    """
    if not others or not late:
        return dict.fromkeys(others, 0)
    family, audience = instance
    belongs, parameters = audience_condition(audience, "_late", within=within)
    reachable, named = reach_condition(reach)
    everything: dict[str, object] = {**parameters, **named, "family_late": family, "late": late}
    counts = []
    for number, (other_family, other_audience) in enumerate(others.values()):
        condition, own = audience_condition(other_audience, f"_{number}", within=within)
        everything |= {**own, f"family_{number}": other_family}
        counts.append(
            f"sum(CASE WHEN {condition} AND EXISTS (SELECT 1 FROM address a WHERE a.person_id = p.id"
            f" AND a.family = :family_{number} AND {listed('a')} AND {reachable}) THEN 1 ELSE 0 END)"
        )
    last = "min(a.id) DESC"
    if within is not None:
        turn, named = turn_expression(within, waves, "_turn")
        everything |= named
        last = f"min({turn}) DESC, {last}"
    row = read.sql(
        "WITH late AS (SELECT a.person_id FROM address a JOIN person p ON p.id = a.person_id"
        f" WHERE a.family = :family_late AND {listed('a')} AND {belongs} AND {reachable}"
        f" GROUP BY a.person_id ORDER BY {last} LIMIT :late)"
        f" SELECT {', '.join(counts)} FROM person p WHERE p.id IN (SELECT person_id FROM late)",
        everything,
    ).one()
    return {name: int(count or 0) for name, count in zip(others, row, strict=True)}

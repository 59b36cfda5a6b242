"""Who belongs to an audience, in SQL; `kentongan.audiences.matches` says the same in Python."""

from __future__ import annotations

import json

from kentongan.area.codes import Within
from kentongan.audiences import plain
from kentongan.ledger.editions import listed
from kentongan.ledger.within import within_condition
from kentongan.settings import Audience


def audience_condition(
    audience: Audience, suffix: str = "", *, within: Within | None = None
) -> tuple[str, dict[str, str]]:
    """The SQL condition on person `p` for an audience, with its parameters, whose names end in `suffix`.

    `within` leaves of the audience those in an alert's area.
    """
    conditions = ["p.key IS NOT NULL"]
    parameters: dict[str, str] = {}
    if audience.groups:
        conditions.append(
            f"EXISTS (SELECT 1 FROM person_group g WHERE g.person_id = p.id AND {listed('g')}"
            f" AND g.name IN (SELECT value FROM json_each(:groups{suffix})))"
        )
        parameters[f"groups{suffix}"] = json.dumps([plain(group) for group in audience.groups])
    if audience.regions:
        conditions.append(
            f"EXISTS (SELECT 1 FROM person_region r CROSS JOIN json_each(:regions{suffix}) wanted"
            f" WHERE r.person_id = p.id AND {listed('r')} AND (r.code = wanted.value"
            " OR substr(r.code, 1, length(wanted.value) + 1) = wanted.value || '.'))"
        )
        parameters[f"regions{suffix}"] = json.dumps([plain(region) for region in audience.regions])
    if within is not None:
        belongs, own = within_condition(within, suffix)
        conditions.append(belongs)
        parameters |= own
    return " AND ".join(conditions), parameters

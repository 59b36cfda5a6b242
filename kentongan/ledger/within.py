"""The condition that a person belongs to an area, in SQL; `kentongan.area.codes.takes_in` says the same in Python."""

from __future__ import annotations

import json
from collections.abc import Sequence

from kentongan.area.codes import Waves, Within, above
from kentongan.ledger.editions import listed


def within_condition(within: Within, suffix: str = "") -> tuple[str, dict[str, str]]:
    """The SQL condition on person `p`, with its parameters, whose names end in `suffix`.

    Codes are held against prefixes of each length that occurs, which are few, so that a million people need no more
    look-ups than a few million, however many codes there are.
    """
    upper = sorted({over for code in within.codes for over in above(code)})
    parameters = {f"within{suffix}": json.dumps(within.codes), f"upper{suffix}": json.dumps(upper)}
    belongs = f"{_below(within.codes, f'within{suffix}')} OR {_among('r.code', f'upper{suffix}')}"
    condition = f"EXISTS (SELECT 1 FROM person_region r WHERE r.person_id = p.id AND {listed('r')} AND ({belongs}))"
    if not within.unplaced:
        return condition, parameters
    known = ""
    if within.strays:
        known = f" AND NOT ({_below(within.strays, f'strays{suffix}')})"
        parameters[f"strays{suffix}"] = json.dumps(within.strays)
    nowhere = f"NOT EXISTS (SELECT 1 FROM person_region r WHERE r.person_id = p.id AND {listed('r')}{known})"
    return f"({condition} OR {nowhere})", parameters


def turn_expression(within: Within, waves: Waves, suffix: str = "") -> tuple[str, dict[str, str]]:
    """The SQL expression for the wave of person `p` (`kentongan.area.codes.turns`), with its parameters."""
    parameters = {f"upper{suffix}": json.dumps(sorted({over for code in within.codes for over in above(code)}))}
    cases = ""
    for number, codes in enumerate((*waves, within.codes)):
        parameters[f"wave_{number}{suffix}"] = json.dumps(codes)
        cases += f" WHEN {_below(codes, f'wave_{number}{suffix}')} THEN {number}"
    cases += f" WHEN {_among('r.code', f'upper{suffix}')} THEN {len(waves) + 1}"
    last = len(waves) + 2
    turn = f"SELECT min(CASE{cases} ELSE {last} END) FROM person_region r WHERE r.person_id = p.id AND {listed('r')}"
    return f"coalesce(({turn}), {last})", parameters


def _below(codes: Sequence[str], parameter: str) -> str:
    """Whether `r.code` is one of some codes or lies in one."""
    conditions = [
        f"({_among(f'substr(r.code, 1, {length})', parameter)} AND substr(r.code, {length + 1}, 1) IN ('', '.'))"
        for length in sorted({len(code) for code in codes})
    ]
    return " OR ".join(conditions) or "FALSE"


def _among(expression: str, parameter: str) -> str:
    return f"{expression} IN (SELECT value FROM json_each(:{parameter}))"

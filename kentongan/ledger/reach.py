"""Whom of an audience an alert may be sent to, in SQL (`kentongan.reach`)."""

from __future__ import annotations

import json

from kentongan.ledger.editions import listed
from kentongan.ledger.opt_outs import NOT_OPTED_OUT
from kentongan.reach import Reach


def reach_condition(reach: Reach) -> tuple[str, dict[str, str]]:
    """The SQL condition on address `a` of person `p`, with its parameters."""
    conditions = ["TRUE"]
    parameters: dict[str, str] = {}
    if not reach.despite_opt_outs:
        conditions.append(NOT_OPTED_OUT)
    if reach.addressees is not None:
        conditions.append(
            "(p.reference IN (SELECT value FROM json_each(:addressees)) OR EXISTS (SELECT 1 FROM address n"
            f" WHERE n.person_id = p.id AND {listed('n')} AND n.hash IN (SELECT value FROM json_each(:addressees))))"
        )
        parameters["addressees"] = json.dumps(reach.addressees)
    return " AND ".join(conditions), parameters

"""Reviews: what another officer says, in writing, of an alert that one officer sent alone."""

from __future__ import annotations

from datetime import datetime

from kentongan.errors import BadInput
from kentongan.officers import Refusal, statement

MOST_SIGNS = 2000
"""Longest finding."""


def review_statement(alert_id: str, digest: str, finding: str, now: datetime) -> bytes:
    """Returns what a reviewer signs; `digest` is that of what was sent."""
    return statement("alert.review", {"alert_id": alert_id, "digest": digest, "finding": finding}, now)


def read_finding(text: str) -> str:
    """Returns a finding as it is kept, on as many lines as it was typed; raises BadInput for one that says nothing."""
    finding = "\n".join(" ".join(line.split()) for line in text.strip().splitlines())
    if len(finding) < 10:
        raise BadInput("a finding says in a sentence what was right or wrong about sending alone; type it")
    if len(finding) > MOST_SIGNS:
        raise BadInput(f"a finding has {MOST_SIGNS:,} signs at most; keep the rest for the incident's file")
    return finding


def check_reviewer(reviewer: str, *, broke_glass: str, code: str, done_by: str | None) -> Refusal | None:
    """Why this officer may not review the alert, or None."""
    if done_by is not None:
        return Refusal("review-done", f"alert {code} was reviewed by {done_by} already; see `kentongan report {code}`")
    if reviewer == broke_glass:
        return Refusal(
            "review-second-person", f"{reviewer} sent alert {code} alone and cannot review it; another officer must"
        )
    return None

"""Reviews of broken glass: what is due, and another officer's finding."""

from __future__ import annotations

from kentongan.desk import subjects
from kentongan.desk.desk import Desk
from kentongan.errors import BadInput
from kentongan.ledger import Write, alerts, reviews
from kentongan.ledger.reviews import Review
from kentongan.login import Login
from kentongan.officers import sign
from kentongan.reviews import check_reviewer, read_finding, review_statement
from kentongan.subject import subject_digest


def review(desk: Desk, handle: str, login: Login | None, *, finding: str) -> Review:
    """Records an officer's signed finding on an alert that another sent alone.

    Raises Refused for the officer who sent it and for a second review, BadInput where no glass was broken.
    """
    acting = desk.acting(login)
    text = read_finding(finding)

    def put(write: Write) -> Review:
        stored = alerts.by_handle(write, handle)
        found = reviews.of_alert(write, stored.id)
        if found is None:
            raise BadInput(f"alert {stored.code} was not sent alone, so there is nothing to review; see `reviews`")
        refusal = check_reviewer(acting.officer, broke_glass=found.officer, code=stored.code, done_by=found.done_by)
        if refusal is not None:
            raise refusal.error()
        sent = subject_digest(subjects.current(write, stored.id))
        statement = review_statement(stored.id, sent, text, desk.now)
        reviews.finish(write, stored.id, signed=sign(statement, acting.key))
        done = reviews.of_alert(write, stored.id)
        assert done is not None
        return done

    return desk.ledger.write(put)

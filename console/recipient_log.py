"""What became of single deliveries on the command line: those of one number, or to people who are named in a file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from console import output, words
from console.commands.opt_outs import lines_of, named_in
from kentongan import telling
from kentongan.clock import Milliseconds
from kentongan.errors import BadInput
from kentongan.ledger import alerts, recipients
from kentongan.ledger.recipients import Course

if TYPE_CHECKING:
    from console.office import Office
    from kentongan.ledger import Read

_COUNTRY = "ID"
"""Of numbers that are written without one (ISO 3166), as for opt-outs."""


def write(office: Office, code: str, *, number: int | None, people: str | None, as_json: bool) -> None:
    """Writes the course of one delivery of an alert, or of all of its deliveries to the people named in a file.

    Raises BadInput for a number that is none of the alert's, and for a file that cannot be read.
    """
    alert_id = office.house.ledger.read(lambda read: alerts.id_by_handle(read, code))
    lines = lines_of(people) if people is not None else []

    def courses(read: Read) -> list[Course]:
        wanted = [number] if number is not None else []
        if lines:
            wanted += recipients.deliveries_to(read, named_in(read, lines, office.house.keys, _COUNTRY), [alert_id])
        found = [recipients.course(read, each) for each in wanted]
        return [each for each in found if each is not None and each.delivery.alert_id == alert_id]

    found = office.house.ledger.read(courses)
    if number is not None and not found:
        raise BadInput(f"--delivery {number} is no delivery of {code}; `kentongan report {code} --format csv` has them")
    if as_json:
        output.document({"deliveries": [_document(each) for each in found]})
        return
    if not found:
        output.say(f"Nobody of those named is among the recipients of {code}.")
    for each in found:
        _tell(office, each)


def _tell(office: Office, course: Course) -> None:
    delivery = course.delivery
    doubtful = ", a possible duplicate and marked so" if delivery.possible_duplicate else ""
    output.say(
        f"Delivery {delivery.id}, {delivery.instance} {delivery.language}: {telling.word(delivery.word)}{doubtful}"
    )

    def line(at: Milliseconds, says: str) -> None:
        day = words.moment(at, office.zone)[:10]
        output.say(f"  {day} {telling.clock_time(at, office.zone)}  {says}")

    steps = [(each.intent_at, 0, f"attempt {each.number} is begun") for each in course.attempts]
    steps += [
        (each.outcome_at, 1, f"attempt {each.number} is {_came_of(telling.word(each.evidence), each.reason)}")
        for each in course.attempts
        if each.outcome_at is not None
    ]
    steps += [(each.at, 2, f"receipt: {each.confirmed}{_because(each.reason)}") for each in course.receipts]
    for at, _, says in sorted(steps):
        line(at, says)
    if delivery.stage == "planned":
        line(delivery.due_at, f"is when it is due next, to {delivery.action}")


def _came_of(evidence: str, reason: str) -> str:
    """What came of an attempt; a provider that accepted has nothing to add but the same word."""
    return evidence if reason in ("", evidence) else f"{evidence}: {reason}"


def _because(reason: str) -> str:
    return f", {reason}" if reason else ""


def _document(course: Course) -> dict[str, Any]:
    delivery = course.delivery
    return {
        "delivery": delivery.id,
        "channel": delivery.instance,
        "language": delivery.language,
        "word": delivery.word,
        "possible_duplicate": delivery.possible_duplicate,
        "due_at": telling.iso(delivery.due_at) if delivery.stage == "planned" else None,
        "attempts": [
            {
                "number": each.number,
                "begun_at": telling.iso(each.intent_at),
                "outcome_at": telling.iso(each.outcome_at),
                "evidence": each.evidence,
                "reason": each.reason,
            }
            for each in course.attempts
        ],
        "receipts": [
            {"at": telling.iso(each.at), "confirmed": each.confirmed, "reason": each.reason} for each in course.receipts
        ],
    }

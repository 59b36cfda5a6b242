"""`kentongan reviews` and `review`: what another officer says of an alert that one sent alone."""

from __future__ import annotations

import click

from console import output
from console.command import HANDLE, command
from kentongan import telling


@command("reviews")
@click.option("--all", "everything", is_flag=True, help="Show the reviews that are done too.")
def reviews(everything: bool) -> None:
    """Show the reviews of broken glass that are due, the first one due first."""
    from console import standing
    from console.office import Need, opened
    from kentongan.ledger import alerts
    from kentongan.ledger import reviews as register

    with opened(Need.NOTHING) as office:
        ledger = office.house.ledger
        found = ledger.read(register.all_reviews if everything else register.open_reviews)
        codes = {each.alert_id: ledger.read(lambda read, id=each.alert_id: alerts.get(read, id)).code for each in found}  # type: ignore[misc]
        if output.wants_json():
            output.document(
                {"reviews": [{"code": codes[each.alert_id], **standing.review_json(each)} for each in found]}
            )
            return
        if not found:
            output.say("No review is due.")
        now = office.desk.clock.wall()
        for each in found:
            late = " - OVERDUE" if not each.is_done and each.due_at < now else ""
            output.say(f"{codes[each.alert_id]}{late}")
            output.say(f"  {standing.review_line(codes[each.alert_id], each, office.zone)}")


@command("review")
@click.argument("code", type=HANDLE)
@click.option("--finding", metavar="TEXT", required=True, help="Whether sending alone was right, and what to change.")
def review(code: str, finding: str) -> None:
    """Review an alert that another officer sent alone; the finding is signed and stands in log and report."""
    from console.office import Need, opened
    from kentongan.desk import reviewing

    with opened(Need.NOTHING) as office:
        done = reviewing.review(office.desk, code, office.login(), finding=finding)
        if output.wants_json():
            output.document({"code": code, "reviewed_by": done.done_by, "reviewed_at": telling.iso(done.done_at)})
            return
        output.say(f"{code} is reviewed by {done.done_by}; the finding stands in log and report.")

"""A drill's report has its score, its targets and the runs before it."""

from __future__ import annotations

from kentongan import drills, report
from kentongan.drills import Measured, Scenario
from kentongan.ledger import drills as register
from kentongan.ledger.drills import Part, State
from tests.kentongan.desk.scenes import QUAKE, Scene
from tests.kentongan.report.nights import Sender, dispatch

PLAN = Scenario(hazard="earthquake", facts=QUAKE)
GOOD = Measured(deliveries=11, accepted=11, first=900, last=20_000, receipted=4, delivered=4)
SLOW = Measured(deliveries=11, accepted=11, first=25_000, last=180_000, receipted=4, delivered=2)


def run(desk: Scene, id: str, measured: Measured | None) -> str:
    """Plays one run of the scenario; without a measurement it is stopped."""
    stored = dispatch(desk, desk.drafted())
    content = PLAN.model_dump(mode="json")
    desk.ledger.write(
        lambda write: register.put(
            write,
            id,
            scenario="gempa",
            part=Part.EXERCISE,
            state=State.RUNNING,
            content=content,
            alert_id=stored.id,
        )
    )
    Sender(desk, stored.id).run()
    if measured is None:
        desk.ledger.write(lambda write: register.stop(write, id, why="yields to a live alert"))
    else:
        score = drills.score(measured, PLAN.targets)
        desk.ledger.write(lambda write: register.finish(write, id, measured=measured, score=score))
    desk.clock.pass_by(86_400_000)
    return stored.id


def test_a_run_is_shown_with_the_runs_before_it_and_none_after(desk: Scene) -> None:
    alerts = [run(desk, "one", SLOW), run(desk, "two", GOOD), run(desk, "three", SLOW)]
    slow, good = drills.score(SLOW, PLAN.targets), drills.score(GOOD, PLAN.targets)
    assert slow < good
    (part,) = desk.ledger.read(lambda read: report.read(read, alerts[1])).parts
    assert part.drill is not None
    assert (part.drill.scenario, part.drill.state, part.drill.score) == ("gempa", "done", good)
    assert [score for _, score in part.drill.scores] == [slow, good]
    assert [each.met for each in part.drill.targets] == [True, True, True]
    told = desk.ledger.read(lambda read: report.read(read, alerts[2]))
    page = report.html(told, timezone="UTC")
    assert f"{slow} of 100" in page
    assert "NOT MET" in page
    assert page.count('<rect class="life') == 3
    assert report.document(told)["thread"][0]["drill_score"]["score"] == slow


def test_a_run_that_was_stopped_has_no_score_and_says_why(desk: Scene) -> None:
    stopped = run(desk, "one", None)
    told = desk.ledger.read(lambda read: report.read(read, stopped))
    (part,) = told.parts
    assert part.drill is not None
    assert (part.drill.score, part.drill.why) == (None, "yields to a live alert")
    assert "No score." in report.html(told, timezone="UTC")
    assert "yields to a live alert" in report.markdown(told, timezone="UTC")


def test_what_was_no_drill_run_has_no_score(desk: Scene) -> None:
    stored = dispatch(desk, desk.drafted())
    (part,) = desk.ledger.read(lambda read: report.read(read, stored.id)).parts
    assert part.drill is None

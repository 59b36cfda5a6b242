"""Through the whole desk, whatever the config, the alert and the order of changes: no drill on a live channel, no live
alert on a drill channel, no private text in public.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from kentongan.alert import Draft, Kind
from kentongan.cap.model import Scope, Status
from kentongan.desk import approvals, drafts, releases, submitting, verdicts, withdrawing
from kentongan.drills import NOTICE
from kentongan.errors import BadInput, Refused
from kentongan.ledger import alerts, dispatches, renderings, views
from kentongan.plan import PUBLIC
from kentongan.seam import Mode, Rendered
from kentongan.words import drafting
from tests.kentongan.desk.scenes import QUAKE, SECRET, Scene, document, instance, login, scene
from tests.kentongan.ledger.scenes import expand_all

KINDS = (("mastodon", True), ("telegram", True), ("telegram", False), ("kannel", False), ("cap_feed", True))


@st.composite
def instances(draw: st.DrawFn) -> dict[str, Any]:
    """Some channels, of any kind and mode, public or not, real or not."""
    chosen = draw(st.lists(st.tuples(st.sampled_from(KINDS), st.sampled_from(Mode)), min_size=1, max_size=5))
    return {
        f"channel{n}": instance(kind, mode.value, public=public, sandbox=draw(st.booleans()))
        for n, ((kind, public), mode) in enumerate(chosen)
    }


@dataclass(frozen=True)
class Change:
    """What the agency does to its config meanwhile: another mode or readership for a channel, or it is gone."""

    channel: int
    what: str

    def of(self, before: Mapping[str, Any]) -> dict[str, Any]:
        name = f"channel{self.channel % max(len(before), 1)}"
        after = dict(before)
        current = after.get(name)
        if current is None or self.what == "nothing":
            return after
        if self.what == "gone":
            del after[name]
            return after
        public = "audience" not in current
        mode = current["mode"]
        if self.what == "mode":
            mode = {"live": "drill", "drill": "exercise", "exercise": "live"}[mode]
        kind = current["kind"]
        if self.what == "readers":
            public = not public
            kind = "telegram"
        after[name] = instance(kind, mode, public=public, sandbox=current["sandbox"])
        return after


NOTICE_FACTS: Mapping[str, Any] = {
    "starts": "2026-11-22T10:00:00+07:00",
    "expires": "2026-11-22T10:00:00+07:00",
    "what": "peringatan dini tsunami",
    "what.en": "tsunami warning",
    "place": "Kota Bengkulu",
    "area": "Kota Bengkulu",
}


changes = st.builds(
    Change, st.integers(0, 4), st.sampled_from(["nothing", "nothing", "nothing", "gone", "mode", "readers"])
)


def draft(
    desk: Scene, status: Status, scope: Scope, lower_to: Status | None, *, typed: bool, public_exercise: bool
) -> Any:
    if public_exercise:
        # Whatever status it claims: the announcement of an exercise needs none before it.
        known = desk.desk.library.get(NOTICE)
        made = drafting.from_facts(
            known, NOTICE_FACTS, agency=desk.desk.settings.agency, status=status, identifier="x", now=desk.desk.now
        )
        whole = made.model_copy(update={"public_exercise": True})
        return drafts.store(desk.desk, lambda _: whole, by="siti").alert
    if typed and scope is Scope.PUBLIC and status in (Status.ACTUAL, Status.EXERCISE, Status.TEST):
        return drafts.from_fields(desk.desk, "earthquake", QUAKE, status=lower_to or status, by="siti").alert
    content = drafts.Document("other.xml", document(status, scope))
    return drafts.from_cap(desk.desk, [content], lower_to=lower_to, by="siti").alert


@settings(max_examples=120, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    config=instances(),
    status=st.sampled_from(Status),
    scope=st.sampled_from([Scope.PUBLIC, Scope.PUBLIC, Scope.RESTRICTED, Scope.PRIVATE]),
    lower_to=st.sampled_from([None, None, Status.EXERCISE, Status.TEST]),
    typed=st.booleans(),
    alone=st.booleans(),
    public_exercise=st.sampled_from([False, False, True]),
    meanwhile=st.tuples(changes, changes, changes),
)
def test_no_drill_goes_live_no_live_is_a_drill_and_nothing_private_is_public(
    config: dict[str, Any],
    status: Status,
    scope: Scope,
    lower_to: Status | None,
    typed: bool,
    alone: bool,
    public_exercise: bool,
    meanwhile: tuple[Change, Change, Change],
) -> None:
    with (
        tempfile.TemporaryDirectory(prefix="kentongan-") as folder,
        scene(Path(folder) / "desk", instances=config, agency={"sandbox": True}) as desk,
    ):
        try:
            stored = draft(desk, status, scope, lower_to, typed=typed, public_exercise=public_exercise)
            submitted = submitting.submit(desk.desk, stored.id, login("siti"))
            config = meanwhile[0].of(config)
            desk.reconfigure(instances=config, agency={"sandbox": True})
            if not alone:
                approvals.approve(desk.desk, stored.code, login("budi"))
            if public_exercise:
                approvals.approve(desk.desk, stored.code, login("siti"))
            config = meanwhile[1].of(config)
            desk.reconfigure(instances=config, agency={"sandbox": True})
            released = releases.dispatch(
                desk.desk, stored.code, login("siti"), break_glass="nobody answers" if alone else None
            )
        except (Refused, BadInput) as refusal:
            event(f"refused: {getattr(refusal, 'rule', 'input')}")
            assert desk.ledger.read(lambda read: dispatches.get(read, stored.id)) is None
            assert desk.ledger.read(lambda read: views.deliveries(read, stored.id)) == []
            return
        event("dispatched")
        check(desk, stored.id, config, submitted.alert.draft)
        desk.reconfigure(instances=meanwhile[2].of(config), agency={"sandbox": True})
        correction = withdrawing.release_correction(desk.desk, stored.code, login("made"), reason="wrong_area")
        assert {i.name for i in correction.plan.instances} == {i.name for i in released.plan.instances}
        check(desk, correction.alert.id, config, submitted.alert.draft)


def check(desk: Scene, alert_id: str, config: Mapping[str, Any], drafted: Draft) -> None:
    """What is about to leave fits the channels it was approved for."""
    expand_all(desk.ledger, alert_id)
    dispatched = desk.ledger.read(lambda read: dispatches.get(read, alert_id))
    assert dispatched is not None
    said = drafted.cap
    mode = Mode.LIVE if said.status is Status.ACTUAL else Mode.EXERCISE if drafted.public_exercise else Mode.DRILL
    assert said.status in (Status.ACTUAL, Status.EXERCISE, Status.TEST)
    assert not drafted.public_exercise or said.status is Status.EXERCISE
    assert dispatched.plan.mode is mode
    assert desk.ledger.read(lambda read: verdicts.vouch(read, alert_id, policy=desk.desk.settings.policy)) is None
    messages = desk.ledger.read(lambda read: renderings.of(read, alert_id))
    kind = desk.ledger.read(lambda read: alerts.get(read, alert_id)).kind
    planned = {i.name: i for i in dispatched.plan.instances}
    for name, part in planned.items():
        assert config[name]["mode"] == mode.value
        assert (part.family == PUBLIC) == ("audience" not in config[name])
        assert (part.audience is None) == (part.family == PUBLIC or kind is Kind.CORRECTION)
        if said.scope is not Scope.PUBLIC:
            assert part.family != PUBLIC
    for message in messages:
        check_marks(message, mode)
        if said.scope is not Scope.PUBLIC and SECRET in shown(message):
            assert "audience" in config[message.instance]
    for delivery in desk.ledger.read(lambda read: views.deliveries(read, alert_id)):
        assert delivery.family == planned[delivery.instance].family
        assert any(m.instance == delivery.instance and m.language == delivery.language for m in messages)
        assert (delivery.person_id is None) == (delivery.family == PUBLIC)


def check_marks(message: Rendered, mode: Mode) -> None:
    assert message.mode is mode
    assert bool(message.mark) == (mode is not Mode.LIVE)
    assert message.text.startswith(message.mark)
    assert message.text.rstrip().endswith(message.mark)


def shown(message: Rendered) -> str:
    return "\n".join([message.title, message.text, message.html, *(d.text for d in message.documents)])

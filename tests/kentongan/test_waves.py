"""What is gravest goes first, what reaches everybody before people, and no channel waits for another's people."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from kentongan import cap
from kentongan.alert import Draft
from kentongan.cap.model import Certainty, MsgType, Scope, Severity, Status, Urgency
from kentongan.plan import PUBLIC, PlannedInstance
from kentongan.waves import DONE, Place, next_part, ordered, place, rank
from tests.kentongan.ledger.scenes import NOW

drafts = st.builds(
    lambda status, severity, urgency: Draft(
        hazard="earthquake",
        cap=cap.Alert(
            identifier="a",
            sender="s",
            sent=NOW,
            status=status,
            msg_type=MsgType.ALERT,
            scope=Scope.PUBLIC,
            infos=(
                cap.Info(
                    language="id",
                    categories=(cap.model.Category.GEO,),
                    event="Gempa",
                    urgency=urgency,
                    severity=severity,
                    certainty=Certainty.OBSERVED,
                ),
            ),
        ),
        languages=("id",),
    ),
    status=st.sampled_from([Status.ACTUAL, Status.EXERCISE]),
    severity=st.sampled_from(Severity),
    urgency=st.sampled_from(Urgency),
)


@given(one=drafts, other=drafts, post=st.booleans(), also=st.booleans())
def test_live_before_drill_then_the_graver_then_what_presses_and_posts_before_people(
    one: Draft, other: Draft, post: bool, also: bool
) -> None:
    def key(draft: Draft) -> tuple[int, int]:
        info = draft.cap.infos[0]
        known = info.severity if info.severity is not Severity.UNKNOWN else None
        gravity = 4 - list(Severity).index(known) if known is not None else 0
        return int(draft.cap.status is Status.ACTUAL), gravity

    if key(one) != key(other):
        assert (rank(one) > rank(other)) is (key(one) > key(other))
        assert (place(rank(one), public=post) > place(rank(other), public=also)) is (key(one) > key(other))
    assert rank(one) >= 0
    assert place(rank(one), public=True) > place(rank(one), public=False)


@given(st.lists(st.sampled_from([PUBLIC, "phone", "email"]), max_size=8))
def test_channels_that_publish_begin_first_and_the_rest_stays_as_it_was_planned(families: list[str]) -> None:
    planned = [
        PlannedInstance(name=f"c{n}", kind="k", family=family, languages=("id",), deliver_by=1)
        for n, family in enumerate(families)
    ]
    begun = ordered(planned)
    assert sorted(begun, key=planned.index) == planned
    public = [each.family == PUBLIC for each in begun]
    assert public == sorted(public, reverse=True)
    for some in (PUBLIC, "people"):
        kept = [each.name for each in begun if (each.family == PUBLIC) is (some == PUBLIC)]
        assert kept == sorted(kept)


@given(sizes=st.lists(st.integers(0, 40), max_size=5), chunk=st.integers(1, 7))
def test_every_channel_has_its_first_people_before_any_has_its_second_chunk(sizes: list[int], chunk: int) -> None:
    parts = [f"c{n}" for n in range(len(sizes))]
    cursor: dict[str, Place] = {}
    turns: list[str] = []
    while (part := next_part(cursor, parts)) is not None:
        turns.append(part)
        _, position = cursor.get(part, (0, 0))
        end = int(position) + chunk
        cursor[part] = (0, end) if end <= sizes[parts.index(part)] else DONE
    assert set(cursor.values()) <= {DONE}
    assert turns[: len(parts)] == parts
    for part, size in zip(parts, sizes, strict=True):
        assert turns.count(part) == size // chunk + 1


def test_no_channel_has_its_second_wave_before_all_have_their_first() -> None:
    assert next_part({"a": (0, 900, "33.05", "x"), "b": (1, 0)}, ["b", "a"]) == "a"
    assert next_part({"a": DONE, "b": (1, 0)}, ["a", "b"]) == "b"
    assert next_part({"b": (0, 1)}, ["b", "a"]) == "a"

"""Who is paged for what, over which channel, and when again."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from kentongan.cap.model import Status
from kentongan.paging import Cause, Concern, Page, Pager, Paging, PagingInstance, Past, due, faults
from kentongan.seam import Mode

ALL = frozenset(Cause)
SMS = Pager("sms", "phone", Mode.LIVE, ALL)
BOT = Pager("bot", "telegram", Mode.LIVE, ALL)
PAGING = Paging(instances={"sms": None, "bot": None})
OFFICERS = {"siti": ["phone"], "budi": ["phone", "telegram"]}
WANTED = Concern("approval:s1", Cause.APPROVAL, "a1", Status.ACTUAL, spared=frozenset({"siti"}))
NOW = 1_800_000_000_000


def pages(
    *concerns: Concern,
    past: list[Past] | None = None,
    now: int = NOW,
    acknowledged: tuple[str, ...] = (),
    pagers: tuple[Pager, ...] = (SMS, BOT),
    paging: Paging = PAGING,
) -> list[tuple[str, str, str]]:
    found = due(
        concerns,
        officers=OFFICERS,
        pagers=pagers,
        past=past or [],
        acknowledged=acknowledged,
        now=now,
        paging=paging,
    )
    return [(page.concern.about, page.officer, page.instance) for page in found]


def past(outcome: str, *, ago: float, about: str = WANTED.about, officer: str = "budi", instance: str = "sms") -> Past:
    return Past(about, officer, instance, NOW - round(ago * 1000), outcome)


def test_everybody_but_the_submitter_is_paged_wherever_they_have_an_address() -> None:
    assert pages(WANTED) == [(WANTED.about, "budi", "sms"), (WANTED.about, "budi", "bot")]


def test_one_cause_is_paged_once_until_the_time_to_repeat() -> None:
    both = [past("accepted", ago=599), past("accepted", ago=601, instance="bot")]
    assert pages(WANTED, past=both) == [(WANTED.about, "budi", "bot")]


def test_what_somebody_has_noted_pages_nobody() -> None:
    assert pages(WANTED, acknowledged=(WANTED.about,)) == []


def test_a_page_that_failed_is_tried_again_soon_and_then_less_often() -> None:
    one = (SMS,)
    assert pages(WANTED, past=[past("failed", ago=29)], pagers=one) == []
    assert pages(WANTED, past=[past("failed", ago=31)], pagers=one)
    twice = [past("failed", ago=90), past("failed", ago=31)]
    assert pages(WANTED, past=twice, pagers=one) == []
    assert pages(WANTED, past=[past("failed", ago=120), past("in_doubt", ago=61)], pagers=one)


def test_a_page_in_flight_is_waited_for_and_one_that_was_lost_is_sent_again() -> None:
    assert pages(WANTED, past=[past("open", ago=59)], pagers=(SMS,)) == []
    assert pages(WANTED, past=[past("open", ago=61)], pagers=(SMS,))


def test_it_ends_after_the_most_repeats() -> None:
    paging = PAGING.model_copy(update={"most_repeats": 2})
    sent = [past("accepted", ago=ago) for ago in (3000, 2000, 1000)]
    assert pages(WANTED, past=sent[:2], pagers=(SMS,), paging=paging)
    assert pages(WANTED, past=sent, pagers=(SMS,), paging=paging) == []


def test_a_review_comes_again_less_often() -> None:
    review = replace(WANTED, about="review:a1", cause=Cause.REVIEW)
    assert pages(review, past=[past("accepted", ago=700, about="review:a1")], pagers=(SMS,)) == []
    assert pages(review, past=[past("accepted", ago=14_401, about="review:a1")], pagers=(SMS,))


def test_a_clock_that_was_set_back_silences_nobody() -> None:
    assert pages(WANTED, past=[past("accepted", ago=-5_000)], pagers=(SMS,))


def test_no_officer_gets_more_than_so_many_an_hour_and_the_gravest_come_first() -> None:
    paging = PAGING.model_copy(update={"most_an_hour": 2})
    held = Concern("held:x", Cause.HELD, None, Status.ACTUAL)
    glass = Concern("break-glass:a1", Cause.BREAK_GLASS, "a1", Status.ACTUAL)
    more = Concern("approval:s2", Cause.APPROVAL, "a2", Status.ACTUAL)
    chosen = pages(held, WANTED, more, glass, pagers=(SMS,), paging=paging)
    assert [(about, who) for about, who, _ in chosen] == [
        ("break-glass:a1", "budi"),
        ("break-glass:a1", "siti"),
        (WANTED.about, "budi"),
        ("approval:s2", "siti"),
        ("held:x", "budi"),
        ("held:x", "siti"),
    ]
    full = [past("accepted", ago=60, about="approval:other"), past("accepted", ago=61, about="break-glass:a2")]
    assert pages(WANTED, past=full, pagers=(SMS,), paging=paging) == []
    assert pages(WANTED, past=[replace(each, at=each.at - 3_600_000) for each in full], pagers=(SMS,), paging=paging)


def test_a_channel_that_is_held_again_and_again_uses_up_no_page_for_an_approval() -> None:
    paging = PAGING.model_copy(update={"most_an_hour": 3})
    held = [past("accepted", ago=60 * n, about=f"held:sms:{n}") for n in range(1, 9)]
    again = Concern("held:sms:0", Cause.HELD, None, Status.ACTUAL)
    assert pages(again, WANTED, past=held, paging=paging, pagers=(SMS,)) == [
        (WANTED.about, "budi", "sms"),
        (again.about, "siti", "sms"),
    ]


def test_what_is_live_never_goes_by_a_drill_channel_and_a_drill_goes_by_both() -> None:
    drill = replace(SMS, name="sms-drill", mode=Mode.DRILL)
    assert pages(WANTED, pagers=(drill,)) == []
    for status in (Status.EXERCISE, Status.TEST):
        assert len(pages(replace(WANTED, status=status), pagers=(drill, SMS))) == 2


def test_an_instance_pages_only_for_its_causes() -> None:
    quiet = replace(SMS, causes=frozenset({Cause.BREAK_GLASS}))
    assert pages(WANTED, pagers=(quiet,)) == []
    paging = Paging(instances={"sms": PagingInstance(causes=(Cause.BREAK_GLASS,)), "bot": None})
    assert paging.causes("sms") == {Cause.BREAK_GLASS}
    assert paging.causes("bot") == ALL - {Cause.TEST}


def test_a_pager_must_be_a_channel_that_writes_to_people() -> None:
    paging = Paging(instances={"sms": None, "toots": None, "none": None})
    assert faults(paging, {"sms": False, "toots": True}) == [
        "instances.toots: publishes to everybody; name one that writes to people",
        "instances.none: no such channel; name one of channels.yaml",
    ]


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["accepted", "failed", "in_doubt", "open"]),
            st.integers(0, 20_000),
            st.sampled_from(["sms", "bot"]),
        ),
        max_size=40,
    ),
    st.integers(1, 10),
)
def test_whatever_happened_nobody_is_paged_twice_at_once_or_beyond_the_bound(
    history: list[tuple[str, int, str]], most: int
) -> None:
    earlier = [past(outcome, ago=ago, instance=instance) for outcome, ago, instance in history]
    paging = PAGING.model_copy(update={"most_an_hour": most})
    found = pages(WANTED, past=earlier, paging=paging)
    assert len(found) == len(set(found))
    lately = sum(1 for each in earlier if NOW - each.at < 3_600_000)
    assert len(found) + lately <= max(most, lately)
    for _, _, instance in found:
        newest = max((each.at for each in earlier if each.instance == instance), default=None)
        assert newest is None or NOW - newest >= paging.retry_after * 1000


def test_a_page_names_its_concern() -> None:
    (page,) = due(
        [WANTED], officers={"budi": ["phone"]}, pagers=[SMS], past=[], acknowledged=(), now=NOW, paging=PAGING
    )
    assert page == Page(WANTED, "budi", "sms")

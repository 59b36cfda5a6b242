"""Who is not reached is tried on the next channel, who is reached never is; too few answers bring the next group."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from kentongan.answers import vocabulary
from kentongan.keys import StateKeys
from kentongan.ledger import Ledger, answers, dispatches, opt_outs, outcomes, steps, verification, views
from kentongan.ledger import people as register
from kentongan.ledger.opt_outs import Named
from kentongan.people import Row
from kentongan.plan import Plan, PlannedInstance
from kentongan.reach import Reach
from kentongan.routes import Escalation, Fallback, Following
from kentongan.seam import Address, Inbound, Mode
from kentongan.settings import Audience
from tests.kentongan.ledger.scenes import StandingClock, expand_all, later, put_alert, put_correction, release

MINUTE = 60_000
WORDS = vocabulary([{"read": ["1"], "help": ["tolong"]}])
FALLBACK = Fallback(after=300, on=("sms",), to=("wa", "bot"))


def instance(name: str, family: str = "phone", *, receipts: bool = True, deliver_by: int = 0) -> PlannedInstance:
    return PlannedInstance(
        name=name,
        kind="kannel",
        family=family,
        languages=("id",),
        audience=Audience(),
        deliver_by=deliver_by or later(),
        receipts=receipts,
    )


ALL = (instance("sms"), instance("wa"), instance("bot", "telegram", receipts=False))


def subscribe(ledger: Ledger, keys: StateKeys, *people: tuple[str, ...], groups: Sequence[str] = ()) -> None:
    """People `p0`, `p1` ...: each with addresses of the families named, and their own group."""
    rows = [
        Row(
            n,
            f"p{n}",
            tuple(
                Address("phone", f"+62812000000{n}") if family == "phone" else Address("telegram", f"700{n}")
                for family in families
            ),
            None,
            (groups[n],) if groups else (),
            (),
        )
        for n, families in enumerate(people)
    ]
    ledger.write(lambda write: register.import_people(write, rows, keys=keys))


def dispatch(ledger: Ledger, following: Following, instances: Sequence[PlannedInstance] = ALL, **more: Any) -> None:
    def put(write: Any) -> None:
        put_alert(write, instances=[each.name for each in instances])
        plan = Plan(
            mode=Mode.DRILL, life_at_stake=True, instances=tuple(instances), values={}, following=following, **more
        )
        dispatches.begin(write, "alert1", plan=plan, by="siti", allowed=("approved",), proof={})

    ledger.write(put)
    expand_all(ledger, "alert1")


def planned(ledger: Ledger) -> list[tuple[str, str]]:
    """By person's last digit: on which channels they have a delivery, in order."""
    rows = ledger.read(
        lambda read: read.sql(
            "SELECT d.instance, p.reference FROM delivery d JOIN person p ON p.id = d.person_id ORDER BY d.id"
        ).all()
    )
    return [(row.instance, row.reference) for row in rows]


def on(ledger: Ledger, keys: StateKeys) -> dict[str, list[str]]:
    """The channels that each person has a delivery on, in the order of planning."""
    names = {keys.address_hash("reference", f"p{n}"): f"p{n}" for n in range(10)}
    found: dict[str, list[str]] = {}
    for channel, reference in planned(ledger):
        found.setdefault(names[reference], []).append(channel)
    return found


def becomes(ledger: Ledger, result: str, *, instance: str, person: int | None = None, keys: StateKeys) -> None:
    reference = keys.address_hash("reference", f"p{person}")
    ledger.write(
        lambda write: write.sql(
            "UPDATE delivery SET result = :result, stage = 'done' WHERE instance = :instance AND (:all OR person_id ="
            " (SELECT id FROM person WHERE reference = :reference))",
            {"result": result, "instance": instance, "all": person is None, "reference": reference},
        )
    )


def advance(ledger: Ledger, size: int = 500) -> int:
    taken = 0
    while ledger.write(lambda write: steps.advance(write, size=size)):
        taken += 1
        assert taken < 50
    return taken


def test_who_is_not_reached_gets_the_next_channel_when_its_time_has_come(
    ledger: Ledger, keys: StateKeys, clock: StandingClock
) -> None:
    subscribe(ledger, keys, *[("phone", "telegram")] * 4)
    dispatch(ledger, Following(fallbacks=(FALLBACK,)))
    assert set(map(tuple, on(ledger, keys).values())) == {("sms",)}
    for person, result in enumerate(("delivered", "accepted", "rejected", "in_doubt")):
        becomes(ledger, result, instance="sms", person=person, keys=keys)
    clock.pass_by(5 * MINUTE - 1)
    assert advance(ledger) == 0
    clock.pass_by(1)
    assert advance(ledger) == 1
    assert on(ledger, keys) == {"p0": ["sms"], "p1": ["sms", "wa"], "p2": ["sms", "wa"], "p3": ["sms", "wa"]}
    becomes(ledger, "read", instance="wa", person=1, keys=keys)
    becomes(ledger, "accepted", instance="wa", person=2, keys=keys)
    clock.pass_by(5 * MINUTE)
    advance(ledger)
    assert on(ledger, keys) == {
        "p0": ["sms"],
        "p1": ["sms", "wa"],
        "p2": ["sms", "wa", "bot"],
        "p3": ["sms", "wa", "bot"],
    }
    clock.pass_by(60 * MINUTE)
    assert advance(ledger) == 0
    keys_ = {d.key for d in ledger.read(lambda read: views.deliveries(read, "alert1"))}
    assert len(keys_) == 9


def test_acceptance_is_all_that_a_channel_without_receipts_gives(
    ledger: Ledger, keys: StateKeys, clock: StandingClock
) -> None:
    subscribe(ledger, keys, ("phone", "telegram"))
    dispatch(
        ledger,
        Following(fallbacks=(Fallback(after=300, on=("sms",), to=("bot",)),)),
        (instance("sms", receipts=False), instance("bot", "telegram")),
    )
    becomes(ledger, "accepted", instance="sms", keys=keys)
    clock.pass_by(5 * MINUTE)
    advance(ledger)
    assert on(ledger, keys) == {"p0": ["sms"]}


def test_who_has_no_address_on_the_next_channel_gets_the_one_after_it_at_once(
    ledger: Ledger, keys: StateKeys, clock: StandingClock
) -> None:
    subscribe(ledger, keys, ("phone", "telegram"), ("phone",))
    two = (instance("sms"), instance("bot", "telegram"), instance("wa"))
    dispatch(ledger, Following(fallbacks=(Fallback(after=300, on=("sms",), to=("bot", "wa")),)), two)
    clock.pass_by(5 * MINUTE)
    advance(ledger)
    assert on(ledger, keys) == {"p0": ["sms", "bot"], "p1": ["sms", "wa"]}


def test_who_has_no_address_on_the_first_channel_gets_the_next_at_dispatch(ledger: Ledger, keys: StateKeys) -> None:
    subscribe(ledger, keys, ("phone", "telegram"), ("telegram",))
    dispatch(ledger, Following(fallbacks=(FALLBACK,)), ALL[::-1])
    assert on(ledger, keys) == {"p0": ["sms"], "p1": ["bot"]}


def test_nobody_is_written_to_at_first_on_a_channel_that_no_route_chose(ledger: Ledger, keys: StateKeys) -> None:
    subscribe(ledger, keys, ("phone", "telegram"), ("telegram",))
    dispatch(ledger, Following(fallbacks=(FALLBACK,), spare=("wa", "bot")))
    assert on(ledger, keys) == {"p0": ["sms"]}


@pytest.mark.parametrize("size", [1, 2, 3, 500])
def test_however_it_is_cut_up_everybody_gets_it_once(
    ledger: Ledger, keys: StateKeys, clock: StandingClock, size: int
) -> None:
    subscribe(ledger, keys, *[("phone", "telegram"), ("phone",)] * 3)
    dispatch(ledger, Following(fallbacks=(FALLBACK,)))
    becomes(ledger, "delivered", instance="sms", person=1, keys=keys)
    clock.pass_by(5 * MINUTE)
    advance(ledger, size)
    assert on(ledger, keys) == {f"p{n}": ["sms"] if n == 1 else ["sms", "wa"] for n in range(6)}
    clock.pass_by(5 * MINUTE)
    advance(ledger, size)
    assert on(ledger, keys) == {
        "p0": ["sms", "wa", "bot"],
        "p1": ["sms"],
        "p2": ["sms", "wa", "bot"],
        "p3": ["sms", "wa"],
        "p4": ["sms", "wa", "bot"],
        "p5": ["sms", "wa"],
    }


@pytest.mark.parametrize("how", ["stop", "withdraw", "expire", "end"])
def test_no_step_is_taken_of_an_alert_that_is_over(
    ledger: Ledger, keys: StateKeys, clock: StandingClock, how: str
) -> None:
    subscribe(ledger, keys, ("phone", "telegram"))
    dispatch(ledger, Following(fallbacks=(FALLBACK,)))
    becomes(ledger, "accepted", instance="sms", keys=keys)
    if how == "stop":
        ledger.write(lambda write: dispatches.stop(write, "alert1", by="siti", signed=True))
    elif how == "withdraw":
        ledger.write(lambda write: put_correction(write, "alert1"))
        ledger.write(lambda write: release(write, "alert1", "correction1", deliver_by=later()))
    elif how == "expire":
        ledger.write(lambda write: write.sql("UPDATE alert SET expires_at = :at", {"at": clock.wall() + 4 * MINUTE}))
    else:
        ledger.write(lambda write: write.sql("UPDATE alert SET state = 'ended'"))
    clock.pass_by(5 * MINUTE)
    assert advance(ledger) == 1
    assert on(ledger, keys) == {"p0": ["sms"]}
    assert [e.type for e in ledger.read(lambda read: views.events(read, types=["fallback.ended"]))] == [
        "fallback.ended"
    ]
    assert ledger.read(lambda read: steps.waiting(read, "alert1")) is None


def test_a_step_waits_until_everybody_is_planned(ledger: Ledger, keys: StateKeys, clock: StandingClock) -> None:
    subscribe(ledger, keys, ("phone", "telegram"))
    dispatch(ledger, Following(fallbacks=(FALLBACK,)))
    ledger.write(lambda write: write.sql("UPDATE dispatch SET expanded = 0"))
    clock.pass_by(6 * MINUTE)
    assert advance(ledger) == 0
    ledger.write(lambda write: write.sql("UPDATE dispatch SET expanded = 1"))
    assert advance(ledger) == 1


def test_the_next_channel_has_its_whole_time_but_not_more_than_the_alert(
    ledger: Ledger, keys: StateKeys, clock: StandingClock
) -> None:
    subscribe(ledger, keys, ("phone", "telegram"))
    soon = clock.wall() + 10 * MINUTE
    dispatch(ledger, Following(fallbacks=(FALLBACK,)), [instance(e.name, e.family, deliver_by=soon) for e in ALL])
    ledger.write(lambda write: write.sql("UPDATE alert SET expires_at = :at", {"at": clock.wall() + 17 * MINUTE}))
    for _ in range(2):
        clock.pass_by(5 * MINUTE)
        advance(ledger)
    rows = ledger.read(lambda read: read.sql("SELECT instance, deliver_by FROM delivery ORDER BY id").all())
    minutes = {row.instance: (row.deliver_by - soon) // MINUTE + 10 for row in rows}
    assert minutes == {"sms": 10, "wa": 15, "bot": 17}


def test_who_opts_out_meanwhile_gets_nothing_more(ledger: Ledger, keys: StateKeys, clock: StandingClock) -> None:
    subscribe(ledger, keys, ("phone", "telegram"), ("phone", "telegram"))
    dispatch(ledger, Following(fallbacks=(Fallback(after=300, on=("sms",), to=("bot",)),)), (ALL[0], ALL[2]))
    named = Named("telegram", keys.address_hash("telegram", "7000"))
    ledger.write(lambda write: opt_outs.opt_out(write, [named], family="telegram", by="siti"))
    clock.pass_by(5 * MINUTE)
    advance(ledger)
    assert on(ledger, keys) == {"p0": ["sms"], "p1": ["sms", "bot"]}


def test_an_answer_ends_the_wait_whatever_the_receipts_say(
    ledger: Ledger, keys: StateKeys, clock: StandingClock
) -> None:
    subscribe(ledger, keys, ("phone", "telegram"))
    dispatch(ledger, Following(fallbacks=(FALLBACK,)))
    becomes(ledger, "accepted", instance="sms", keys=keys)
    assert ledger.read(lambda read: steps.waiting(read, "alert1")) == clock.wall() + 5 * MINUTE
    tried(ledger)
    says(ledger, keys, "1", 0)
    assert ledger.read(lambda read: steps.waiting(read, "alert1")) is None
    clock.pass_by(5 * MINUTE)
    advance(ledger)
    assert on(ledger, keys) == {"p0": ["sms"]}


def test_a_correction_follows_people_to_the_channels_a_fallback_took_them_to(
    ledger: Ledger, keys: StateKeys, clock: StandingClock
) -> None:
    subscribe(ledger, keys, ("phone", "telegram"))
    dispatch(ledger, Following(fallbacks=(FALLBACK,)))
    clock.pass_by(5 * MINUTE)
    advance(ledger)
    for name in ("sms", "wa"):
        becomes(ledger, "accepted", instance=name, keys=keys)
    ledger.write(lambda write: put_correction(write, "alert1"))
    ledger.write(lambda write: release(write, "alert1", "correction1", deliver_by=later()))
    expand_all(ledger, "correction1")
    found = ledger.read(lambda read: views.deliveries(read, "correction1"))
    assert sorted(d.instance for d in found) == ["sms", "wa"]


def test_the_record_of_a_fallback_can_be_verified(ledger: Ledger, keys: StateKeys, clock: StandingClock) -> None:
    subscribe(ledger, keys, ("phone", "telegram"))
    dispatch(ledger, Following(fallbacks=(FALLBACK,)))
    clock.pass_by(5 * MINUTE)
    advance(ledger)
    found = ledger.read(lambda read: verification.verify(read, head=None, public_key=keys.head_public_key))
    assert found.differences == []


# --- Escalations ---

GROUPS = ("duty", "deputy", "head", "public")
ESCALATION = Escalation(after=600, on=("sms",), groups=("duty", "deputy", "head"), until=2)


def tried(ledger: Ledger) -> None:
    ledger.write(
        lambda write: write.sql(
            "INSERT INTO attempt (delivery_id, number, sender, phase, intent_at, evidence)"
            " SELECT id, 1, 's', 'irreversible', 1, 'accepted' FROM delivery WHERE id NOT IN"
            " (SELECT delivery_id FROM attempt)"
        )
    )
    ledger.write(lambda write: write.sql("UPDATE delivery SET result = 'accepted', stage = 'done', attempt = 1"))


def says(ledger: Ledger, keys: StateKeys, text: str, *people: int) -> None:
    inbound = [Inbound("phone", f"+62812000000{n}", text) for n in people]
    ledger.write(lambda write: answers.record(write, instance="sms", inbound=inbound, keys=keys, words=WORDS))


def test_the_next_group_is_written_to_until_enough_have_answered(
    ledger: Ledger, keys: StateKeys, clock: StandingClock
) -> None:
    subscribe(ledger, keys, *[("phone",)] * 4, groups=GROUPS)
    dispatch(ledger, Following(escalations=(ESCALATION,)), (instance("sms"),))
    assert set(on(ledger, keys)) == {"p0", "p3"}
    advance(ledger)
    tried(ledger)
    says(ledger, keys, "1", 0, 3)
    says(ledger, keys, "1", 0)
    clock.pass_by(10 * MINUTE)
    advance(ledger)
    # One answered twice, and one is in none of the groups.
    assert set(on(ledger, keys)) == {"p0", "p1", "p3"}
    tried(ledger)
    says(ledger, keys, "tolong", 1)
    clock.pass_by(10 * MINUTE)
    advance(ledger)
    assert set(on(ledger, keys)) == {"p0", "p1", "p3"}
    assert ledger.read(lambda read: steps.waiting(read, "alert1")) is None


@pytest.mark.parametrize("size", [1, 500])
def test_every_group_is_written_to_where_nobody_answers(
    ledger: Ledger, keys: StateKeys, clock: StandingClock, size: int
) -> None:
    subscribe(ledger, keys, *[("phone",)] * 6, groups=("duty", "deputy", "deputy", "deputy", "head", "head"))
    dispatch(ledger, Following(escalations=(ESCALATION,)), (instance("sms"),))
    advance(ledger, size)
    seen = []
    for _ in range(3):
        clock.pass_by(10 * MINUTE)
        advance(ledger, size)
        seen.append(len(on(ledger, keys)))
    assert seen == [4, 6, 6]
    (ended,) = ledger.read(lambda read: views.events(read, types=["escalation.ended"]))
    assert "no group is left" in ended.data["why"]


def test_a_group_in_which_is_nobody_costs_no_time(ledger: Ledger, keys: StateKeys, clock: StandingClock) -> None:
    subscribe(ledger, keys, ("phone",), groups=("head",))
    dispatch(ledger, Following(escalations=(ESCALATION,)), (instance("sms"),))
    advance(ledger)
    assert set(on(ledger, keys)) == {"p0"}


# --- Whom an alert may be sent to ---


def test_opt_outs_are_honoured_unless_life_is_at_stake(ledger: Ledger, keys: StateKeys) -> None:
    subscribe(ledger, keys, *[("phone", "telegram")] * 3)
    by_number = Named("phone", keys.address_hash("phone", "+628120000000"))
    ledger.write(lambda write: opt_outs.opt_out(write, [by_number], family="phone", by="siti"))
    wholly = Named("reference", keys.address_hash("reference", "p1"))
    ledger.write(lambda write: opt_outs.opt_out(write, [wholly], family=None, by="siti"))
    dispatch(ledger, Following(), (instance("sms"), instance("bot", "telegram")))
    assert on(ledger, keys) == {"p0": ["bot"], "p2": ["sms", "bot"]}
    count = ledger.read(lambda read: register.count_people(read, family="phone", audience=Audience()))
    assert count == 1
    everybody = ledger.read(
        lambda read: register.count_distinct(read, [("phone", Audience())], reach=Reach(despite_opt_outs=True))
    )
    assert everybody == 3


def test_the_exception_is_on_record(ledger: Ledger, keys: StateKeys) -> None:
    subscribe(ledger, keys, *[("phone",)] * 3)
    by_number = Named("phone", keys.address_hash("phone", "+628120000000"))
    ledger.write(lambda write: opt_outs.opt_out(write, [by_number], family="phone", by="siti"))
    dispatch(ledger, Following(), (instance("sms"),), reach=Reach(despite_opt_outs=True))
    assert len(on(ledger, keys)) == 3
    (noted,) = ledger.read(lambda read: views.events(read, types=["opt_outs.overridden"]))
    assert (noted.alert_id, noted.data["count"]) == ("alert1", 1)


def test_an_opt_out_outlives_a_new_list(ledger: Ledger, keys: StateKeys) -> None:
    number = Named("phone", keys.address_hash("phone", "+628120000000"))
    found = ledger.write(lambda write: opt_outs.opt_out(write, [number], family="phone", by="siti"))
    assert (found.people, found.unknown, found.changed) == (0, 1, 1)
    subscribe(ledger, keys, ("phone", "telegram"), ("phone",))
    dispatch(ledger, Following(), (instance("sms"), instance("bot", "telegram")))
    assert on(ledger, keys) == {"p0": ["bot"], "p1": ["sms"]}


def test_whoever_comes_back_on_one_channel_stays_out_of_the_others(ledger: Ledger, keys: StateKeys) -> None:
    subscribe(ledger, keys, ("phone", "telegram"))
    person = Named("reference", keys.address_hash("reference", "p0"))
    ledger.write(lambda write: opt_outs.opt_out(write, [person], family=None, by="siti"))
    ledger.write(lambda write: opt_outs.opt_in(write, [person], family="phone", by="siti"))
    dispatch(ledger, Following(), (instance("sms"), instance("bot", "telegram")))
    assert on(ledger, keys) == {"p0": ["sms"]}


def test_a_private_alert_reaches_whom_it_names_and_nobody_else(ledger: Ledger, keys: StateKeys) -> None:
    subscribe(ledger, keys, *[("phone", "telegram")] * 3)
    hashes = (keys.address_hash("phone", "+628120000001"), keys.address_hash("reference", "p2"))
    dispatch(ledger, Following(), (instance("sms"), instance("bot", "telegram")), reach=Reach(addressees=hashes))
    assert on(ledger, keys) == {"p1": ["sms", "bot"], "p2": ["sms", "bot"]}


def test_a_private_alert_that_names_nobody_reaches_nobody(ledger: Ledger, keys: StateKeys) -> None:
    subscribe(ledger, keys, ("phone",))
    dispatch(ledger, Following(), (instance("sms"),), reach=Reach(addressees=()))
    assert on(ledger, keys) == {}
    assert ledger.write(lambda write: outcomes.cancel_stopped(write, "alert1")) == 0

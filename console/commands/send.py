"""`kentongan send`, `follow-up` and `resume`: what leaves, and following it to its end."""

from __future__ import annotations

import contextlib
import signal
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import click

from console import ahead, exits, output
from console.command import HANDLE, WITHOUT, command
from kentongan.errors import BadConfig, BadInput, Refused

if TYPE_CHECKING:
    from pathlib import Path

    from console import through_service
    from console.following import Opened
    from console.office import Office
    from kentongan.login import Login
    from kentongan.overview import Overview

Forecast: TypeAlias = "Sequence[Mapping[str, Any]]"
"""What was foreseen (`console.forecasts.to_json`)."""

_ANSWERED_WITHIN = 0.3
"""Seconds in which a service that is to send says that it is there; else this command opens its own channels too."""

_HEAD_START = 0.3
"""Seconds in which the service has the processor to itself after the press: what this command imports can wait."""

_TAKEN_WITHIN = 2.0
"""Seconds that a service which did not answer is given to take a dispatch, before it is said that nobody sends."""

NO_WAIT = click.option("--no-wait", is_flag=True, help="Return as soon as the sending is on record.")


@command("send")
@click.argument("code", type=HANDLE)
@click.option(
    "--break-glass",
    metavar="REASON",
    is_flag=False,
    flag_value="",
    help="Send alone, without a second officer; the reason is typed and stands in log and report.",
)
@WITHOUT
@click.option("--place", metavar="TEXT", help="The place of a live alert, for scripts; else it is asked for.")
@click.option("--clock-override", metavar="REASON", help="With --break-glass: as for submit.")
@NO_WAIT
def send(
    code: str,
    break_glass: str | None,
    without: tuple[str, ...],
    place: str | None,
    clock_override: str | None,
    no_wait: bool,
) -> int:
    """Send an approved alert on all its channels, and follow it to its end.

    A live alert wants its place typed; a drill wants nothing. Ctrl-C does not stop an alert: `kentongan stop` does.
    When the ledger takes nothing, it is sent from the spare (KENTONGAN_SPARE_DIR) and recorded there until then.
    """
    from console import spares

    released: list[Sequence[str]] = []
    typed: list[str] = []

    def act(spool: Path | None = None) -> int:
        return _send(
            code,
            break_glass=break_glass,
            without=without,
            place=place or next(iter(typed), None),
            clock_override=clock_override,
            no_wait=no_wait and spool is None,
            spool=spool,
            released=released,
            typed=typed,
        )

    return spares.send(
        code,
        ledger=act,
        spool=act,
        resume=lambda spool: _resume(code, spool),
        is_dispatched=lambda: bool(released),
    )


def _send(
    code: str,
    *,
    break_glass: str | None,
    without: tuple[str, ...],
    place: str | None,
    clock_override: str | None,
    no_wait: bool,
    spool: Path | None,
    released: list[Sequence[str]],
    typed: list[str],
) -> int:
    """Sends from the ledger, or from the `spool` in its stead; keeps the ids of what ends drills as `released`.

    `typed` keeps the place that was typed.
    """
    if spool is None and break_glass is None:
        from console import through_service

        there = through_service.look(code, without, place_given=place is not None)
        if there is not None:
            typed.extend(ahead.confirm(there.ahead, place))
            return _send_through(there, without=without, no_wait=no_wait, released=released)

    from console.office import Need, opened

    with opened(Need.CONFIG, role="send", spool=spool) as office:
        from kentongan.desk import exercises

        login = office.login()
        office.desk.acting(login)
        exercises.refuse_unmeasured(office.desk, code)
        reason = _reason(break_glass)
        if reason is not None:
            _submit_alone(office, code, login, reason, without, clock_override)
        shown = not output.wants_json()
        seen = ahead.look(office, code, reason=reason, without=without, place_given=place is not None, shown=shown)
        channels = open_channels(office, seen.instances)
        typed.extend(ahead.confirm(seen, place))
        begin = _dispatch(office, code, login, reason, without, released)
        # Press: from here the alert leaves.
        ended_as = _follow(office, seen.id, channels, no_wait=no_wait, begin=begin, forecast=seen.forecast)
        if ended_as != exits.DETACHED and not no_wait and spool is None:
            _tell_ends(office, [end for each in released for end in each])
        return ended_as


def _dispatch(
    office: Office,
    code: str,
    login: Login | None,
    reason: str | None,
    without: Collection[str],
    released: list[Sequence[str]],
) -> Callable[[], None]:
    """What commits the dispatch."""
    from kentongan.desk import releases

    def begin() -> None:
        released.append(releases.dispatch(office.desk, code, login, break_glass=reason, without=without).ends)

    return begin


def _send_through(
    there: through_service.There, *, without: Collection[str], no_wait: bool, released: list[Sequence[str]]
) -> int:
    """Has the service send what was confirmed, and follows; sends from here where the service did not answer."""
    seen = there.ahead
    with _undisturbed() as interrupts:
        # Press: from here the alert leaves, while this command still imports what it follows with.
        ends = there.press()
        # Where no answer came it may be on its way too, and must not be sent from anywhere else.
        released.append(ends or ())
        if ends is not None:
            time.sleep(_HEAD_START)

        from console.office import Need, opened
        from kentongan.ledger import dispatches

        with opened(Need.CONFIG, role="send") as office:
            begin = None
            if ends is None and not office.house.ledger.read(lambda read: dispatches.get(read, seen.id)):
                begin = _dispatch(office, seen.id, office.login(), None, without, released)
            ended_as = _follow(
                office,
                seen.id,
                open_channels(office, seen.instances),
                no_wait=no_wait,
                begin=begin,
                forecast=seen.forecast,
                interrupts=interrupts,
            )
            if ended_as != exits.DETACHED and not no_wait:
                _tell_ends(office, [end for each in released for end in each])
            return ended_as


@contextlib.contextmanager
def _undisturbed() -> Iterator[list[int]]:
    """Notes signals that would end the command, until somebody follows the alert and tells what they mean to it."""
    noted: list[int] = []
    names = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {name: signal.signal(name, lambda number, _: noted.append(number)) for name in names}
    try:
        yield noted
    finally:
        for name, handler in before.items():
            signal.signal(name, handler)


@command("follow-up")
@click.argument("code", type=HANDLE)
@click.option("--kind", type=click.Choice(["correction"]), default="correction", help="What follows the alert.")
@click.option("--reason", metavar="REASON", help="Why it is withdrawn; without it the known reasons are listed.")
@NO_WAIT
def follow_up(code: str, kind: str, reason: str | None, no_wait: bool) -> int:
    """Withdraw an alert and all that followed it by the ready-made correction, on one officer's word."""
    from console.office import Need, opened

    with opened(Need.CONFIG, role="send") as office:
        from kentongan.desk import plans, subjects, withdrawing

        desk = office.desk
        if reason not in desk.library.reasons:
            raise BadInput(_reasons(office, reason))
        login = office.login()
        desk.acting(login)
        newest = withdrawing.to_withdraw(desk, code)
        prepared = desk.ledger.read(lambda read: subjects.prepared_correction(read, newest.id))
        names = desk.ledger.read(lambda read: plans.thread_instances(read, newest.id))
        chosen = reason
        return _follow(
            office,
            prepared.id if prepared is not None else newest.id,
            open_channels(office, [instance.name for instance in names]),
            no_wait=no_wait,
            begin=lambda: withdrawing.release_correction(desk, code, login, reason=chosen),
        )


@command("resume")
@click.argument("code", type=HANDLE, required=False)
@click.option("--restored", is_flag=True, help="Let a ledger that was restored from a backup go on.")
def resume(code: str | None, restored: bool) -> int:
    """Finish an alert whose sending ended before its time; nothing to type and no new approval.

    With --restored and no CODE: let a restored ledger go on. What is in doubt there is not sent again by that.
    """
    from console.office import Need, opened

    if restored == (code is not None):
        raise BadInput("name the alert to finish, or give --restored alone to let a restored ledger go on")
    if code is None:
        from console.commands import restore

        with opened(Need.NOTHING, warn=False) as office:
            restore.resume(office)
        return exits.WELL
    return _resume(code, None)


def _resume(code: str, spool: Path | None) -> int:
    """Goes on with an alert that was sent off, from the ledger or from the `spool` in its stead."""
    from console.office import Need, opened
    from kentongan.ledger import alerts, dispatches

    with opened(Need.CONFIG, role="send", spool=spool) as office:
        stored = office.house.ledger.read(lambda read: alerts.by_handle(read, code))
        sent = office.house.ledger.read(lambda read: dispatches.get(read, stored.id))
        if sent is None:
            raise Refused(f"alert {stored.code} was never sent; run `kentongan send {stored.code}`", rule="state")
        names = [instance.name for instance in sent.plan.instances]
        return _follow(office, stored.id, open_channels(office, names), no_wait=False, begin=None)


def _reasons(office: Office, given: str | None) -> str:
    languages = office.desk.library.languages
    spoken = languages.get("en") or next(iter(languages.values()))
    known = "; ".join(f"{name} ({told})" for name, told in spoken.reasons.items())
    wrong = f"{given!r} is no reason" if given is not None else "--reason is missing"
    return f"{wrong}; choose one of: {known}"


def _reason(break_glass: str | None) -> str | None:
    """The typed reason of a broken glass, asked for where it was left empty; None without break-glass."""
    if break_glass is None or break_glass.strip():
        return break_glass
    if not output.is_terminal():
        raise BadInput("--break-glass wants its reason typed; give it as --break-glass REASON")
    return str(click.prompt("Why can no second officer approve this? Type the reason", err=True))


def _submit_alone(
    office: Office, code: str, login: Login | None, reason: str, without: Collection[str], clock_override: str | None
) -> None:
    """Submits a draft in the one officer's name, so that they see whom it reaches before they type its place."""
    from kentongan.alert import worst_severity
    from kentongan.desk import submitting
    from kentongan.ledger import alerts
    from kentongan.verdict import break_glass_forbidden

    stored = office.desk.ledger.read(lambda read: alerts.by_handle(read, code))
    forbidden = break_glass_forbidden(
        reason, kind=stored.kind, severity=worst_severity(stored.draft.cap), policy=office.settings.policy
    )
    if forbidden is not None:
        raise forbidden.error()
    if stored.state == "draft":
        submitting.submit(office.desk, code, login, without=without, clock_override=clock_override)


def open_channels(office: Office, names: Collection[str]) -> Opened | Callable[[], Opened]:
    """The channels to send on from here, before anything leaves; where a service answers, what opens them if need be.

    Raises BadConfig where they cannot be opened and no service answers that could send instead.
    """
    from console.service import client

    def open_or_say_why() -> Opened:
        try:
            return office.house.open_channels(names)
        except BadConfig as error:
            return error

    if client.status(office.house.state, timeout=_ANSWERED_WITHIN) is not None:
        return open_or_say_why
    opened = open_or_say_why()
    if isinstance(opened, BadConfig) and client.status(office.house.state) is None:
        raise opened
    return opened


def _tell_ends(office: Office, ends: Sequence[str]) -> None:
    """Sends what says that a drill was stopped, behind the live alert, where no service has done it by now."""
    from console import following
    from console.progress import Quiet
    from kentongan.ledger import alerts, dispatches, views

    for id in ends:
        stored = office.house.ledger.read(lambda read, id=id: alerts.get(read, id))  # type: ignore[misc]
        sent = office.house.ledger.read(lambda read, id=id: dispatches.get(read, id))  # type: ignore[misc]
        if sent is None or not office.house.ledger.read(lambda read, id=id: views.is_open(read, id)):  # type: ignore[misc]
            continue
        output.warn(f"a drill was stopped by this alert; {stored.code} says so to those who got it")
        try:
            channels = office.house.open_channels([instance.name for instance in sent.plan.instances])
        except BadConfig as error:
            output.warn(f"they cannot be told from here: {error}")
            continue
        with office.sender() as house:
            _, ended = following.run(following.Follower(house, id, channels, Quiet()).run(None))
        if not ended:
            output.warn(f"not all were told; `kentongan resume {stored.code}` goes on")
            return


# --- Following ---


def _follow(
    office: Office,
    alert_id: str,
    channels: Opened | Callable[[], Opened],
    *,
    no_wait: bool,
    begin: Callable[[], object] | None,
    forecast: Forecast | None = None,
    interrupts: Collection[int] = (),
) -> int:
    from console import following
    from console.progress import LiveTable, progress

    if no_wait:
        if begin is not None:
            begin()
        return hand_over(office, alert_id, forecast)
    shown = progress(office.zone)
    follower = following.Follower(office.house, alert_id, channels, shown)
    for number in interrupts:
        if number != signal.SIGHUP:
            follower.interrupt()
    try:
        seen, ended = following.run(follower.run(begin))
    finally:
        shown.close()
    if not ended:
        return _detached(seen, follower.sent_here)
    _page(office, seen, drawn=isinstance(shown, LiveTable), forecast=forecast)
    return _exit_code(office, seen)


def _exit_code(office: Office, seen: Overview) -> int:
    from console import standing

    return standing.exit_code(seen, office.settings.policy.tolerated_share)


def _page(office: Office, seen: Overview, *, drawn: bool, forecast: Forecast | None) -> None:
    """Writes how it ended; `drawn`: the table stands on the terminal already."""
    from console import standing

    try:
        if output.wants_json():
            document = {**standing.to_json(office, seen), "exit_code": _exit_code(office, seen)}
            output.document({**document, **_told(forecast)})
            return
        for line in (*standing.banners(seen), standing.heading(seen)):
            output.say(line)
        if not drawn:
            output.terminal().print(standing.table(seen, office.zone))
        standing.explain(office, seen)
        output.say(f"Next: kentongan status {seen.alert.code}, kentongan report {seen.alert.code}")
    except OSError:
        # Whoever read this has gone; the exit code and the ledger still say how it ended.
        return


def _told(forecast: Forecast | None) -> Mapping[str, object]:
    return {"forecast": forecast} if forecast is not None else {}


def hand_over(office: Office, alert_id: str, forecast: Forecast | None = None) -> int:
    """Leaves a dispatch to the service, and says where there is none; returns the exit code."""
    from console import standing
    from console.service import client
    from kentongan.overview import overview

    nudged = client.nudge(office.house.state, alert_id)
    if nudged is client.Nudged.NO_ANSWER and _is_taken(office, alert_id):
        nudged = client.Nudged.OWNED
    seen = office.house.ledger.read(lambda read: overview(read, alert_id))
    if output.wants_json():
        output.document({**standing.to_json(office, seen), "service": nudged.value, **_told(forecast)})
    else:
        output.say(standing.heading(seen))
    if nudged is client.Nudged.OWNED:
        return exits.WELL
    trouble = "no service runs" if nudged is client.Nudged.NOBODY else "the service does not answer"
    output.warn(f"{trouble}, so nothing is being sent; run `kentongan resume {seen.alert.code}` now")
    return exits.FAILED


def _is_taken(office: Office, alert_id: str) -> bool:
    """Whether a sender that lives has the dispatch within a moment; a service that begins to send may answer late."""
    from kentongan.clock import Process, SystemClock
    from kentongan.ledger import Read, dispatches, senders

    def taken(read: Read) -> bool:
        sent = dispatches.get(read, alert_id)
        if sent is None or sent.owner is None:
            return False
        return not senders.gone(read, clock=SystemClock(), process=Process.current(), suspects=[sent.owner])

    last_look = time.monotonic() + _TAKEN_WITHIN
    while not office.house.ledger.read(taken):
        if time.monotonic() > last_look:
            return False
        time.sleep(0.05)
    return True


def _detached(seen: Overview, sent_here: bool) -> int:
    from kentongan import telling

    code = seen.alert.code
    if sent_here:
        planned = seen.dispatch is not None and seen.dispatch.expanded
        unsent = telling.several(seen.unfinished, "message") if planned else "an unknown number of messages is"
        told = f"{unsent} not sent; `kentongan resume {code}` finishes them"
    else:
        told = f"the sending goes on without this command; follow it with `kentongan status {code} --watch`"
    output.warn(f"{told}, `kentongan stop {code}` stops it")
    return exits.DETACHED

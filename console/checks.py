"""The checks of an installation that contact nobody: config, channels, words, ledger, officers, clock."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from console.invocation import Invocation
from kentongan.errors import KentonganError
from kentongan.quick_dataclass import dataclass
from kentongan.state import SPARE_VARIABLE

if TYPE_CHECKING:
    from kentongan.seam import Channel
    from kentongan.settings import Settings
    from kentongan.state import State

_CLOCK_TRUSTED = 60.0
_SPARE = 200_000_000
"""Bytes that must be free: an alert to a million people writes about so much."""


@dataclass(frozen=True, slots=True)
class Found:
    """What one check found: a fault keeps an alert from going out, a note does not."""

    what: str
    state: str
    sentence: str


def checks(invocation: Invocation) -> Iterator[Found]:
    """Makes every check; a fault of one ends none of the others."""
    settings: list[Settings | None] = [None]
    yield from _each("config", lambda: _config(invocation, settings))
    chosen = settings[0]
    if chosen is not None:
        configured = chosen
        yield from _each("channels", lambda: _channels(configured))
        yield from _each("link", lambda: _link(configured))
        yield from _each("routes", lambda: _routes(invocation, configured))
        yield from _each("paging", lambda: _paging(invocation, configured))
        yield from _each("drills", lambda: _drills(invocation, configured))
    yield from _each("words", lambda: _words(chosen))
    yield from _each("state", lambda: _state(invocation, chosen))
    yield from _each("backup", lambda: _backup(invocation, chosen))
    yield from _each("keys", lambda: _keys(invocation, chosen))
    yield from _each("officers", lambda: _officers(invocation))
    yield from _each("clock", _clock)


def _each(what: str, act: Callable[[], Iterator[Found]]) -> Iterator[Found]:
    try:
        yield from act()
    except KentonganError as error:
        for sentence in str(error).splitlines():
            yield Found(what, "fault", sentence)


def _config(invocation: Invocation, into: list[Settings | None]) -> Iterator[Found]:
    import channels
    from console.office import NO_CONFIG
    from kentongan.config_folder import load
    from kentongan.config_place import find_config

    folder = find_config(invocation.config)
    if folder is None:
        yield Found("config", "note", f"{NO_CONFIG}; it holds agency.yaml, channels.yaml, audiences.yaml, policy.yaml")
        return
    into[0] = settings = load(folder, channels.settings_models())
    yield Found("config", "ok", f"{folder}: {settings.agency.name}, {len(settings.channels)} channels")
    if not settings.channels:
        yield Found("config", "fault", f"{folder / 'channels.yaml'}: has no channel; add one")
    modes = {instance.mode.value for instance in settings.channels.values() if not instance.sandbox}
    if "live" not in modes and not settings.agency.sandbox:
        yield Found("config", "note", "no real live channel is configured, so no live alert can go out")


def _paging(invocation: Invocation, settings: Settings) -> Iterator[Found]:
    """Whether officers would be called at night."""
    import channels
    from kentongan.clock import SystemClock, to_datetime
    from kentongan.ledger import Ledger, pages
    from kentongan.ledger import officers as register
    from kentongan.seam import Mode
    from kentongan.state import State

    named = {name: settings.channels[name] for name in settings.paging.instances}
    if not named:
        yield Found("paging", "note", "paging.yaml names no channel, so no officer is called; see docs/night.md")
        return
    if all(instance.mode is Mode.DRILL for instance in named.values()):
        yield Found("paging", "note", "paging.yaml names drill channels alone, so nobody is paged for live alerts")
    families = {channels.traits(instance.kind).family for instance in named.values()}
    with Ledger.open(State.find(invocation.state).place) as ledger:
        now = to_datetime(SystemClock().wall())
        known = [name for name, officer in ledger.read(register.officers).items() if officer.active(now)]
        reached = {sealed.officer for sealed in ledger.read(pages.pagers) if sealed.family in families}
    for name in sorted(set(known) - reached):
        yield Found("paging", "note", f"{name} cannot be paged; they run `kentongan officer page {name}`")
    if set(known) <= reached:
        yield Found("paging", "ok", f"{len(known)} officers can be paged over {', '.join(named)}")


def _channels(settings: Settings) -> Iterator[Found]:
    import channels

    for name in settings.channels:
        try:
            opened = channels.open(settings, names=[name])[name]
        except KentonganError as error:
            yield Found("channels", "fault", str(error))
            continue
        unready = _unready(opened)
        if unready is not None:
            place = f"{settings.source / 'channels.yaml'}: " if settings.source is not None else ""
            yield Found("channels", "fault", f"{place}channels.{name}: {unready}")
        else:
            yield Found("channels", "ok", f"{name}: its settings and secrets are there")


def _link(settings: Settings) -> Iterator[Found]:
    """Whether the page that every message links to is where one of our feeds puts it."""
    import channels

    agency = settings.agency
    place = f"{settings.source / 'agency.yaml'}: " if settings.source is not None else ""
    feeds = {name: each for name, each in settings.channels.items() if channels.traits(each.kind).local}
    for mode in dict.fromkeys(each.mode for each in settings.channels.values()):
        there = {name: str(getattr(each, "base_url", "")) for name, each in feeds.items() if each.mode is mode}
        if not there:
            yield Found(
                "link",
                "note",
                f"{place}link: {mode} messages link to {agency.link}, and no {mode} feed puts a page there; add a"
                " channel of kind cap_feed",
            )
        elif not any(_same_page(agency.link, address) for address in there.values()):
            told = " and ".join(f"{name} publishes at {address}" for name, address in there.items())
            yield Found(
                "link",
                "note",
                f"{place}link: {mode} messages link to {agency.link}, but {told}; readers find no page unless link and"
                " base_url are the same",
            )
        else:
            yield Found("link", "ok", f"{mode} messages link to {agency.link}, where a feed puts their pages")


def _same_page(link: str, address: str) -> bool:
    first, second = urlsplit(link), urlsplit(address)
    return (first.scheme, first.netloc.lower(), first.path.rstrip("/")) == (
        second.scheme,
        second.netloc.lower(),
        second.path.rstrip("/"),
    )


def _unready(channel: Channel) -> str | None:
    """Why a channel that needs no network could not send now; the others are not asked, since nobody is contacted."""
    import asyncio

    if not channel.traits.local:
        return None
    found = asyncio.run(channel.ready())
    return None if found.ready else found.detail.rstrip(".")


def _routes(invocation: Invocation, settings: Settings) -> Iterator[Found]:
    from kentongan import route_faults
    from kentongan.data import data_path
    from kentongan.ledger import Ledger
    from kentongan.ledger.people import known_groups
    from kentongan.routes import Routes
    from kentongan.state import State
    from kentongan.words.library import library

    routes = settings.routes
    if routes == Routes():
        yield Found("routes", "ok", "there are none: every channel of its mode gets an alert")
        return
    with Ledger.open(State.find(invocation.state).place) as ledger:
        groups = ledger.read(known_groups)
    modes = {name: each.mode.value for name, each in settings.channels.items()}
    remarks = route_faults.remarks(routes, modes, library(data_path("templates")).names, groups)
    remarks += _unconfirmed(settings)
    place = f"{settings.source / 'routes.yaml'}: " if settings.source is not None else ""
    for remark in remarks:
        yield Found("routes", "note", f"{place}{remark}")
    if not remarks:
        yield Found("routes", "ok", f"{len(routes.routes)} rules, each of which can match")


def _unconfirmed(settings: Settings) -> list[str]:
    """Channels whose kind would tell what became of a message, but which are not set up for it."""
    import channels

    first = {name for each in settings.routes.fallback for name in settings.routes.members(each.on)}
    return [
        f"fallback: {name} is not set up for receipts, so what its provider accepts counts as having reached people"
        for name in sorted(first)
        if channels.traits(settings.channels[name].kind).receipts and not settings.channels[name].confirmed()
    ]


def _drills(invocation: Invocation, settings: Settings) -> Iterator[Found]:
    from console import drill_checks

    if not settings.drills.scenarios:
        yield Found("drills", "note", "nothing is rehearsed: drills.yaml names no scenario; see docs/drills.md")
        return
    wrong = drill_checks.faults(invocation, settings)
    for sentence in wrong:
        yield Found("drills", "fault", sentence)
    for sentence in drill_checks.remarks(invocation, settings):
        yield Found("drills", "note", sentence)
    if not wrong:
        yield Found("drills", "ok", f"{len(settings.drills.scenarios)} can be run")


def _words(settings: Settings | None) -> Iterator[Found]:
    import channels
    from kentongan.alert import Kind
    from kentongan.data import data_path
    from kentongan.errors import BadConfig
    from kentongan.words.composing import TemplateFault, composer
    from kentongan.words.library import GENERAL, library

    try:
        root = data_path("templates")
    except FileNotFoundError as error:
        raise BadConfig(str(error)) from None
    read = library(root)
    yield Found("words", "ok", f"hazards {', '.join(read.names)}; languages {', '.join(read.languages)}")
    kinds = {each.kind for each in settings.channels.values()} if settings is not None else set(channels.kinds())
    for kind in sorted(kinds):
        try:
            composer(root).layout(kind)
        except TemplateFault as fault:
            yield Found("words", "fault", f"{fault}; {fault.remedy}")
    spoken = settings.agency.languages if settings is not None else ()
    few = [one for one in spoken if one in read.languages and not read.languages[one].whole]
    for language in few:
        forms = " and ".join(read.languages[language].forms)
        note = "; a native reader has still to read it" if read.languages[language].needs_native_reader else ""
        yield Found("words", "note", f"{language} has only {forms} words; elsewhere its readers get another{note}")
    if few and len(few) == len(spoken):
        yield Found("words", "fault", "none of agency.languages has words for every form; add one, such as id")
    for language in spoken:
        for of in Kind if language not in few else ():
            if language not in read.get(GENERAL).languages(of):
                name = read.get(GENERAL).template(of, language)
                yield Found(
                    "words", "fault", f"templates/{name} is missing, so nothing can be said in {language}; add it"
                )


def _state(invocation: Invocation, settings: Settings | None) -> Iterator[Found]:
    from console import standing
    from kentongan.ledger import Ledger, ballast, senders
    from kentongan.ledger.opening import open_keys
    from kentongan.state import State

    zone = ZoneInfo(settings.agency.timezone if settings is not None else "UTC")
    place = State.find(invocation.state)
    open_keys(place)
    yield Found("state", "ok", f"{place.root}: its keys are there and nobody else can read them")
    with Ledger.open(place.place) as ledger:
        # A database keeps checksums of its own pages, and says when it reads one that is damaged.
        damage = "ok" if place.database else ledger.read(lambda read: read.sql("PRAGMA quick_check(1)").scalar_one())
        if damage != "ok":
            yield Found("state", "fault", f"ledger {place.ledger} is damaged ({damage}); restore it from a backup")
            return
        # Changes nothing, and is refused where it could not be written now, as an empty transaction is not.
        ledger.write(lambda write: write.sql("UPDATE sender SET ended = 1 WHERE id IS NULL"))
        where = f"ledger in Postgres, {place.database}" if place.database is not None else str(place.ledger)
        yield Found("state", "ok", f"{where}: it can be read and written")
        free = shutil.disk_usage(place.root).free
        if free < _SPARE:
            yield Found("state", "fault", f"only {free // 1_000_000} MB are free below {place.root}; make room")
        if ledger.read(ballast.used_at) is not None:
            told = "the disk was full and the reserve beside the ledger is used up; make room"
            yield Found("state", "fault", f"{told}, and `kentongan serve` puts it back")
        for name, reason in ledger.read(senders.holds).items():
            told = standing.held(name, reason, zone)
            yield Found("state", "fault" if name == senders.LEDGER else "note", told)
    yield from _spare(place)


def _spare(state: State) -> Iterator[Found]:
    """Whether an alert could be sent from the spare, where one is named."""
    if SPARE_VARIABLE not in os.environ:
        return
    from kentongan.errors import BadConfig
    from kentongan.safekeeping.spare import Spare

    try:
        spare = Spare.find(state)
    except BadConfig as error:
        yield Found("spare", "fault", str(error))
        return
    assert spare is not None
    for spool in spare.spools():
        yield Found("spare", "fault", f"alert {spool.about.code} was sent from the spare; run `kentongan merge`")
    if spare.root.stat().st_dev == state.root.stat().st_dev:
        yield Found("spare", "note", f"{spare.root} lies on the ledger's own disk, and is full when that is")
    else:
        yield Found("spare", "ok", f"{spare.root}: an alert could be sent from there if the ledger took nothing")


def _backup(invocation: Invocation, settings: Settings | None) -> Iterator[Found]:
    from kentongan.clock import SystemClock
    from kentongan.ledger import Ledger, log
    from kentongan.settings import Service
    from kentongan.state import State

    within = (settings.service if settings is not None else Service()).backed_up_within
    place = State.find(invocation.state)
    if place.database is not None:
        yield Found("backup", "note", f"{place.database} is backed up by Postgres' own tools; see docs/backup.md")
        return
    with Ledger.open(place.place) as ledger:
        last = ledger.read(lambda read: log.latest(read, "ledger.backed_up"))
    now = SystemClock().wall()
    if last is None:
        yield Found(
            "backup", "note", "no backup of this ledger was ever made; run `kentongan backup FOLDER` by a timer"
        )
    elif now - last > within * 1000:
        hours = (now - last) // 3_600_000
        yield Found(
            "backup", "note", f"the last backup is {hours:,} hours old; see why, then `kentongan backup FOLDER`"
        )
    else:
        yield Found("backup", "ok", "there is a recent one")


def _keys(invocation: Invocation, settings: Settings | None) -> Iterator[Found]:
    """Whether the addresses can be read, and still could be if this machine was lost."""
    from kentongan.clock import SystemClock
    from kentongan.keys import StateKeys
    from kentongan.ledger import Ledger, key_match
    from kentongan.people_key import CURRENT
    from kentongan.safekeeping import escrow
    from kentongan.settings import Service
    from kentongan.state import State

    within = (settings.service if settings is not None else Service()).keys_confirmed_within
    state = State.find(invocation.state)
    keys = StateKeys.open(state.root, create=False)
    with Ledger.open(state.place) as ledger:
        fault = ledger.read(lambda read: key_match.fault(read, keys))
    if fault is not None:
        yield Found("keys", "fault", fault)
        return
    fingerprint = " and ".join(keys.people_fingerprints)
    yield Found("keys", "ok", f"people's data is opened by the key in {keys.people.name}, fingerprint {fingerprint}")
    if keys.people.is_under_way():
        yield Found("keys", "note", "that key is being rotated; finish it with `kentongan people rotate-key`")
    if keys.people.elsewhere and (state.keys / CURRENT).exists():
        yield Found("keys", "note", f"{state.keys / CURRENT} is not used, and opens people's data; take it away")
    remark = escrow.remark(state, now=SystemClock().wall(), within=within)
    if remark is not None:
        yield Found("keys", "note", remark)
    else:
        yield Found("keys", "ok", "a copy of them is kept apart, and was compared with them")


def _officers(invocation: Invocation) -> Iterator[Found]:
    from kentongan.clock import SystemClock, to_datetime
    from kentongan.ledger import Ledger
    from kentongan.ledger.officers import officers
    from kentongan.state import State

    now = to_datetime(SystemClock().wall())
    with Ledger.open(State.find(invocation.state).place) as ledger:
        active = sum(each.active(now) for each in ledger.read(officers).values())
    if active >= 2:
        yield Found("officers", "ok", f"{active} officers count now")
    else:
        told = "nobody is an officer" if not active else "one officer alone cannot approve"
        yield Found("officers", "note", f"{told}; add officers with `kentongan officer add NAME`")


def _clock() -> Iterator[Found]:
    from kentongan.clock import network_offset

    offset = network_offset()
    if offset is None:
        yield Found("clock", "note", "no time service tells how far this clock is off; run one, such as chrony")
    elif abs(offset) > _CLOCK_TRUSTED:
        yield Found("clock", "fault", f"this clock is {offset:+.0f} s off network time; set it")
    else:
        yield Found("clock", "ok", f"{offset:+.3f} s off network time")

"""What a command works with: the house, the config or what stands in for it, who is at the keyboard, and the zone."""

from __future__ import annotations

import contextlib
import enum
import getpass
import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from console import output
from console.invocation import Invocation, current
from flows.house import CONSOLE, House
from kentongan import config_place
from kentongan.clock import SystemClock
from kentongan.errors import BadConfig, KentonganError
from kentongan.settings import Policy, Settings
from kentongan.state import SPARE_VARIABLE, State

if TYPE_CHECKING:
    from pathlib import Path

    from kentongan.desk import Desk
    from kentongan.login import Login, LoginFile

NO_CONFIG = "no config is named; name its folder with --config or KENTONGAN_CONFIG, or write one with `kentongan init`"


class Need(enum.Enum):
    """What a command needs of the config."""

    NOTHING = "nothing"
    """It looks at the ledger: a config that is absent or wrong costs it no more than the local time."""

    STAND_IN = "stand-in"
    """It contacts nobody: without a config, the neutral one stands in; a wrong one is refused."""

    CONFIG = "config"
    """It may contact people: without a config it is refused."""


@dataclass(slots=True)
class Office:
    """One command's hold on an installation. `configured`: the settings are the agency's own, not the stand-in."""

    invocation: Invocation
    house: House
    settings: Settings
    configured: bool
    _desk: Desk | None = None

    @property
    def desk(self) -> Desk:
        """The duty desk; raises BadConfig where templates are wrong."""
        if self._desk is None:
            self._desk = self.house.desk(self.settings)
        return self._desk

    @property
    def zone(self) -> ZoneInfo:
        """The agency's zone."""
        return ZoneInfo(self.settings.agency.timezone)

    @property
    def login_file(self) -> LoginFile:
        """Where this user's login lies."""
        from kentongan.login import LoginFile

        return LoginFile.find(self.house.state.root)

    def sender(self) -> House:
        """The same installation opened once more, to send by: a process keeps one record for all that it sends at once.

        Close it. Raises BadConfig, BadInput, LedgerUnavailable.
        """
        return House.open(self.invocation.config, self.invocation.state, role="send")

    def login(self) -> Login | None:
        """Who is logged in, None where nobody is; raises BadConfig, BadInput for a login that cannot be trusted."""
        return self.login_file.read(now=self.desk.now)


@contextlib.contextmanager
def opened(need: Need, *, role: str = CONSOLE, warn: bool = True, spool: Path | None = None) -> Iterator[Office]:
    """Opens what a command needs, and closes it; raises KentonganError. `spool` stands in for the ledger.

    `warn`: say where no config is named, once the command has done its work: a fault stays one line.
    """
    invocation = current()
    _log(invocation)
    if need is Need.CONFIG and config_place.find_config(invocation.config) is None:
        raise BadConfig(
            "no config is named, so nothing may leave; name its folder with --config or KENTONGAN_CONFIG, or write one"
            " with `kentongan init`"
        )
    if spool is None and SPARE_VARIABLE in os.environ:
        from console import spares

        if role == CONSOLE:
            spares.warn()
        else:
            spares.bring_what_is_left()
    with _house(invocation, need, role, spool) as house, kept_log(house.state, role):
        house.ledger.tell = output.warn
        settings = house.settings
        if settings is None:
            settings = _stand_in(need)
        yield Office(invocation, house, settings, configured=house.settings is not None)
        if warn and house.settings is None and not _named(invocation):
            output.warn(f"{NO_CONFIG}; times are in UTC")


def _named(invocation: Invocation) -> bool:
    """Whether a config is named, so that what is wrong with it has been said."""
    try:
        return config_place.find_config(invocation.config) is not None
    except BadConfig:
        return True


def _log(invocation: Invocation) -> None:
    """What the program says of itself goes to standard error with --verbose, else nowhere: it would tear the table."""
    import logging

    if not invocation.verbose:
        logging.getLogger().addHandler(logging.NullHandler())
    else:
        logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
        for name in ("sqlalchemy", "httpx", "httpcore", "alembic"):
            logging.getLogger(name).setLevel(logging.WARNING)


@contextlib.contextmanager
def kept_log(state: State, role: str) -> Iterator[None]:
    """A process that sends keeps what it says of itself, beside the service's own log."""
    if role == CONSOLE:
        yield
        return
    import logging

    from console.service.log import JsonLines, LogFile

    try:
        handler = LogFile(state.log / f"{role}.log", maxBytes=1_000_000, backupCount=2)
    except (OSError, BadConfig):
        # On a full disk, or in a folder of somebody else's, it is the alert that matters.
        yield
        return
    handler.setFormatter(JsonLines())
    handler.setLevel(logging.WARNING)
    logging.getLogger().addHandler(handler)
    try:
        yield
    finally:
        logging.getLogger().removeHandler(handler)
        with contextlib.suppress(OSError):
            handler.close()


@contextlib.contextmanager
def _house(invocation: Invocation, need: Need, role: str, spool: Path | None) -> Iterator[House]:
    try:
        house = House.open(invocation.config, invocation.state, role=role, spool=spool)
    except BadConfig as error:
        if need is not Need.NOTHING:
            raise
        house = _without_config(invocation, role, error)
    with house:
        yield house


def _without_config(invocation: Invocation, role: str, error: BadConfig) -> House:
    """The house where the config is wrong, for one who only looks; raises where it is not the config that is wrong."""
    from kentongan.ledger import Ledger
    from kentongan.ledger.opening import open_keys

    place = State.find(invocation.state)
    clock = SystemClock()
    keys = open_keys(place)
    ledger = Ledger.open(place.place, clock=clock)
    output.warn(f"the config cannot be used ({str(error).splitlines()[0]}); times are in UTC")
    return House(place, None, ledger, keys, clock, role, "")


def _stand_in(need: Need) -> Settings:
    from console import unconfigured

    if need is Need.STAND_IN:
        return unconfigured.settings()
    return Settings(source=None, agency=unconfigured.AGENCY, channels={}, audiences={}, policy=Policy())


def at_keyboard(state: State) -> tuple[str, bool]:
    """Who is at the keyboard, for acts that need no key: the officer logged in (True), else the system's user (False).

    Never fails: whoever wants to stop an alert can, whatever is wrong with logins here.
    """
    try:
        from kentongan.clock import to_datetime
        from kentongan.login import LoginFile

        login = LoginFile.find(state.root).read(now=to_datetime(SystemClock().wall()))
    except (KentonganError, OSError):
        login = None
    if login is not None:
        return login.officer, True
    try:
        name = getpass.getuser()
    except (OSError, KeyError):
        name = str(os.getuid())
    return f"user {name}", False

"""What every act at the desk needs: the ledger, the config, the words, the clocks."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import field
from datetime import datetime
from zoneinfo import ZoneInfo

from kentongan.clock import Clock, to_datetime
from kentongan.errors import BadInput
from kentongan.ledger import Ledger, Write, alerts
from kentongan.ledger import officers as register
from kentongan.login import Login, logged_in
from kentongan.officers import Officer
from kentongan.quick_dataclass import dataclass
from kentongan.seam import Limits, Traits
from kentongan.settings import InstanceSettings, Settings
from kentongan.words.codes import new_code
from kentongan.words.library import HazardLibrary


@dataclass(frozen=True, slots=True)
class Kinds:
    """What the channels say of themselves without being opened; handed in, since the core imports no adapter."""

    traits: Callable[[str], Traits]
    limits: Callable[[InstanceSettings], Limits]


@dataclass(frozen=True, slots=True)
class Desk:
    """The desk of one installation. `clock_offset` is ours from network time in seconds, None if unknown.

    `identify(family, value)` gives the keyed hash by which an address is looked up; without it a Private alert, which
    goes to named addresses alone, finds nobody. `witness` signs for this installation what it has done by itself, and
    `head_key` is the public half; without them no drill runs by its schedule. `fence(id, code)` surrounds the dispatch
    of an alert, and refuses one that is sent from elsewhere. `people_away` says why no person's address can be opened
    in this process, None where it can.
    """

    ledger: Ledger
    settings: Settings
    library: HazardLibrary
    kinds: Kinds
    clock: Clock
    clock_offset: float | None
    identify: Callable[[str, str], str] = field(default=lambda family, value: "", repr=False)
    witness: Callable[[bytes], bytes] = field(default=lambda content: b"", repr=False)
    head_key: bytes = b""
    fence: Callable[[str, str], AbstractContextManager[None]] = field(
        default=lambda id, code: nullcontext(), repr=False
    )
    people_away: Callable[[], str | None] = field(default=lambda: None, repr=False)

    @property
    def now(self) -> datetime:
        """The wall time, in UTC."""
        return to_datetime(self.clock.wall())

    def officers(self) -> dict[str, Officer]:
        """All who are or were officers, by name."""
        return self.ledger.read(register.officers)

    def acting(self, login: Login | None) -> Login:
        """The login of an officer who may act now; raises Refused."""
        logged_in(login, self.officers(), now=self.now, zone=ZoneInfo(self.settings.agency.timezone))
        assert login is not None
        return login

    def free_code(self, write: Write) -> str:
        """A new alert code that stands for nothing else in this ledger."""
        for _ in range(1000):
            code = new_code(secrets.randbelow)
            if alerts.code_is_free(write, code):
                return code
        raise BadInput("no alert code is free in this ledger; begin a new one and keep this for the record")


def new_id() -> str:
    """A random id of 16 hexadecimal characters; sorts and says nothing."""
    return secrets.token_hex(8)

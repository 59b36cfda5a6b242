"""Sending on behalf of a command on this machine: what an alert would do, and the press.

The command asks so that nobody waits for it to import what is loaded here. What keeps an alert from leaving is asked by
the command's own code (`console.ahead`, `kentongan.desk.releases`), in the name of the officer who is logged in there,
under the config as it is at that moment. A command whose config or database is another one is told to do it itself.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict
from typing import Any, TypeVar

from fastapi import FastAPI, HTTPException
from pydantic import BaseModel, ConfigDict, Field

import channels
from console import ahead, output
from console.invocation import Invocation
from console.office import Office
from flows.house import House
from kentongan import config_folder
from kentongan.desk import exercises, releases
from kentongan.desk.plans import Released
from kentongan.errors import KentonganError, LedgerUnavailable, Refused
from kentongan.login import Login, LoginFile

_T = TypeVar("_T")


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Asked(_Body):
    """What a command was given. `config` and `database` say which installation it means, `login` where its login lies.

    `login` holds the command's own KENTONGAN_LOGIN and XDG_RUNTIME_DIR.
    """

    handle: str = Field(min_length=1, max_length=256)
    without: tuple[str, ...] = Field(default=(), max_length=1_000)
    config: str = Field(min_length=1, max_length=4_096)
    database: str = Field(max_length=64)
    login: Mapping[str, str] = Field(max_length=2)


class Look(Asked):
    """What sending would do. `shown`: for an officer to read; `place_given`: the place is not asked for."""

    shown: bool
    place_given: bool


class Looked(_Body):
    """What to write (`console.output.replay`) and what to confirm (`console.ahead.Ahead`)."""

    told: list[list[Any]]
    ahead: dict[str, Any]


class Press(Asked):
    """Send it now."""


class Fault(_Body):
    """Why nothing was sent: the kind of error, its sentence, and the rule of a refusal."""

    kind: str
    sentence: str
    rule: str = ""


class Pressed(_Body):
    """It is on record and on its way, unless there is a `fault`. `ends`: the drills that it has stopped say so."""

    ends: tuple[str, ...] = ()
    fault: Fault | None = None


class Releasing:
    """Looks and presses for commands; `nudge` tells the dispatcher of what was committed."""

    def __init__(self, house: House, nudge: Callable[[str], Awaitable[object]]) -> None:
        self._house = house
        self._nudge = nudge

    async def look(self, asked: Look) -> Looked:
        """What sending would do; raises KentonganError for whatever the command can say better itself."""
        return await asyncio.to_thread(self._look, asked)

    def _look(self, asked: Look) -> Looked:
        office, login = self._for(asked)
        office.desk.acting(login)
        exercises.refuse_unmeasured(office.desk, asked.handle)
        with output.kept() as told:
            found = ahead.look(
                office,
                asked.handle,
                reason=None,
                without=asked.without,
                place_given=asked.place_given,
                shown=asked.shown,
            )
        return Looked(told=told, ahead=asdict(found))

    async def press(self, asked: Press) -> Pressed:
        """Commits the dispatch and begins to send."""
        try:
            released = await asyncio.to_thread(self._press, asked)
        except KentonganError as error:
            kind = next(each for each in (Refused, LedgerUnavailable, KentonganError) if isinstance(error, each))
            return Pressed(
                fault=Fault(kind=kind.__name__, sentence=str(error), rule=getattr(error, "rule", "")),
            )
        await self._nudge(released.alert.id)
        return Pressed(ends=released.ends)

    def _press(self, asked: Press) -> Released:
        office, login = self._for(asked)
        return releases.dispatch(office.desk, asked.handle, login, without=asked.without)

    def _for(self, asked: Asked) -> tuple[Office, Login | None]:
        """The office of a command, and who is logged in there; raises KentonganError."""
        house = self._house
        if house.folder is None or os.path.realpath(asked.config) != os.path.realpath(house.folder):
            raise Refused("the service has another config", rule="service")
        database = house.state.database
        if asked.database != (database.fingerprint if database is not None else ""):
            raise Refused("the service has another ledger", rule="service")
        # Anew, for a command would read it anew.
        settings = config_folder.load(house.folder, channels.settings_models())
        office = Office(Invocation(), house, settings, configured=True)
        login = LoginFile.find(house.state.root, asked.login).read(now=office.desk.now)
        return office, login


def add_to(app: FastAPI, releasing: Callable[[], Releasing | None]) -> None:
    """Adds both to the officers' socket; `releasing` gives None where the service takes nothing."""

    async def by(act: Callable[[Releasing], Awaitable[_T]]) -> _T:
        found = releasing()
        if found is None:
            raise HTTPException(503, "the service takes no alert")
        try:
            return await act(found)
        except KentonganError:
            # The command finds the same by itself, and says it as ever.
            raise HTTPException(409, "the command must see for itself") from None

    @app.post("/v1/look", operation_id="look")
    async def look(body: Look) -> Looked:
        """Says what sending an alert would do; contacts nobody."""
        return await by(lambda found: found.look(body))

    @app.post("/v1/press", operation_id="press")
    async def press(body: Press) -> Pressed:
        """Sends an alert off in the name of the officer who is logged in, after every check."""
        return await by(lambda found: found.press(body))

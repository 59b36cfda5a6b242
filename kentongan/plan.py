"""What a dispatch freezes: which instances, whom, in which languages, until when, with which late facts."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import BaseModel, ConfigDict

from kentongan.alert import Kind
from kentongan.area.codes import Waves, Within
from kentongan.clock import Milliseconds
from kentongan.reach import Reach
from kentongan.routes import Following
from kentongan.seam import Mode
from kentongan.settings import Audience

PUBLIC = "public"
"""The family of deliveries that reach everybody."""


class PlannedInstance(BaseModel):
    """One instance's part of a dispatch. `family` is PUBLIC or the address space of its people.

    `audience` is the people query as it stood at dispatch; None on public instances and on those that follow a
    predecessor's deliveries; `within` leaves of it those in the alert's area. `languages`: those that have a rendering,
    first one first. `receipts`: somebody tells us later what became of its messages.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    kind: str
    family: str
    languages: tuple[str, ...]
    audience: Audience | None = None
    within: Within | None = None
    deliver_by: Milliseconds
    receipts: bool = False


class Plan(BaseModel):
    """The whole dispatch of one alert. `values` are the late facts by language, which fill the slots.

    `kind` says whom it reaches beside its audience and what it does to earlier messages; `predecessor` is the newest
    message of the thread that it follows. `reach` says whom of its audiences it may be sent to,
    `following` what is done where people are not reached or do not answer. `waves` are the regions of its area in the
    order in which people are written to (`kentongan.nearness`), none where nothing tells them apart.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Kind = Kind.ALERT
    mode: Mode
    life_at_stake: bool
    instances: tuple[PlannedInstance, ...]
    values: Mapping[str, Mapping[str, str]]
    predecessor: str | None = None
    reach: Reach = Reach()
    following: Following = Following()
    waves: Waves = ()

    def instance(self, name: str) -> PlannedInstance:
        """The part of the instance called `name`; raises KeyError."""
        for instance in self.instances:
            if instance.name == name:
                return instance
        raise KeyError(name)

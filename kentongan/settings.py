"""The agency's config, as frozen models: each a file of the config folder, or part of one.

agency.yaml     who we are, our languages and zone, whether this is a sandbox
channels.yaml   the channel instances, by name
audiences.yaml  named filters over the groups and regions of imported people
routes.yaml     which alert goes to which channels, and who is tried next (`kentongan.routes`); may be absent
paging.yaml     over which channels officers are paged, and for what; may be absent
policy.yaml     retry, doubt, tolerance and approval times
drills.yaml     what is rehearsed, and what a run must achieve; may be absent
service.yaml    where the service answers other officers' machines, how often it asks providers; may be absent

Secrets stand in none of them: a field that needs one names an environment variable or a file.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal
from zoneinfo import ZoneInfo

from pydantic import Field, SecretStr, field_validator, model_validator

from kentongan.approved import ApprovedTemplate
from kentongan.config_model import Model
from kentongan.drills import Drills
from kentongan.paging import Paging
from kentongan.routes import Routes
from kentongan.seam import Mode

_LANGUAGE = re.compile(r"[a-zA-Z]{2,3}(-[a-zA-Z0-9]{2,8})*")
_ADDRESS = re.compile(r"https?://[^\s/?#]+(/\S*)?")


class SecretSource(Model):
    """Where a secret is: an environment variable, or a file, which may be replaced, whose trimmed text it is."""

    env: str | None = None
    file: Path | None = None

    @model_validator(mode="after")
    def _one_source(self) -> SecretSource:
        if (self.env is None) == (self.file is None):
            raise ValueError("name either env or file")
        return self

    def read(self) -> SecretStr:
        """Returns the secret; raises ValueError, naming the source but not the value, where it is absent."""
        if self.env is not None:
            value = os.environ.get(self.env, "")
            if not value:
                raise ValueError(f"environment variable {self.env} is not set")
            return SecretStr(value)
        assert self.file is not None
        try:
            value = self.file.read_text("utf-8").strip()
        except OSError as error:
            raise ValueError(f"secret file {self.file} cannot be read: {error.strerror}") from None
        except UnicodeDecodeError:
            raise ValueError(f"secret file {self.file} is not UTF-8 text") from None
        if not value:
            raise ValueError(f"secret file {self.file} is empty")
        return SecretStr(value)


class Agency(Model):
    """agency.yaml."""

    name: str = Field(description="The agency's name as the public knows it.")
    names: Mapping[str, str] = Field(default_factory=dict, description="The name in other languages, by language.")
    sender: str = Field(description="CAP sender: a unique id of ours, such as an e-mail address.")
    languages: tuple[str, ...] = Field(description="Public languages, first one first.")
    timezone: str = Field(default="UTC", description="IANA zone of the agency, such as Asia/Jakarta.")
    link: str = Field(description="Base address of the public pages; the alert code is added to it.")
    contact: str = Field(default="", description="How the public reaches help, such as a telephone number.")
    sandbox: bool = Field(default=False, description="True: live alerts may go to sandbox instances.")

    @field_validator("sender")
    @classmethod
    def _cap_identifier(cls, value: str) -> str:
        if any(character in value for character in " ,<&"):
            raise ValueError("CAP allows no space, comma, < or & here")
        return value

    @field_validator("languages")
    @classmethod
    def _known_form(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if not value:
            raise ValueError("names none; write codes such as id or en")
        for language in value:
            if not _LANGUAGE.fullmatch(language):
                raise ValueError(f"{language!r} is no language; write codes such as id or en")
        return value

    @field_validator("timezone")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (LookupError, ValueError, OSError):
            raise ValueError(f"{value!r} is no IANA zone; write one such as Asia/Jakarta") from None
        return value

    @field_validator("link")
    @classmethod
    def _address(cls, value: str) -> str:
        if not _ADDRESS.fullmatch(value):
            raise ValueError("must be an address that begins with https:// or http:// and names a host")
        return value


class InstanceSettings(Model):
    """What every channel instance has; each adapter adds its own fields.

    `audience` names the people it writes to; without one the instance publishes to everybody.
    """

    kind: str = Field(description="The kind of channel: the name of its adapter.")
    mode: Mode = Field(description="live, drill (with credentials of its own) or exercise (public, real account).")
    sandbox: bool = Field(default=False, description="True where a stand-in answers and nobody is reached.")
    audience: str | None = Field(default=None, description="Who is written to, by audience name; absent: public.")
    rate: float | None = Field(default=None, gt=0, description="Requests a second; absent: the kind's own.")
    concurrency: int | None = Field(default=None, ge=1, le=256, description="Requests at once; absent: the kind's own.")
    deadline: float = Field(default=10.0, gt=0, le=120, description="Seconds for one request in all.")
    deliver_within: float | None = Field(default=None, gt=0, description="Seconds after which it is too late.")
    credential: str | None = Field(
        default=None,
        pattern=r"^[A-Za-z0-9_.-]{1,64}$",
        description="Name of the account whose rate it shares; absent: by its number, page, user or token's place.",
    )
    daily: int | None = Field(
        default=None, ge=1, description="Most messages in 24 hours by contract; forecasts count with it."
    )

    def confirmed(self) -> bool:
        """Whether this instance has receipts asked for, on a kind of channel that gives them."""
        return True

    def approved_templates(self) -> Sequence[ApprovedTemplate] | None:
        """The templates that its provider has approved and takes alone; None where it takes words of ours."""
        return None


class Audience(Model):
    """A named filter: people in any of `groups` and in any of `regions`; an empty list is no filter.

    A region matches by code or by the code of a region that holds it ("33" holds "33.05").
    """

    groups: tuple[str, ...] = ()
    regions: tuple[str, ...] = ()


class Policy(Model):
    """policy.yaml."""

    repeat_after: float = Field(default=60.0, ge=1, description="Seconds in doubt before the one marked repeat.")
    backoff_first: float = Field(default=1.0, gt=0, description="Seconds before the first repeat of what never left.")
    backoff_most: float = Field(default=60.0, gt=0, description="Most seconds between two attempts.")
    tolerated_share: float = Field(default=0.05, ge=0, le=1, description="Share of addresses that may fail.")
    refused_in_row: int = Field(default=5, ge=1, description="Different people refused in a row that hold a channel.")
    probe_every: float = Field(default=15.0, gt=0, description="Seconds between probes of a held channel.")
    approval_lasts: float = Field(default=1800.0, gt=0, description="Seconds for which an approval is good.")
    approval_by_code: bool = Field(
        default=True, description="Whether a second officer may approve by a one-time code on the telephone."
    )
    review_within: float = Field(default=86_400.0, gt=0, description="Seconds to review a broken glass.")
    break_glass: tuple[Literal["Extreme", "Severe", "Moderate", "Minor"], ...] = Field(
        default=("Extreme", "Severe"), description="Severities for which one officer may send alone."
    )
    opt_out_exception: tuple[Literal["Extreme", "Severe"], ...] = Field(
        default=("Extreme",),
        description="Severities at which a live alert, immediate or expected, is sent to those who opted out too.",
    )
    people_kept_days: int | None = Field(
        default=None, ge=1, description="Days after which people who left the list are erased; absent: never."
    )
    answers_kept_days: int | None = Field(
        default=None, ge=1, description="Days after which the words of answers are erased; absent: never."
    )
    deliveries_kept_days: int | None = Field(
        default=None,
        ge=1,
        description="Quiet days for which a thread's deliveries are kept and can be followed; absent: for ever.",
    )


class Service(Model):
    """service.yaml: what `kentongan serve` opens beside its local socket, and looks after; its options win over it."""

    officers_listen: str | None = Field(default=None, description="HOST:PORT where officers' machines are answered.")
    tls_certificate: Path | None = Field(default=None, description="Certificate of that address, PEM, with its chain.")
    tls_key: Path | None = Field(default=None, description="Its private key, PEM.")
    metrics: int | str | None = Field(
        default=None,
        description="PORT of this machine or HOST:PORT where metrics and health are shown; absent: nowhere.",
    )
    probe_every: float | None = Field(
        default=None, ge=60, description="Seconds between two looks at every channel; absent: none but on request."
    )
    warn_before: float = Field(
        default=1_209_600.0, ge=0, description="Seconds before a credential ends from which officers are told."
    )
    ballast: int = Field(
        default=64, ge=0, le=100_000, description="Megabytes kept beside the ledger for when its disk is full; 0: none."
    )
    backed_up_within: float = Field(
        default=172_800.0, gt=0, description="Seconds after which a new backup of the ledger is wanted."
    )
    keys_confirmed_within: float = Field(
        default=15_552_000.0, gt=0, description="Seconds after which the copy of the keys is to be looked at again."
    )


class Settings(Model):
    """The whole config, with each instance in its adapter's own settings model."""

    source: Path | None
    agency: Agency
    channels: Mapping[str, InstanceSettings]
    audiences: Mapping[str, Audience]
    policy: Policy
    routes: Routes = Routes()
    paging: Paging = Paging()
    service: Service = Service()
    drills: Drills = Drills()

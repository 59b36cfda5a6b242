"""The agency's config: a folder of YAML files read into frozen models.

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
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args
from zoneinfo import ZoneInfo

import yaml
from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator

from kentongan import paging, route_faults
from kentongan.approved import ApprovedTemplate
from kentongan.config_model import Model
from kentongan.drills import Drills
from kentongan.errors import BadConfig
from kentongan.paging import Paging
from kentongan.routes import Routes
from kentongan.seam import Mode

_M = TypeVar("_M", bound=Model)

_LANGUAGE = re.compile(r"[a-zA-Z]{2,3}(-[a-zA-Z0-9]{2,8})*")
_ADDRESS = re.compile(r"https?://[^\s/?#]+(/\S*)?")
_NAME = re.compile(r"\w[\w.-]{0,63}")


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
    concurrency: int | None = Field(default=None, ge=1, le=64, description="Requests at once; absent: the kind's own.")
    deadline: float = Field(default=10.0, gt=0, le=120, description="Seconds for one request in all.")
    deliver_within: float | None = Field(default=None, gt=0, description="Seconds after which it is too late.")

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


class Service(Model):
    """service.yaml: what `kentongan serve` opens beside its local socket, and looks after; its options win over it."""

    officers_listen: str | None = Field(default=None, description="HOST:PORT where officers' machines are answered.")
    tls_certificate: Path | None = Field(default=None, description="Certificate of that address, PEM, with its chain.")
    tls_key: Path | None = Field(default=None, description="Its private key, PEM.")
    probe_every: float | None = Field(
        default=None, ge=60, description="Seconds between two looks at every channel; absent: none but on request."
    )
    warn_before: float = Field(
        default=1_209_600.0, ge=0, description="Seconds before a credential ends from which officers are told."
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


def find_config(explicit: Path | None, environment: Mapping[str, str] = os.environ) -> Path | None:
    """Returns the config folder: the one named, else KENTONGAN_CONFIG, else the XDG one; None where there is none.

    Raises BadConfig when one was named and is not there.
    """
    named = explicit or (Path(environment["KENTONGAN_CONFIG"]) if environment.get("KENTONGAN_CONFIG") else None)
    if named is not None:
        if not named.is_dir():
            raise BadConfig(f"config folder {named} is not there; name an existing folder with --config")
        return named
    default = usual_folder(environment)
    return default if (default / "agency.yaml").is_file() else None


def usual_folder(environment: Mapping[str, str] = os.environ) -> Path:
    """Where a config is looked for that nobody names."""
    home = Path(environment.get("XDG_CONFIG_HOME") or Path(environment.get("HOME", "/")) / ".config")
    return home / "kentongan"


def load(folder: Path, kinds: Mapping[str, type[InstanceSettings]]) -> Settings:
    """Reads the config in `folder`; raises BadConfig with every fault found, a sentence a line."""
    faults: list[str] = []

    def read(name: str, required: bool) -> dict[str, Any]:
        path = folder / name
        if not path.is_file():
            if required:
                faults.append(f"{path}: is missing; `kentongan check` lists what a config needs")
            return {}
        try:
            content = yaml.load(path.read_text("utf-8"), _Loader)  # noqa: S506 (it is the safe loader)
        except _Twice as error:
            faults.append(f"{path}: {error}")
            return {}
        except (yaml.YAMLError, ValueError, OSError, RecursionError) as error:
            mark = getattr(error, "problem_mark", None)
            where = f" line {mark.line + 1}" if mark is not None else ""
            faults.append(f"{path}:{where} is not readable as YAML; mend the indentation or quoting there")
            return {}
        if content is None:
            return {}
        if not isinstance(content, dict):
            faults.append(f"{path}: must hold fields with values, one a line")
            return {}
        return content

    def named(name: str, field: str) -> dict[str, Any]:
        """What stands in a file under its one field, by name."""
        content = read(name, False)
        faults.extend(
            f"{folder / name}: {other}: no such field; known are {field}" for other in content if other != field
        )
        entries = content.get(field)
        if entries is None:
            return {}
        if not isinstance(entries, dict):
            faults.append(f"{folder / name}: {field}: must hold names, each with its fields below")
            return {}
        sound = {}
        for key, value in entries.items():
            if not _NAME.fullmatch(str(key)):
                told = "is no name; use letters, digits and . - _"
            elif not isinstance(value, dict | None):
                told = "must hold fields with values, one a line"
            else:
                sound[str(key)] = value or {}
                continue
            faults.append(f"{folder / name}: {field}.{key}: {told}")
        return sound

    def build(model: type[_M], content: Any, path: Path, prefix: str = "") -> _M | None:
        try:
            return model.model_validate(content)
        except ValidationError as error:
            faults.extend(_sentences(error, model, path, prefix))
            return None

    agency = build(Agency, read("agency.yaml", True), folder / "agency.yaml")
    policy = build(Policy, read("policy.yaml", False), folder / "policy.yaml")

    audiences: dict[str, Audience] = {}
    path = folder / "audiences.yaml"
    for name, content in named("audiences.yaml", "audiences").items():
        audience = build(Audience, content, path, f"audiences.{name}")
        if audience is not None:
            audiences[name] = audience

    instances: dict[str, InstanceSettings] = {}
    path = folder / "channels.yaml"
    for name, content in named("channels.yaml", "channels").items():
        place = f"channels.{name}"
        kind = content.get("kind")
        if not isinstance(kind, str) or kind not in kinds:
            known = ", ".join(sorted(kinds))
            faults.append(f"{path}: {place}.kind: {kind!r} is no channel; known are {known}")
            continue
        instance = build(kinds[kind], content, path, place)
        if instance is None:
            continue
        if instance.audience is not None and instance.audience not in audiences:
            faults.append(f"{path}: {place}.audience: {instance.audience!r} stands not in audiences.yaml; add it there")
            continue
        instances[name] = instance

    routes = build(Routes, read("routes.yaml", False), folder / "routes.yaml")
    if routes is not None and not faults:
        public = {name: instance.audience is None for name, instance in instances.items()}
        faults.extend(f"{folder / 'routes.yaml'}: {fault}" for fault in route_faults.faults(routes, public))

    pages = build(Paging, read("paging.yaml", False), folder / "paging.yaml")
    if pages is not None and not faults:
        public = {name: instance.audience is None for name, instance in instances.items()}
        faults.extend(f"{folder / 'paging.yaml'}: {fault}" for fault in paging.faults(pages, public))
    rehearsed = build(Drills, read("drills.yaml", False), folder / "drills.yaml")
    if rehearsed is not None:
        faults.extend(
            f"{folder / 'drills.yaml'}: scenarios.{name}: is no name; use letters, digits and . - _"
            for name in rehearsed.scenarios
            if not _NAME.fullmatch(name)
        )
    service = build(Service, read("service.yaml", False), folder / "service.yaml")

    if faults:
        raise BadConfig("\n".join(faults))
    assert agency is not None
    assert pages is not None
    assert service is not None
    assert rehearsed is not None
    assert policy is not None
    assert routes is not None
    return Settings(
        source=folder,
        agency=agency,
        channels=instances,
        audiences=audiences,
        policy=policy,
        routes=routes,
        paging=pages,
        service=service,
        drills=rehearsed,
    )


class _Twice(ValueError):
    """One name stands twice in a mapping; YAML would take the last and say nothing."""


class _Loader(yaml.SafeLoader):
    """The safe loader, which refuses a name that stands twice and takes every name of a field as it is written."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """Builds one mapping."""
        seen: set[str] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.tag == "tag:yaml.org,2002:bool":
                # YAML 1.1 reads the field `on` as true.
                key.tag = "tag:yaml.org,2002:str"
            if isinstance(key, yaml.ScalarNode) and key.tag != "tag:yaml.org,2002:merge":
                if key.value in seen:
                    raise _Twice(f"line {key.start_mark.line + 1}: {key.value!r} stands there twice; keep one")
                seen.add(key.value)
        return dict(super().construct_mapping(node, deep=deep))


def _fields(model: type[Model], place: Sequence[int | str]) -> list[str]:
    """The fields known at a place inside a model; none where it is no single model there."""
    annotation: Any = model
    for part in place:
        if isinstance(part, int):
            continue
        field = annotation.model_fields.get(part)
        if field is None:
            return []
        found = list(_models(field.annotation))
        if len(found) != 1:
            return []
        annotation = found[0]
    return [field.alias or name for name, field in annotation.model_fields.items()]


def _models(annotation: Any) -> Iterator[type[Model]]:
    """The models that stand in an annotation."""
    if isinstance(annotation, type) and issubclass(annotation, Model):
        yield annotation
    for inner in get_args(annotation):
        yield from _models(inner)


def _sentences(error: ValidationError, model: type[Model], path: Path, prefix: str) -> list[str]:
    result = []
    for fault in error.errors(include_url=False, include_input=False, include_context=False):
        place = ".".join([p for p in (prefix, *map(str, fault["loc"])) if p]) or "(whole file)"
        message = fault["msg"].removeprefix("Value error, ")
        if fault["type"] == "extra_forbidden":
            known = _fields(model, fault["loc"][:-1])
            message = "no such field; known are " + ", ".join(known) if known else "no such field; take it out"
        elif fault["type"] == "missing":
            message = "is missing; add it"
        result.append(f"{path}: {place}: {message}")
    return result

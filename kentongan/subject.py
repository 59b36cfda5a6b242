"""What an approval covers: the alert, its renderings, where they go, and the correction that lies ready."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import field
from typing import ClassVar

from pydantic import ConfigDict

from kentongan.alert import Kind
from kentongan.area.codes import Within
from kentongan.keys import canonical_json
from kentongan.officers import STORED
from kentongan.quick_dataclass import dataclass
from kentongan.routes import Following
from kentongan.seam import Mode
from kentongan.settings import Audience


@dataclass(frozen=True, slots=True)
class Instance:
    """One channel instance as the officer saw it planned; without an audience it publishes to everybody."""

    name: str
    kind: str
    mode: Mode
    sandbox: bool
    audience: Audience | None = None


@dataclass(frozen=True, slots=True)
class Prepared:
    """The correction that is approved with its alert: digests of its row and, by "instance:language", renderings."""

    alert: str
    renderings: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Subject:
    """All that an approval covers but the people count, which may change while people subscribe and leave.

    `alert` is the digest of the alert row, `renderings` those of its renderings by "instance:language", computed anew
    from their content whenever an approval is checked; `area` are the region and area names as shown; `within` are the
    regions that people are reached in, None where all of an audience are. `following` is what is done where people are
    not reached or do not answer.
    """

    __pydantic_config__: ClassVar[ConfigDict] = STORED

    alert_id: str
    kind: Kind
    alert: str
    renderings: Mapping[str, str]
    instances: Sequence[Instance]
    area: Sequence[str]
    correction: Prepared | None = None
    within: Within | None = None
    following: Following = field(default_factory=Following)


def subject_digest(subject: Subject) -> str:
    """Digest of what is approved, the same in whatever order its parts are given; 64 hexadecimal characters."""
    prepared = subject.correction
    covered: dict[str, object] = {
        "alert_id": subject.alert_id,
        "kind": subject.kind.value,
        "alert": subject.alert,
        "renderings": dict(subject.renderings),
        "instances": sorted((_instance(each) for each in subject.instances), key=canonical_json),
        "area": sorted(subject.area),
        "correction": prepared and {"alert": prepared.alert, "renderings": dict(prepared.renderings)},
    }
    if subject.within is not None:
        # Absent where there is none, so that what was approved before there were regions still stands.
        covered["within"] = {"codes": sorted(subject.within.codes), "unplaced": subject.within.unplaced}
    if subject.following != Following():
        covered["following"] = subject.following.model_dump(mode="json")
    return hashlib.sha256(canonical_json(["kentongan subject 1", covered])).hexdigest()


def _instance(instance: Instance) -> dict[str, object]:
    audience = instance.audience
    return {
        "name": instance.name,
        "kind": instance.kind,
        "mode": instance.mode.value,
        "sandbox": instance.sandbox,
        "audience": audience and {"groups": sorted(audience.groups), "regions": sorted(audience.regions)},
    }

"""What an approval covers, digested: the draft, its renderings, where they go, and the correction that lies ready."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from kentongan.alert import Draft, Kind
from kentongan.keys import canonical_json
from kentongan.seam import Mode, Rendered
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
    """The correction that is approved with its alert: digests of its draft and, by (instance, language), renderings."""

    draft: str
    renderings: Mapping[tuple[str, str], str]


@dataclass(frozen=True, slots=True)
class Subject:
    """All that an approval covers but the people count, which may change while people subscribe and leave.

    `draft` and `renderings`, by (instance, language), are digests; `area` are the region and area names as shown.
    """

    alert_id: str
    kind: Kind
    draft: str
    renderings: Mapping[tuple[str, str], str]
    instances: Sequence[Instance]
    area: Sequence[str]
    correction: Prepared | None = None


def draft_digest(draft: Draft) -> str:
    """Digest of a draft; 64 hexadecimal characters."""
    return _digest("draft", draft.model_dump(mode="json"))


def rendering_digest(message: Rendered) -> str:
    """Digest of one rendering with its slots still open, media and documents included; 64 hexadecimal characters."""
    return _digest(
        "rendering",
        {
            "alert_id": message.alert_id,
            "instance": message.instance,
            "language": message.language,
            "kind": message.kind,
            "mode": message.mode.value,
            "code": message.code,
            "mark": message.mark,
            "title": message.title,
            "text": message.text,
            "html": message.html,
            "link": message.link,
            "media": [
                [each.name, each.media_type, hashlib.sha256(each.content).hexdigest(), each.description]
                for each in message.media
            ],
            "documents": [[each.name, each.media_type, each.text] for each in message.documents],
        },
    )


def subject_digest(subject: Subject) -> str:
    """Digest of what is approved, the same in whatever order its parts are given; 64 hexadecimal characters."""
    prepared = subject.correction
    return _digest(
        "subject",
        {
            "alert_id": subject.alert_id,
            "kind": subject.kind.value,
            "draft": subject.draft,
            "renderings": _by_place(subject.renderings),
            "instances": sorted((_instance(each) for each in subject.instances), key=canonical_json),
            "area": sorted(subject.area),
            "correction": prepared and {"draft": prepared.draft, "renderings": _by_place(prepared.renderings)},
        },
    )


def _by_place(renderings: Mapping[tuple[str, str], str]) -> list[list[str]]:
    return [[instance, language, value] for (instance, language), value in sorted(renderings.items())]


def _instance(instance: Instance) -> dict[str, object]:
    audience = instance.audience
    return {
        "name": instance.name,
        "kind": instance.kind,
        "mode": instance.mode.value,
        "sandbox": instance.sandbox,
        "audience": audience and {"groups": sorted(audience.groups), "regions": sorted(audience.regions)},
    }


def _digest(what: str, value: object) -> str:
    return hashlib.sha256(canonical_json([f"kentongan {what} 1", value])).hexdigest()

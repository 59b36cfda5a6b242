"""Illustrating: the pictures of a draft, from files that officers name and from CAP documents that hold them."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Mapping
from dataclasses import field

from kentongan import cap, pictures
from kentongan.alert import Draft, Kind
from kentongan.errors import BadInput
from kentongan.gates import Finding, Weight
from kentongan.pictures import Picture
from kentongan.quick_dataclass import dataclass
from kentongan.seam import Limits


@dataclass(frozen=True, slots=True)
class Illustrated:
    """Pictures for a draft, what they hold by digest, and what the officer should know of them."""

    pictures: tuple[Picture, ...] = ()
    contents: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    warnings: tuple[str, ...] = ()

    def __add__(self, other: Illustrated) -> Illustrated:
        return Illustrated(
            pictures.named_apart((*self.pictures, *other.pictures)),
            {**self.contents, **other.contents},
            (*self.warnings, *other.warnings),
        )

    def of(self, draft: Draft) -> Draft:
        """The draft with these pictures."""
        warnings = (*draft.warnings, *self.warnings)
        return draft.model_copy(update={"pictures": self.pictures, "warnings": warnings})


NONE = Illustrated()


def from_files(files: Iterable[tuple[str, bytes, str]]) -> Illustrated:
    """The pictures of these files: name, content and alternative text of each; raises BadInput."""
    illustrated = NONE
    for name, content, description in files:
        picture, kept, warnings = pictures.read(name, content, description)
        illustrated += Illustrated((picture,), {picture.digest: kept}, warnings)
    return illustrated


def from_resources(alert: cap.Alert) -> Illustrated:
    """The pictures that a CAP alert holds in itself; what cannot be one is left out, and the officer told so.

    One that it only names by address stays there, as a link in the CAP document: nothing is fetched.
    """
    illustrated = NONE
    said: dict[str, None] = {}
    for resource in (each for info in alert.infos for each in info.resources):
        if not resource.mime_type.lower().startswith("image/"):
            continue
        name = (resource.uri or "").rpartition("/")[2].partition("?")[0] or "the picture of the CAP document"
        if resource.deref_uri is None:
            said[f"{name} is named by address only and was not fetched; to show it, give it with --media"] = None
            continue
        try:
            content = base64.b64decode("".join(resource.deref_uri.split()), validate=True)
            illustrated += from_files([(name, content, resource.resource_desc)])
        except binascii.Error:
            said[f"{name} is left out: it cannot be decoded"] = None
        except BadInput as fault:
            said[f"it is left out: {fault}"] = None
    return Illustrated(illustrated.pictures, illustrated.contents, (*illustrated.warnings, *said))


def findings(kind: Kind, draft: Draft, limits: Mapping[str, Limits]) -> list[Finding]:
    """Warnings of pictures that a channel, by instance, cannot carry though it carries others: its words go alone."""
    found: list[Finding] = []
    if not kind.widens:
        return found
    for name, each in limits.items():
        if each.pictures is None:
            continue
        for picture in draft.pictures:
            if why := pictures.unfit(picture, each.pictures):
                sentence = f"{name} goes without {picture.name}, which {why}; its text and link say it all the same"
                found.append(Finding("picture", sentence, Weight.WARN))
    return found

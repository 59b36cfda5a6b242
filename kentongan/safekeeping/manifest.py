"""The manifest of a backup: what it holds, of which moment, and by which ledger's key it is signed."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from kentongan.clock import Milliseconds
from kentongan.errors import BadInput
from kentongan.keys import StateKeys, canonical_json, verify_witness
from kentongan.quick_dataclass import dataclass

NAME = "manifest.json"
_PREFIX = b"backup 1\n"


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a backup holds.

    `taken_at`: no later than the last commit it holds (wall time). `schema`: of the ledger in it. `counts`: rows, by
    what they are. `head`: the ends of its chains, signed (`kentongan.ledger.verification`). `files`: SHA-256 by path
    within it. `keys`: the digest of the keys that were at hand (`kentongan.safekeeping.escrow`), never a key.
    `people`: the fingerprints of the key of people's data that opens it; none where an older version made it.
    """

    version: str
    schema: str
    taken_at: Milliseconds
    taken: str
    counts: Mapping[str, int]
    head: Mapping[str, Any]
    files: Mapping[str, str]
    keys: str
    people: Sequence[str] = ()

    @property
    def ledger(self) -> str:
        """Which ledger it is of: the public key by which its heads are verified."""
        return str(self.head["key"])

    def signed(self, keys: StateKeys) -> bytes:
        """The file as it is written."""
        body = _body(self)
        signature = keys.witness(_PREFIX + canonical_json(body)).hex()
        return json.dumps({**body, "signature": signature}, indent=1, sort_keys=True).encode() + b"\n"


def read(folder: Path) -> tuple[Manifest, bytes]:
    """The manifest of the backup in `folder`, and its signature, which `verify` holds against a key.

    Raises BadInput where there is none that can be read.
    """
    path = folder / NAME
    try:
        content = json.loads(path.read_text("utf-8"))
    except OSError as error:
        raise BadInput(f"{folder} is no backup: {NAME} cannot be read ({error.strerror}); name a backup") from None
    except ValueError:
        raise BadInput(f"{path} is damaged; restore another backup") from None
    try:
        signature = bytes.fromhex(content.pop("signature"))
        found = Manifest(**content)
        complete = (
            isinstance(found.taken_at, int)
            and isinstance(found.schema, str)
            and isinstance(found.head, dict)
            and isinstance(found.head["chains"], dict)
            and bool(found.ledger)
            and isinstance(found.files, dict)
            and isinstance(found.people, list | tuple)
            and all(isinstance(each, str) for each in found.people)
        )
    except (AttributeError, KeyError, TypeError, ValueError):
        complete = False
    if not complete:
        raise BadInput(f"{path} is no manifest of a backup; restore another backup")
    return found, signature


def is_signed(manifest: Manifest, signature: bytes, public_key: bytes) -> bool:
    """Whether the ledger with this public key has signed the manifest as it stands."""
    try:
        content = canonical_json(_body(manifest))
    except (TypeError, ValueError):
        return False
    return verify_witness(public_key, _PREFIX + content, signature)


def _body(manifest: Manifest) -> dict[str, Any]:
    body = asdict(manifest)
    if not manifest.people:
        # As it was signed before there were any.
        del body["people"]
    return body

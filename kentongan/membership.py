"""Who becomes an officer and who stops being one: decided from signed statements alone.

The rules and why they are so: docs/decisions/0003-officers.md.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from pydantic import JsonValue

from kentongan.keys import verify_signature
from kentongan.officers import CLOCK_SKEW, Officer, Refusal, Signed, read_statement, statement, verify
from kentongan.quick_dataclass import dataclass

STATEMENT_LASTS = timedelta(hours=24)
"""How long a signed statement on an officer may wait for what it still lacks."""
RECOVERY_WAITS = timedelta(hours=24)
"""How long a newcomer waits whom the only officer left has brought in alone."""


@dataclass(frozen=True, slots=True)
class Admitted:
    """The newcomer may be written down, to count from `active_from`; `by` are the officers who vouch."""

    active_from: datetime
    by: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Revoked:
    """The officer may be written down as revoked from `at`."""

    at: datetime
    by: str


def addition(newcomer: Officer, now: datetime) -> bytes:
    """Returns the statement that admits `newcomer`; signed by an officer, another officer and the newcomer."""
    fields: dict[str, JsonValue] = {
        "name": newcomer.name,
        "public_key": newcomer.public_key.hex(),
        "sealed_key": hashlib.sha256(newcomer.sealed_key.encode()).hexdigest(),
    }
    return statement("officer.add", fields, now)


def revocation(name: str, now: datetime) -> bytes:
    """Returns the statement that revokes the officer called `name`; signed by any one officer."""
    return statement("officer.revoke", {"name": name}, now)


def check_addition(
    newcomer: Officer, signatures: Sequence[Signed], *, officers: Mapping[str, Officer], now: datetime
) -> Admitted | Refusal:
    """Decides whether `newcomer` is an officer; `officers` are all that ever were, by name."""
    name = newcomer.name
    if name in officers:
        return Refusal("officer-name", f"officer {name} is or was there already; choose another name")
    content = signatures[0].statement if signatures else b""
    by_newcomer = [each for each in signatures if each.officer == name and each.statement == content]
    if not any(verify_signature(newcomer.public_key, content, each.signature) for each in by_newcomer):
        return Refusal("officer-key", f"officer {name} has not signed; let them type their secret at `officer add`")
    said = read_statement(content)
    if content != addition(newcomer, said.at):
        return Refusal("officer-statement", f"what was signed is not about this officer {name}; add them again")
    if said.at > now + CLOCK_SKEW or now - said.at > STATEMENT_LASTS:
        return Refusal("officer-statement", f"the statement on officer {name} has lapsed; add them again")
    if any(newcomer.public_key == officer.public_key for officer in officers.values()):
        return Refusal("officer-key", f"officer {name} signs with another officer's key; add them again with their own")
    # Whole seconds, as signatures have them: an officer's first signature must not seem to precede them.
    now = now.replace(microsecond=0)
    if not officers:
        return Admitted(now, ())
    vouching = tuple(
        sorted({each.officer for each in signatures if each.statement == content and verify(each, officers, now)})
    )
    active = [officer for officer in officers.values() if officer.active(now)]
    if not vouching:
        return Refusal("officer-vouching", f"an officer must sign for {name}; log in and add them again")
    if len(officers) == 1:
        return Admitted(now, vouching)
    if len(active) == 1:
        # From now, not from the statement's own time, which its signer could have put back.
        return Admitted(now + RECOVERY_WAITS, vouching)
    if len(vouching) < 2:
        return Refusal(
            "officer-vouching",
            f"officer {name} needs the approval of a second officer; another than {vouching[0]} must sign",
        )
    return Admitted(now, vouching)


def check_revocation(signed: Signed, *, officers: Mapping[str, Officer], now: datetime) -> Revoked | Refusal:
    """Decides whether a revocation holds: signed by any one officer, themselves included, and somebody is left."""
    said = read_statement(signed.statement)
    name = said.fields.get("name")
    if said.kind != "officer.revoke" or not isinstance(name, str) or name not in officers:
        return Refusal("officer-statement", "no such officer is there to revoke; see `kentongan officer list`")
    if said.at > now + CLOCK_SKEW or now - said.at > STATEMENT_LASTS:
        return Refusal("officer-statement", f"the statement on officer {name} has lapsed; revoke them again")
    if officers[name].revoked_at is not None:
        return Refusal("officer-revoked", f"officer {name} is revoked already; nothing is left to do")
    if not verify(signed, officers, now):
        return Refusal("officer-vouching", f"only an officer may revoke {name}; log in and revoke them again")
    if not any(officer.active(now) for officer in officers.values() if officer.name != name):
        return Refusal("officer-last", f"officer {name} is the last one; add another first")
    return Revoked(now, signed.officer)

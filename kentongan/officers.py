"""Officers: each has a signing key sealed by a secret that only they know, and signs statements with it."""

from __future__ import annotations

import base64
import json
import os
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import field
from datetime import UTC, datetime, timedelta
from typing import ClassVar

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt
from pydantic import AwareDatetime, ConfigDict, JsonValue, SecretStr

from kentongan.errors import BadInput, Refused
from kentongan.keys import KEY_LENGTH, NONCE_LENGTH, Random, canonical_json, verify_signature
from kentongan.quick_dataclass import dataclass

SHORTEST_SECRET = 12
CLOCK_SKEW = timedelta(seconds=60)
"""How far ahead of ours the clock of another officer's machine may be."""

# Memory is 128 * n * r bytes: 64 MiB and about 0.2 s, once a login.
_SCRYPT_N, _SCRYPT_R, _SCRYPT_P = 2**16, 8, 1
# A sealed key read back may ask for no less than this, and for no more than a small machine has.
_SCRYPT_N_LEAST, _SCRYPT_N_MOST = 2**14, 2**18
STORED = ConfigDict(extra="forbid", ser_json_bytes="base64", val_json_bytes="base64")
"""How values of this package that the ledger keeps are written as JSON (`kentongan.stored`)."""

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{1,31}")


@dataclass(frozen=True, slots=True)
class Officer:
    """One officer as the ledger keeps them; `name` is never used again, even after revocation.

    `public_key` has 32 bytes. `sealed_key` is one line of JSON with the scrypt parameters. The officer counts from
    `active_from` (UTC) until `revoked_at`.
    """

    __pydantic_config__: ClassVar[ConfigDict] = STORED

    name: str
    public_key: bytes
    sealed_key: str = field(repr=False)
    active_from: AwareDatetime
    revoked_at: AwareDatetime | None = None

    def active(self, now: datetime) -> bool:
        """Whether this officer's signature counts at `now`."""
        return self.active_from <= now and (self.revoked_at is None or now < self.revoked_at)


@dataclass(frozen=True, slots=True)
class SigningKey:
    """An officer's unsealed key; it never shows in `repr`."""

    officer: str
    _seed: bytes = field(repr=False)

    @property
    def public_key(self) -> bytes:
        """The 32 public bytes, the same as the officer's own."""
        return self._private().public_key().public_bytes_raw()

    def sign(self, message: bytes) -> bytes:
        """Signs `message` with Ed25519; 64 bytes."""
        return self._private().sign(message)

    def seed(self) -> bytes:
        """The 32 secret bytes, for the login file alone."""
        return self._seed

    def _private(self) -> Ed25519PrivateKey:
        return Ed25519PrivateKey.from_private_bytes(self._seed)


def read_name(text: str) -> str:
    """Returns the officer name that `text` means, in lower case; raises BadInput where it can be none."""
    name = text.strip().lower()
    if not _NAME.fullmatch(name):
        raise BadInput(
            f"officer name {text!r} cannot be used; take 2 to 32 of a-z, 0-9, dot, hyphen and underscore, "
            "beginning with a letter or digit, such as siti.rahma"
        )
    return name


def check_secret(name: str, secret: SecretStr) -> None:
    """Raises BadInput where the secret is too weak to seal a key; the sentence never holds any of it."""
    plain = _normalised(secret)
    if len(plain) < SHORTEST_SECRET:
        raise BadInput(f"the secret of officer {name} is too short; take {SHORTEST_SECRET} characters or more")
    if len(set(plain.lower())) < 5 or plain.lower().replace(name, "").strip() == "":
        raise BadInput(f"the secret of officer {name} is easily guessed; take several words that only you combine")


def new_officer(
    name: str, secret: SecretStr, *, now: datetime, random: Random = os.urandom, cost: int = _SCRYPT_N
) -> tuple[Officer, SigningKey]:
    """Makes an officer with a fresh key, active from `now`, and the key itself, which signs the statement on them.

    `cost` is scrypt's n, a power of two from 2**14 to 2**18. Raises BadInput for a name or secret that cannot be used.
    """
    if not _SCRYPT_N_LEAST <= cost <= _SCRYPT_N_MOST:
        raise ValueError(f"scrypt's n is {cost}")
    name = read_name(name)
    check_secret(name, secret)
    key = SigningKey(name, random(KEY_LENGTH))
    sealed = _seal(key, secret, random, cost)
    return Officer(name, key.public_key, sealed, now.astimezone(UTC).replace(microsecond=0)), key


def unseal(officer: Officer, secret: SecretStr) -> SigningKey:
    """Returns the officer's key; raises Refused (rule "secret") for a wrong secret, BadInput for a damaged row."""
    damaged = BadInput(f"the sealed key of officer {officer.name} is damaged; restore the ledger from its backup")
    try:
        sealed = json.loads(officer.sealed_key)
        n, r, p = (int(sealed[parameter]) for parameter in "nrp")
        salt, nonce, content = (base64.b64decode(sealed[part], validate=True) for part in ("salt", "nonce", "key"))
        if sealed["kdf"] != "scrypt" or not _SCRYPT_N_LEAST <= n <= _SCRYPT_N_MOST or (r, p) != (_SCRYPT_R, _SCRYPT_P):
            raise damaged
        wrapping = AESGCM(_stretch(secret, salt, n, r, p))
        seed = wrapping.decrypt(nonce, content, _sealed_for(officer.name, officer.public_key, n, r, p))
    except InvalidTag:
        raise Refused(
            f"wrong secret for officer {officer.name}; type it again, or have the officer revoked and added anew",
            rule="secret",
        ) from None
    except (ValueError, KeyError, TypeError):
        raise damaged from None
    return SigningKey(officer.name, seed)


def _seal(key: SigningKey, secret: SecretStr, random: Random, n: int) -> str:
    salt, nonce = random(16), random(NONCE_LENGTH)
    wrapping = AESGCM(_stretch(secret, salt, n, _SCRYPT_R, _SCRYPT_P))
    for_whom = _sealed_for(key.officer, key.public_key, n, _SCRYPT_R, _SCRYPT_P)
    content = wrapping.encrypt(nonce, key.seed(), for_whom)
    parts = {"salt": salt, "nonce": nonce, "key": content}
    return canonical_json(
        {"kdf": "scrypt", "n": n, "r": _SCRYPT_R, "p": _SCRYPT_P}
        | {part: base64.b64encode(value).decode("ascii") for part, value in parts.items()}
    ).decode("ascii")


def _stretch(secret: SecretStr, salt: bytes, n: int, r: int, p: int) -> bytes:
    return Scrypt(salt=salt, length=KEY_LENGTH, n=n, r=r, p=p).derive(_normalised(secret).encode("utf-8", "replace"))


def _sealed_for(name: str, public_key: bytes, n: int, r: int, p: int) -> bytes:
    return canonical_json(["kentongan sealed key 1", name, public_key.hex(), n, r, p])


def _normalised(secret: SecretStr) -> str:
    # Two keyboards may compose the same letter differently (Unicode TR15).
    return unicodedata.normalize("NFKC", secret.get_secret_value())


# --- What officers sign --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Signed:
    """A statement's exact bytes with one officer's signature over them."""

    __pydantic_config__: ClassVar[ConfigDict] = STORED

    statement: bytes
    officer: str
    signature: bytes


@dataclass(frozen=True, slots=True)
class Statement:
    """What signed bytes say."""

    kind: str
    fields: Mapping[str, JsonValue]
    at: datetime


def statement(kind: str, fields: Mapping[str, JsonValue], now: datetime) -> bytes:
    """Returns the bytes that officers sign; `now` counts in whole seconds, so that any store gives it back alike."""
    at = now.astimezone(UTC).replace(microsecond=0).isoformat()
    return canonical_json({"kentongan": 1, "kind": kind, "fields": dict(fields), "at": at})


def read_statement(content: bytes) -> Statement:
    """Reads what `statement` made; raises BadInput for anything else."""
    try:
        read = json.loads(content)
        if (
            canonical_json(read) != content
            or read["kentongan"] != 1
            or set(read) != {"kentongan", "kind", "fields", "at"}
        ):
            raise ValueError
        result = Statement(str(read["kind"]), dict(read["fields"]), datetime.fromisoformat(read["at"]))
        if result.at.tzinfo is None:
            raise ValueError
    except (ValueError, KeyError, TypeError):
        raise BadInput("a signed statement in the ledger is damaged; run `kentongan log verify`") from None
    return result


def sign(content: bytes, key: SigningKey) -> Signed:
    """Signs a statement's bytes."""
    return Signed(content, key.officer, key.sign(content))


def verify(signed: Signed, officers: Mapping[str, Officer], now: datetime) -> bool:
    """Whether an officer who counts at `now` signed this; `officers` are by name."""
    officer = officers.get(signed.officer)
    return (
        officer is not None
        and officer.active(now)
        and verify_signature(officer.public_key, signed.statement, signed.signature)
    )


@dataclass(frozen=True, slots=True)
class Refusal:
    """The verdict that a rule forbids an act; `sentence` says how to go on."""

    rule: str
    sentence: str

    def error(self) -> Refused:
        """This refusal as the error that ends a command."""
        return Refused(self.sentence, rule=self.rule)

"""An officer's own machine, with neither ledger nor config: how it asks the service over TLS, and what it keeps.

remote.yaml, in ~/.config/kentongan or where KENTONGAN_REMOTE says, names each service by its address:

    services:
      https://siaga.bpbd.example:8443:
        officer: budi
        key: /home/budi/.config/kentongan/budi.key     # sealed by the officer's secret
        fingerprint: 3f2a...                           # of the service's certificate; or `authorities: FILE`
"""

from __future__ import annotations

import hashlib
import hmac
import http.client
import json
import os
import re
import ssl
from collections.abc import Mapping
from dataclasses import field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, ValidationError, field_validator, model_validator

from console.service.proof import Asked, body_digest, prove
from kentongan.errors import BadConfig, BadInput, KentonganError, LedgerUnavailable, Refused
from kentongan.officers import Officer, SigningKey, unseal
from kentongan.quick_dataclass import dataclass

if TYPE_CHECKING:
    from pydantic import SecretStr

_DEADLINE = 20.0
_MOST_BYTES = 32_000_000


class Service(BaseModel):
    """What remote.yaml says of one service."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    officer: str
    key: Path
    fingerprint: str | None = None
    authorities: Path | None = None

    @field_validator("fingerprint")
    @classmethod
    def _plain(cls, value: str | None) -> str | None:
        if value is None:
            return None
        plain = value.replace(":", "").strip().lower()
        if not re.fullmatch(r"[0-9a-f]{64}", plain):
            raise ValueError("is no SHA-256 of a certificate; take the one that `kentongan serve` names")
        return plain

    @model_validator(mode="after")
    def _pinned(self) -> Service:
        if (self.fingerprint is None) == (self.authorities is None):
            raise ValueError("name either fingerprint or authorities, so that no other server can pose as this one")
        return self


class _File(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    services: Mapping[str, Service] = {}


class SealedKey(BaseModel):
    """An officer's key as it is carried to another machine, sealed by their secret as in the ledger."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kentongan: str = "sealed key 1"
    officer: str
    public_key: str
    sealed_key: str


# --- remote.yaml ---------------------------------------------------------------------------------------


def place(environment: Mapping[str, str] = os.environ) -> Path:
    """Where remote.yaml lies."""
    if environment.get("KENTONGAN_REMOTE"):
        return Path(environment["KENTONGAN_REMOTE"])
    home = Path(environment.get("XDG_CONFIG_HOME") or Path(environment.get("HOME", "/")) / ".config")
    return home / "kentongan" / "remote.yaml"


def read_services(path: Path) -> Mapping[str, Service]:
    """The services in remote.yaml, by address; none where the file is not there. Raises BadConfig."""
    import yaml

    try:
        content = yaml.safe_load(path.read_text("utf-8")) or {}
        return _File.model_validate(content).services
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError, yaml.YAMLError):
        raise BadConfig(f"{path} cannot be read as YAML; mend it, or use `kentongan remote add`") from None
    except ValidationError as error:
        fault = error.errors(include_url=False, include_input=False, include_context=False)[0]
        where = ".".join(map(str, fault["loc"]))
        raise BadConfig(f"{path}: {where}: {fault['msg'].removeprefix('Value error, ')}") from None


def add_service(path: Path, url: str, service: Service) -> None:
    """Writes one service into remote.yaml, in the place of an earlier entry; raises BadConfig."""
    import yaml

    services = {**read_services(path), url: service}
    content = {"services": {name: each.model_dump(mode="json", exclude_none=True) for name, each in services.items()}}
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.write_text(yaml.safe_dump(content, sort_keys=False), "utf-8")
        path.chmod(0o600)
    except OSError as error:
        raise BadConfig(f"{path} cannot be written: {error.strerror}; name another with KENTONGAN_REMOTE") from None


def read_url(text: str) -> str:
    """The address of a service in its one form; raises BadInput."""
    parts = urlsplit(text.strip().rstrip("/"))
    try:
        port = parts.port
    except ValueError:
        port = None
    if parts.scheme != "https" or not parts.hostname or port is None or parts.path or parts.query or parts.username:
        raise BadInput(f"{text!r} is no service; name it as https://HOST:PORT")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return f"https://{host}:{port}"


def read_key(path: Path) -> Officer:
    """The sealed key in a file that `kentongan officer export` wrote, as an officer; raises BadInput."""
    try:
        read = SealedKey.model_validate_json(path.read_text("utf-8"))
        public_key = bytes.fromhex(read.public_key)
    except OSError as error:
        raise BadInput(f"key {path} cannot be read: {error.strerror}; `kentongan officer export` writes it") from None
    except ValueError:
        raise BadInput(f"{path} holds no sealed key; export it anew with `kentongan officer export`") from None
    return Officer(read.officer, public_key, read.sealed_key, datetime.fromtimestamp(0, UTC))


# --- Asking --------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Remote:
    """One service as this machine's officer asks it."""

    url: str
    service: Service
    key: SigningKey = field(repr=False)

    @classmethod
    def open(cls, url: str, secret: SecretStr) -> Remote:
        """Unseals the key that remote.yaml names for a service; raises BadConfig, BadInput, Refused."""
        url, service = configured(url)
        officer = read_key(service.key)
        if officer.name != service.officer:
            raise BadConfig(f"{service.key} is the key of {officer.name}, and remote.yaml names {service.officer}")
        return cls(url, service, unseal(officer, secret))

    def ask(self, method: str, path: str, content: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Makes one request in the officer's name and returns its answer.

        Raises Refused, BadInput as the service says, BadConfig where it is not the one that is trusted, and
        LedgerUnavailable where it cannot be reached.
        """
        body = json.dumps(content).encode() if content is not None else b""
        asks = False
        try:
            connection, audience = self._connect()
            try:
                nonce = str(_answer(connection, "POST", "/v1/challenge", b"", {}, self.url)["nonce"])
                asked = Asked(audience, method, path, body_digest(body))
                proof = prove(self.key, asked, nonce=nonce, now=datetime.now(UTC))
                asks = True
                return _answer(connection, method, path, body, {"Authorization": proof}, self.url)
            finally:
                connection.close()
        except ssl.SSLCertVerificationError:
            raise BadConfig(f"{self.url} has no certificate of those authorities; ask who runs it") from None
        except (OSError, http.client.HTTPException, _Unreadable) as error:
            why = getattr(error, "strerror", None) or type(error).__name__
            if asks and method != "GET":
                raise LedgerUnavailable(self._untold(path)) from None
            if isinstance(error, _Unreadable):
                told = f"{self.url} gave no answer that can be read; look whether Kentongan is served there"
                raise LedgerUnavailable(told) from None
            raise LedgerUnavailable(
                f"{self.url} cannot be reached ({why}); see whether its service runs, or approve by code on the phone"
            ) from None

    def _untold(self, path: str) -> str:
        """What is known of a request that was made and not answered: that it may have arrived."""
        code = path.split("/")[3]
        return (
            f"{self.url} was asked and its answer is lost, so it may have counted; look with"
            f" `kentongan status {code} --service {self.url}`, and ask again if it did not: nothing counts twice"
        )

    def _connect(self) -> tuple[http.client.HTTPSConnection, str]:
        parts = urlsplit(self.url)
        context = ssl.create_default_context(cafile=self.service.authorities)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if self.service.fingerprint is not None:
            # Pinned below: such a certificate need not be signed by anybody, nor bear the name.
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        assert parts.hostname is not None
        connection = http.client.HTTPSConnection(parts.hostname, parts.port, context=context, timeout=_DEADLINE)
        connection.connect()
        assert isinstance(connection.sock, ssl.SSLSocket)
        certificate = connection.sock.getpeercert(binary_form=True)
        found = hashlib.sha256(certificate or b"").hexdigest()
        if self.service.fingerprint is not None and not hmac.compare_digest(found, self.service.fingerprint):
            connection.close()
            raise BadConfig(
                f"{self.url} shows another certificate than remote.yaml names; sign nothing, and ask who runs it"
            )
        return connection, found


class _Unreadable(Exception):
    """Something came that is no answer, or a part of one."""


def configured(url: str) -> tuple[str, Service]:
    """The address of a service and what remote.yaml says of it; raises BadInput, BadConfig."""
    url, path = read_url(url), place()
    service = read_services(path).get(url)
    if service is None:
        raise BadConfig(f"{path} knows no service {url}; run `kentongan remote add {url} --help`")
    return url, service


def _answer(
    connection: http.client.HTTPSConnection, method: str, path: str, body: bytes, headers: dict[str, str], url: str
) -> dict[str, Any]:
    if body:
        headers = {**headers, "Content-Type": "application/json"}
    connection.request(method, path, body, headers)
    response = connection.getresponse()
    content = response.read(_MOST_BYTES + 1)
    try:
        answer = json.loads(content) if len(content) <= _MOST_BYTES else None
    except ValueError:
        answer = None
    if not isinstance(answer, dict):
        raise _Unreadable
    if response.status != http.client.OK:
        raise _fault(response.status, answer, url)
    return answer


def _fault(status: int, answer: Mapping[str, Any], url: str) -> KentonganError:
    said, rule = answer.get("error"), answer.get("rule")
    sentence = str(said) if isinstance(said, str) else f"the service answered {status}"
    told = f"{urlsplit(url).hostname}: {sentence}"
    if isinstance(rule, str):
        return Refused(told, rule=rule)
    return LedgerUnavailable(told) if status >= 500 else BadInput(told)

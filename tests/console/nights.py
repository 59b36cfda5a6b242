"""A night: a service with its ledger on one machine, and officers who have a home, a key or a telephone elsewhere."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from pydantic import SecretStr

from flows.house import House
from kentongan.desk import membership
from kentongan.ledger import pages
from kentongan.login import LoginFile
from kentongan.officers import SigningKey, unseal
from kentongan.seam import Address
from sandbox.server import Sandbox
from tests.installation import Installation, install, sms

ROOT = Path(__file__).parents[2]
SECRETS = {"siti": "siti has many long secrets", "budi": "budi keeps a different one"}
PHONES = {"siti": "+6281200000001", "budi": "+6281200000002"}


def certificate(folder: Path, name: str = "service") -> tuple[Path, Path, str]:
    """A self-made certificate for loopback, its key, and its fingerprint."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=2))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem, sealed = folder / f"{name}.pem", folder / f"{name}.key"
    pem.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    sealed.touch(mode=0o600)
    sealed.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return pem, sealed, made.fingerprint(hashes.SHA256()).hex()


@dataclass(frozen=True)
class Ran:
    """What a command did in a process of its own."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@dataclass
class Machine:
    """One officer's machine: a home, and what their shell has set."""

    home: Path
    environment: Mapping[str, str] = field(repr=False)

    async def run(self, *arguments: object, stdin: str = "", **environment: str) -> Ran:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "console.main",
            *map(str, arguments),
            cwd=ROOT,
            env={**self.environment, **environment},
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        async with asyncio.timeout(60):
            out, err = await process.communicate(stdin.encode())
        assert process.returncode is not None
        return Ran(process.returncode, out.decode(), err.decode())

    async def do(self, *arguments: object, stdin: str = "", **environment: str) -> Any:
        """Runs a command that must go well; returns its JSON."""
        done = await self.run(*arguments, "--json", stdin=stdin, **environment)
        assert done.code == 0, (arguments, done)
        return done.json


def machine(root: Path, name: str, environment: Mapping[str, str]) -> Machine:
    """A machine with an empty home of its own."""
    home = root / name
    home.mkdir(mode=0o700)
    kept = {n: v for n, v in os.environ.items() if n in ("PATH", "LANG", "LC_ALL", "VIRTUAL_ENV", "PYTHONPATH")}
    return Machine(home, {**kept, "HOME": str(home), **environment})


@dataclass
class Night:
    """The service's machine with one account for each officer, the stand-ins, and the machine at budi's home."""

    sandbox: Sandbox
    installation: Installation
    duty: Machine
    beside: Machine
    away: Machine
    url: str = ""
    fingerprint: str = ""

    def pages(self, officer: str) -> list[str]:
        """What has arrived on an officer's telephone."""
        shown = self.sandbox.stand_in("kannel").recipients.get(PHONES[officer], ())
        return [message.text for message in shown if "OFFICERS" in message.text]

    async def paged(self, officer: str, words: str, count: int = 1) -> str:
        """Waits for the page with these words; another process gives no event to wait for."""
        async with asyncio.timeout(30):
            while len(found := [page for page in self.pages(officer) if words in page]) < count:  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        return found[-1]

    async def submitted(self, severity: str = "Severe") -> str:
        """The code of a drill that siti has drafted and put up for approval."""
        drafted = await self.duty.do(
            *("draft", "--hazard", "earthquake", "--drill", "--set", "magnitude=6.1", "--set", "area=Manna"),
            *("--set", "place=28 km barat laut Manna", "--set", f"severity={severity}"),
            *("--set", f"origin_time={datetime.now(UTC).isoformat(timespec='minutes')}"),
        )
        await self.duty.do("submit", drafted["code"])
        return str(drafted["code"])


def check_in(page: str) -> str:
    """The check that stands in a page."""
    found = re.search(r"(?:Cek|Check): ([0-9]{6})", page)
    assert found is not None, page
    return found.group(1)


@contextlib.asynccontextmanager
async def night(root: Path, *, paging: Mapping[str, object] | None = None) -> AsyncIterator[Night]:
    """Two officers who can be paged by SMS; siti is on duty at the service's machine."""
    async with Sandbox() as sandbox:
        place = root / "service"
        place.mkdir()
        installation = install(place, {"sms": sms(sandbox, audience="subscribers")})
        (installation.config / "paging.yaml").write_text(
            yaml.safe_dump({"instances": {"sms": {}}, "language": "en", **(paging or {})})
        )
        shared = {
            name: value for name, value in installation.environment.items() if name.startswith(("KENTONGAN_", "TEST_"))
        }
        duty = machine(root, "siti", {**shared, "KENTONGAN_LOGIN": str(root / "siti" / "login")})
        beside = machine(root, "budi-on-duty", {**shared, "KENTONGAN_LOGIN": str(root / "budi-on-duty" / "login")})
        away = machine(root, "budi", {})
        made = Night(sandbox, installation, duty, beside, away)
        with installation.open() as house:
            installation.subscribe(house, 3)
            _admit(made, house)
        yield made


def _admit(made: Night, house: House) -> None:
    """Makes both officers, each logged in on an account of their own, to be paged by SMS."""
    desk = house.desk()
    vouching: list[SigningKey] = []
    for name, at in (("siti", made.duty), ("budi", made.beside)):
        officer = membership.add(desk, name, SecretStr(SECRETS[name]), vouching)
        vouching = [unseal(officer, SecretStr(SECRETS[name]))]
        file = LoginFile.find(made.installation.state, {"KENTONGAN_LOGIN": at.environment["KENTONGAN_LOGIN"]})
        file.write(vouching[0], now=desk.now)
        address = Address("phone", PHONES[name])
        house.ledger.write(lambda write, n=name, a=address: pages.set_pager(write, n, a, keys=house.keys))  # type: ignore[misc]


@contextlib.asynccontextmanager
async def serving(made: Night, root: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    """The service, over TLS for officers elsewhere."""
    pem, key, made.fingerprint = certificate(root)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "console.main", "serve", "--no-prefect", "--json", "--receipts", "127.0.0.1:0"),
        *("--officers-listen", "127.0.0.1:0", "--tls-certificate", str(pem), "--tls-key", str(key)),
        cwd=ROOT,
        env=dict(made.duty.environment),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        assert process.stdout is not None
        async with asyncio.timeout(30):
            line = await process.stdout.readline()
        assert line, process.stderr and (await process.stderr.read()).decode()
        ready = json.loads(line)
        made.url = f"https://{ready['officers']}"
        assert ready["fingerprint"] == made.fingerprint
        yield process
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(20):
                    await process.wait()
        if process.returncode is None:
            process.kill()
            await process.wait()


async def move_in(made: Night) -> None:
    """Budi carries the sealed key home and names the service there."""
    sealed = await made.beside.run("officer", "export", "budi")
    assert sealed.code == 0, sealed
    (made.away.home / "budi.key").write_text(sealed.out)
    await made.away.do(
        *("remote", "add", made.url, "--key", made.away.home / "budi.key", "--fingerprint", made.fingerprint)
    )

"""The demo's stage: a folder of its own, the stand-ins, the service with its Prefect server, and two officers."""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import socket
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import yaml
from pydantic import SecretStr

from console.demo import samples, stand_ins
from console.service.service import Service
from flows.house import House
from kentongan import database
from kentongan.area.reading import read_regions
from kentongan.area.rows import RegionRow
from kentongan.data import data_path
from kentongan.desk import Desk, membership
from kentongan.ledger import people as register
from kentongan.ledger import regions
from kentongan.login import Login, LoginFile
from kentongan.people import Row, read_people
from sandbox.server import Sandbox

SUBMITTER, APPROVER = "ani", "budi"


@dataclass(slots=True)
class Stage:
    """Everything that the demo acts with. `ani` submits and sends; `budi` approves."""

    root: Path
    sandbox: Sandbox
    house: House
    service: Service
    desk: Desk
    ani: Login
    budi: Login


@contextlib.asynccontextmanager
async def stage(root: Path) -> AsyncIterator[Stage]:
    """Sets the stage below `root`, which must be there and empty, and clears it away."""
    async with Sandbox() as sandbox:
        with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as receipts:
            config = _config(root, sandbox, receipts.getsockname()[1])
            with _secrets(), House.open(config, root / "state", role="service") as house:
                service = Service(house, receipts)
                await service.start()
                try:
                    desk = house.desk()
                    ani, budi = await asyncio.to_thread(_admit, desk, root)
                    await asyncio.to_thread(_import_people, house)
                    await asyncio.to_thread(_load_regions, house)
                    yield Stage(root, sandbox, house, service, desk, ani, budi)
                finally:
                    await service.stop()


def _config(root: Path, sandbox: Sandbox, receipts: int) -> Path:
    """Copies the demo's config, with the ports of this run and a folder for the feed."""
    folder, feed = root / "config", root / "feed"
    folder.mkdir()
    feed.mkdir()
    for name in ("agency", "audiences", "policy", "channels"):
        content = yaml.safe_load((data_path("configs") / "demo" / f"{name}.yaml").read_text("utf-8"))
        for instance, fields in content.get("channels", {}).items():
            if fields["kind"] == "cap_feed":
                fields["directory"] = str(feed)
            else:
                fields["base_url"] = sandbox.base_url(fields["kind"])
            if "receipt_url" in fields:
                fields["receipt_url"] = f"http://127.0.0.1:{receipts}/receipts/{instance}"
            if fields["kind"] == "whatsapp":
                stand_ins.approve_templates(
                    sandbox, fields["templates"], f"http://127.0.0.1:{receipts}/receipts/{instance}"
                )
        (folder / f"{name}.yaml").write_text(yaml.safe_dump(content, allow_unicode=True, sort_keys=False), "utf-8")
    return folder


@contextlib.contextmanager
def _secrets() -> Iterator[None]:
    """Puts what the stand-ins ask for where the demo's config looks for it, while it lasts.

    And takes away what names a ledger: what is played has one of its own.
    """
    values = stand_ins.credentials()
    named = {name: os.environ.pop(name) for name in database.VARIABLES if name in os.environ}
    os.environ.update(values)
    try:
        yield
    finally:
        for name in values:
            del os.environ[name]
        os.environ.update(named)


def _admit(desk: Desk, root: Path) -> tuple[Login, Login]:
    """Two officers with secrets that nobody learns, each logged in in a place of their own."""
    words = {name: SecretStr(secrets.token_urlsafe(24)) for name in (SUBMITTER, APPROVER)}
    membership.add(desk, SUBMITTER, words[SUBMITTER], [])
    membership.add(desk, APPROVER, words[APPROVER], [membership.unsealed(desk, SUBMITTER, words[SUBMITTER])])
    logins = []
    for name, secret in words.items():
        file = LoginFile.find(root / "state", {"KENTONGAN_LOGIN": str(root / "login" / name)})
        logins.append(membership.log_in(desk, name, secret, file))
    return logins[0], logins[1]


def _load_regions(house: House) -> None:
    for path in samples.region_lists():
        with path.open(encoding="utf-8") as file:
            rows = [row for row in read_regions(file, place=path.name) if isinstance(row, RegionRow)]
        load = partial(regions.import_regions, rows=regions.prepared(rows), source=path.name, replace=False)
        house.ledger.write(load)


def _import_people(house: House) -> None:
    rows = [
        row
        for row in read_people(samples.people(), default_region="ID", identify=house.keys.address_hash)
        if isinstance(row, Row)
    ]
    house.ledger.write(lambda write: register.import_people(write, rows, keys=house.keys))

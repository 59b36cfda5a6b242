"""A whole installation in a folder of its own: config, people, an officer who breaks the glass, stand-ins."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import yaml
from pydantic import SecretStr

from flows.house import House
from kentongan.cap.model import Status
from kentongan.desk import Desk, drafts, membership, releases, submitting
from kentongan.ledger import people
from kentongan.login import Login, LoginFile
from kentongan.people import Row
from kentongan.seam import Address
from sandbox.server import Sandbox

SECRET = SecretStr("correct horse battery staple")


@dataclass
class Installation:
    """`config` and `state` are folders; `environment` is what a process needs to use them."""

    root: Path
    environment: Mapping[str, str]
    login: Login | None = field(default=None, repr=False)

    @property
    def config(self) -> Path:
        return self.root / "config"

    @property
    def state(self) -> Path:
        return self.root / "state"

    def open(self, role: str = "console") -> House:
        return House.open(self.config, self.state, role=role)

    def admit(self, house: House) -> None:
        """Makes the one officer and logs them in."""
        desk = house.desk()
        membership.add(desk, "siti", SECRET, ())
        file = LoginFile.find(self.state, {})
        self.login = membership.log_in(desk, "siti", SECRET, file)

    def subscribe(self, house: House, count: int) -> None:
        """Puts so many people on record, each with a telephone that also has WhatsApp."""
        rows = [
            Row(
                n + 2,
                f"person-{n}",
                (Address("phone", phone(n)), Address("whatsapp", phone(n))),
                "id" if n % 2 else "en",
                ("subscriber",),
                (),
            )
            for n in range(count)
        ]
        house.ledger.write(lambda write: people.import_people(write, rows, keys=house.keys))

    def draft(self, desk: Desk) -> str:
        """Drafts and submits a severe drill; returns the alert's id."""
        now = datetime.now(UTC) - timedelta(minutes=1)
        drafted = drafts.from_fields(
            desk,
            "earthquake",
            {
                "magnitude": 5.6,
                "origin_time": now.isoformat(timespec="seconds"),
                "place": "28 km barat laut Manna",
                "area": ["Manna"],
                "severity": "Severe",
            },
            status=Status.EXERCISE,
            by="siti",
        )
        submitting.submit(desk, drafted.alert.id, self.login)
        return drafted.alert.id

    def dispatch(self, desk: Desk, alert_id: str) -> str:
        """Dispatches it by the one officer; returns its id."""
        releases.dispatch(desk, alert_id, self.login, break_glass="nobody else is awake")
        return alert_id


def phone(number: int) -> str:
    return f"+62812{number:08d}"


def install(root: Path, channels: Mapping[str, object], policy: Mapping[str, object] | None = None) -> Installation:
    """Writes the config and opens the ledger once; `channels` is channels.yaml's content."""
    root.chmod(0o700)
    config = root / "config"
    config.mkdir()
    agency = {
        "name": "BPBD Contoh",
        "sender": "siaga@bpbd.example",
        "languages": ["id", "en"],
        "timezone": "Asia/Jakarta",
        "link": "https://siaga.example/a",
        "contact": "112",
        "sandbox": True,
    }
    for name, content in (
        ("agency", agency),
        ("channels", {"channels": dict(channels)}),
        ("audiences", {"audiences": {"subscribers": {"groups": ["subscriber"]}}}),
        ("policy", {"backoff_first": 0.1, "repeat_after": 1, **(policy or {})}),
        ("service", {"ballast": 0}),
    ):
        (config / f"{name}.yaml").write_text(yaml.safe_dump(content))
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith(("PREFECT_", "KENTONGAN_"))},
        "KENTONGAN_CONFIG": str(config),
        "KENTONGAN_STATE": str(root / "state"),
        "TEST_PASSWORD": "sandbox-kannel-password",
        "TEST_RECEIPT_SECRET": "receipts-of-a-test",
    }
    return Installation(root, environment)


def sms(sandbox: Sandbox, **more: object) -> dict[str, object]:
    """An SMS channel over the sandbox's gateway."""
    return {
        "kind": "kannel",
        "mode": "drill",
        "sandbox": True,
        "base_url": sandbox.base_url("kannel"),
        "username": "sandbox",
        "password": {"env": "TEST_PASSWORD"},
        "sender": "BPBD",
        "audience": "subscribers",
        **more,
    }

"""A whole small installation for rehearsals: config, people, two officers, and alerts approved and ready to send."""

from __future__ import annotations

import functools
import os
import secrets
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import yaml
from pydantic import SecretStr

from flows.house import CONSOLE, House
from kentongan.cap.model import Status
from kentongan.desk import approvals, drafts, membership, submitting
from kentongan.ledger import people as register
from kentongan.login import LoginFile
from kentongan.people import Row, read_people

SECRET = SecretStr(secrets.token_hex(16))


@dataclass(frozen=True, slots=True)
class Recipients:
    """Made-up people; `numbers` are what a stand-in counts by, in the order of the deliveries' references."""

    csv: tuple[str, ...]
    numbers: tuple[str, ...]

    @classmethod
    def make(cls, kind: str, count: int) -> Recipients:
        """`count` people with a telephone number or a Telegram chat, none of which exists."""
        family = "phone" if kind == "kannel" else "telegram"
        numbers = tuple(f"+62812{n:07d}" if family == "phone" else str(900_000_000 + n) for n in range(count))
        lines = (f"reference,{family},language,groups", *(f"p{n},{v},id,all" for n, v in enumerate(numbers)))
        return cls(lines, numbers)


@dataclass(slots=True)
class Installation:
    """Config and state below `root`; commands run as the first officer, who is logged in."""

    root: Path
    instance: str

    @classmethod
    def make(
        cls,
        root: Path,
        *,
        kind: str,
        channel: Mapping[str, Any],
        policy: Mapping[str, Any],
        people: Recipients,
        others: Mapping[str, Mapping[str, Any]] | None = None,
    ) -> Installation:
        """Writes the config, imports the people, and admits two officers; `others`: public channels by name.

        The ledger is in the database that KENTONGAN_DATABASE_URL names, where it is set.
        """
        config = root / "config"
        config.mkdir(parents=True)
        agency = {
            "name": "Rehearsal Agency",
            "sender": "rehearsal@agency.example",
            "languages": ["id"],
            "timezone": "Asia/Jakarta",
            "link": "https://agency.example/a",
            "sandbox": True,
        }
        instance = f"{kind}-drill"
        drill = {"mode": "drill", "sandbox": True}
        settings = {"kind": kind, **drill, "audience": "all", **channel}
        public = {name: {**drill, **other} for name, other in (others or {}).items()}
        for name, content in (
            ("agency", agency),
            ("policy", dict(policy)),
            ("audiences", {"audiences": {"all": {"groups": ["all"]}}}),
            ("channels", {"channels": {instance: settings, **public}}),
            ("service", {"ballast": 0}),
        ):
            (config / f"{name}.yaml").write_text(yaml.safe_dump(content), "utf-8")
        made = cls(root, instance)
        with made.open() as house:
            rows = [
                row
                for row in read_people(people.csv, default_region="ID", identify=house.keys.address_hash)
                if isinstance(row, Row)
            ]
            assert len(rows) == len(people.numbers)
            for start in range(0, len(rows), 1000):
                chunk = rows[start : start + 1000]
                house.ledger.write(functools.partial(register.import_people, rows=chunk, keys=house.keys))
            desk = house.desk()
            membership.add(desk, "ani", SECRET, [])
            membership.add(desk, "budi", SECRET, [membership.unsealed(desk, "ani", SECRET)])
            membership.log_in(desk, "ani", SECRET, made.login("ani"))
            membership.log_in(desk, "budi", SECRET, made.login("budi"))
        return made

    def open(self, role: str = CONSOLE) -> House:
        """The installation from within this process, in a role of its own where it is to send."""
        return House.open(self.root / "config", self.root / "state", role=role)

    def login(self, officer: str) -> LoginFile:
        """Where an officer of this installation is logged in."""
        return LoginFile.find(self.root / "state", {"KENTONGAN_LOGIN": str(self.root / "login" / officer)})

    def approved(self, *, severity: str, status: Status = Status.EXERCISE) -> str:
        """Drafts a drill, has it submitted by one officer and approved by the other; returns its code."""
        with self.open() as house:
            desk = house.desk()
            fields = {
                "headline": "Luapan sungai mendekati permukiman",
                "description": "Air sungai naik sejak sore dan terus naik.",
                "instruction": "Pindahlah ke tempat tinggi sekarang.",
                "area": ["Tirta Raya"],
                "severity": severity,
                "urgency": "Immediate",
                "certainty": "Observed",
                "expires": (datetime.now(UTC) + timedelta(hours=6)).isoformat(),
            }
            known = desk.library.get("general").fields
            drafted = drafts.from_fields(
                desk,
                "general",
                {name: value for name, value in fields.items() if name in known},
                status=status,
                by="ani",
            )
            now = desk.now
            submitting.submit(desk, drafted.alert.code, self.login("ani").read(now=now))
            approvals.approve(desk, drafted.alert.code, self.login("budi").read(now=now))
            return drafted.alert.code

    def another_host(self, name: str) -> Path:
        """The state folder of another host, which has the keys and shares the ledger's database."""
        state = self.root / name
        shutil.copytree(self.root / "state" / "keys", state / "keys")
        state.chmod(0o700)
        return state

    def command(self, *arguments: str, state: Path | None = None) -> list[str]:
        """The command line of this installation; `state` is that of another host, where it runs on one."""
        places = ["--config", str(self.root / "config"), "--state", str(state or self.root / "state")]
        return [sys.executable, "-m", "console.main", *places, *arguments]

    def environment(self) -> dict[str, str]:
        """The environment in which the first officer is logged in."""
        return {**os.environ, "KENTONGAN_LOGIN": str(self.root / "login" / "ani"), "NO_COLOR": "1"}

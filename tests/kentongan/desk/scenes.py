"""A desk as an agency has it: its config in a folder, three officers, people, and a clock that a test moves."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import SecretStr

import channels
from kentongan import cap, config_folder
from kentongan.cap.model import Category, Certainty, MsgType, Scope, Severity, Status, Urgency
from kentongan.cap.writing import write as write_cap
from kentongan.clock import to_datetime
from kentongan.data import data_path
from kentongan.delivery import Evidence
from kentongan.desk import Desk, Kinds, approvals, drafts, submitting, verdicts
from kentongan.errors import Refused
from kentongan.keys import StateKeys
from kentongan.ledger import Ledger, dispatches
from kentongan.ledger import officers as officer_register
from kentongan.ledger import people as people_register
from kentongan.ledger.alerts import StoredAlert
from kentongan.login import Login
from kentongan.membership import Admitted, Revoked
from kentongan.officers import Officer, Signed, SigningKey, new_officer
from kentongan.people import Row
from kentongan.policy import Decision, Reason
from kentongan.seam import Address
from kentongan.settings import Settings
from kentongan.words.library import HazardLibrary, library
from tests.kentongan.ledger.scenes import NOW, StandingClock, expand_all, open_at, register_sender, send_each

AGENCY: Mapping[str, Any] = {
    "name": "BPBD Kabupaten Tirta Raya",
    "names": {"en": "Tirta Raya Regency Disaster Agency"},
    "sender": "siaga@bpbd-tirtaraya.example",
    "languages": ["id", "en"],
    "timezone": "Asia/Jakarta",
    "link": "https://siaga.bpbd-tirtaraya.example/a",
    "contact": "112",
}
TOKEN = {"env": "A_TOKEN"}


def instance(kind: str, mode: str, *, public: bool, **more: Any) -> dict[str, Any]:
    """The config of one channel instance."""
    own: Mapping[str, Mapping[str, Any]] = {
        "mastodon": {"base_url": "https://toots.example", "token": TOKEN},
        "telegram": {"token": TOKEN, **({"chat": "@siaga"} if public else {})},
        "kannel": {
            "base_url": "http://127.0.0.1:13013",
            "username": "siaga",
            "password": TOKEN,
            "sender": "BPBD",
        },
        "cap_feed": {
            "base_url": "https://siaga.example/a",
            "directory": "/srv/feed",
            "title": "Siaga",
            "author": "BPBD",
        },
    }
    readers = {} if public else {"audience": "subscribers"}
    return {"kind": kind, "mode": mode, **own[kind], **readers, **more}


CHANNELS: Mapping[str, Any] = {
    f"{name}-{mode}": instance(kind, mode, public=public)
    for mode in ("live", "drill")
    for name, kind, public in (
        ("toots", "mastodon", True),
        ("bot", "telegram", False),
        ("sms", "kannel", False),
        ("feed", "cap_feed", True),
    )
}
AUDIENCES: Mapping[str, Any] = {"subscribers": {"groups": ["subscriber"]}}
QUAKE: Mapping[str, Any] = {
    "magnitude": "5.6",
    "origin_time": "2026-11-21 14:05",
    "place": "28 km barat laut Manna, Bengkulu Selatan",
    "area": "Manna; Kota Bengkulu",
    "severity": "Severe",
}

SECRET = "Rapat tertutup di gudang nomor tujuh"


def document(status: Status, scope: Scope) -> bytes:
    """Another sender's CAP message, of any status and scope."""
    alert = cap.Alert(
        identifier="urn:other:1",
        sender="bmkg@bmkg.example",
        sent=NOW,
        status=status,
        msg_type=MsgType.ALERT,
        scope=scope,
        restriction="Hanya petugas" if scope is Scope.RESTRICTED else None,
        addresses=("petugas@bpbd.example",) if scope is Scope.PRIVATE else (),
        infos=(
            cap.Info(
                language="id",
                categories=(Category.SAFETY,),
                event="Latihan evakuasi",
                urgency=Urgency.IMMEDIATE,
                severity=Severity.SEVERE,
                certainty=Certainty.OBSERVED,
                expires=NOW + timedelta(hours=3),
                headline=SECRET,
                description=SECRET,
                instruction="Ikuti petunjuk petugas.",
                areas=(cap.Area(area_desc="Manna"),),
            ),
        ),
    )
    return write_cap(alert)


def write_config(
    folder: Path,
    *,
    instances: Mapping[str, Any] = CHANNELS,
    audiences: Mapping[str, Any] = AUDIENCES,
    policy: Mapping[str, Any] | None = None,
    agency: Mapping[str, Any] | None = None,
    drills: Mapping[str, Any] | None = None,
) -> Settings:
    """Writes the files and reads them as the program does."""
    folder.mkdir(exist_ok=True)
    for name, content in (
        ("agency", {**AGENCY, **(agency or {})}),
        ("channels", {"channels": dict(instances)}),
        ("audiences", {"audiences": dict(audiences)}),
        ("policy", dict(policy or {})),
        ("drills", dict(drills or {})),
    ):
        (folder / f"{name}.yaml").write_text(yaml.safe_dump(content), "utf-8")
    return config_folder.load(folder, channels.settings_models())


@cache
def person(name: str) -> tuple[Officer, SigningKey]:
    """An officer and their key; made once, because sealing keys is slow on purpose."""
    return new_officer(name, SecretStr("kucing lima ekor"), now=NOW - timedelta(days=30), cost=2**14)


def login(name: str) -> Login:
    """What `kentongan login` gives; it lasts longer here, since tests move the clock."""
    return Login(person(name)[1], NOW, NOW + timedelta(days=30))


@cache
def words() -> HazardLibrary:
    return library(data_path("templates"))


@cache
def template() -> Path:
    """A ledger with the officers and people in it; a copy is made for every desk."""
    folder = Path(tempfile.mkdtemp(prefix="kentongan-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    keys = StateKeys.open(folder)
    rows = [
        Row(
            number=n,
            reference=f"p{n}",
            addresses=(Address("phone", f"+628120000{n:04}"), Address("telegram", f"7000{n}")),
            language=("id", "en", None)[n % 3],
            groups=("subscriber",) if n < 4 else ("staff",),
            regions=(),
        )
        for n in range(6)
    ]
    with open_at(folder / "ledger.db") as ledger:
        for name in ("siti", "budi", "made"):
            officer = person(name)[0]
            ledger.write(
                lambda write, o=officer: officer_register.add(  # type: ignore[misc]
                    write, officer=o, signatures=[], admitted=Admitted(o.active_from, ())
                )
            )
        ledger.write(lambda write: people_register.import_people(write, rows, keys=keys))
    return folder


@dataclass
class Scene:
    """A desk with its ledger and clock; close the ledger, or use `with`."""

    folder: Path
    ledger: Ledger
    clock: StandingClock
    desk: Desk

    def __enter__(self) -> Scene:
        return self

    def __exit__(self, *_: object) -> None:
        self.ledger.close()

    @property
    def keys(self) -> StateKeys:
        return StateKeys.open(template())

    def reconfigure(self, **changes: Any) -> None:
        """The agency edits its config, and the next command reads it."""
        self.desk = replace(self.desk, settings=write_config(self.folder / "config", **changes))

    def drafted(self, fields: Mapping[str, Any] | None = None, *, status: Status = Status.EXERCISE) -> StoredAlert:
        return drafts.from_fields(self.desk, "earthquake", {**QUAKE, **(fields or {})}, status=status, by="siti").alert

    def submitted(self, fields: Mapping[str, Any] | None = None, *, status: Status = Status.EXERCISE) -> StoredAlert:
        stored = self.drafted(fields, status=status)
        return submitting.submit(self.desk, stored.id, login("siti")).alert

    def approved(self, fields: Mapping[str, Any] | None = None, *, status: Status = Status.EXERCISE) -> StoredAlert:
        stored = self.submitted(fields, status=status)
        return approvals.approve(self.desk, stored.code, login("budi"))[0]

    def change(self, statement: str, parameters: Mapping[str, Any] | None = None) -> None:
        """Somebody changes the ledger behind our back."""
        self.ledger.write(lambda write: write.sql(statement, parameters or {}))

    def revoke(self, name: str) -> None:
        revoked = Revoked(to_datetime(self.clock.wall()), "made")
        self.ledger.write(
            lambda write: officer_register.revoke(write, name=name, signed=Signed(b"", "made", b""), revoked=revoked)
        )


def scene(folder: Path, **config: Any) -> Scene:
    """A desk in this folder over a fresh copy of the ledger."""
    folder.mkdir(exist_ok=True)
    shutil.copy(template() / "ledger.db", folder / "ledger.db")
    clock = StandingClock()
    keys = StateKeys.open(template())
    ledger = open_at(folder / "ledger.db", clock=clock)
    desk = Desk(
        ledger=ledger,
        settings=write_config(folder / "config", **config),
        library=words(),
        kinds=Kinds(traits=channels.traits, limits=channels.limits),
        clock=clock,
        clock_offset=0.0,
        witness=keys.witness,
        head_key=keys.head_public_key,
    )
    return Scene(folder, ledger, clock, desk)


def rule(caught: pytest.ExceptionInfo[Refused]) -> str:
    """Which rule refused, told in one line."""
    assert "\n" not in str(caught.value)
    return caught.value.rule


def vouched(desk: Scene, alert_id: str) -> str | None:
    """Why a sender would not send this dispatch."""
    policy, head_key = desk.desk.settings.policy, desk.desk.head_key
    return desk.ledger.read(lambda read: verdicts.vouch(read, alert_id, policy=policy, head_key=head_key))


def send_all(desk: Scene, alert_id: str, decide: Any = lambda _: Decision(Evidence.ACCEPTED, Reason.ACCEPTED)) -> None:
    """Plays a sender that sends all of an alert, each delivery to the end that `decide` gives it."""
    expand_all(desk.ledger, alert_id)
    sender = register_sender(desk.ledger, f"sender-{alert_id}")
    dispatched = desk.ledger.read(lambda read: dispatches.get(read, alert_id))
    assert dispatched is not None
    for part in dispatched.plan.instances:
        send_each(desk.ledger, sender, part.name, decide, alert_id=alert_id)

"""What the officers' address answers: nothing without a proof, and with one no more than an officer may do."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import jsonschema
import pytest
from pydantic import SecretStr

from console.service import remote_api
from console.service.proof import Asked, body_digest, prove
from flows.house import House
from kentongan.approval import Act, sign
from kentongan.desk import approvals, drills, membership
from kentongan.ledger import alerts
from kentongan.login import LoginFile
from kentongan.officers import SigningKey, unseal
from kentongan.shown import Shown, subject_of
from kentongan.stored import to_json
from kentongan.subject import subject_digest
from tests.installation import Installation, install
from tests.kentongan.desk.rehearsals import rehearsing
from tests.kentongan.desk.scenes import login

COMMITTED = Path(__file__).parents[3] / "docs" / "officers-remote-api.json"
SECRETS = {"siti": "siti has many long secrets", "budi": "budi keeps a different one"}
AUDIENCE = "ab" * 32


@dataclass
class Away:
    """The service behind its address, and officers' keys."""

    installation: Installation
    house: House
    keys: dict[str, SigningKey]
    client: httpx.AsyncClient
    woken: list[str]

    async def ask(
        self, officer: str, method: str, path: str, content: Any = None, *, audience: str = AUDIENCE
    ) -> httpx.Response:
        body = json.dumps(content).encode() if content is not None else b""
        header = prove(
            self.keys[officer],
            Asked(audience, method, path, body_digest(body)),
            nonce=await self.challenge(),
            now=datetime.now(UTC),
        )
        headers = {"Authorization": header, "Content-Type": "application/json"}
        return await self.client.request(method, path, content=body, headers=headers)

    async def challenge(self) -> str:
        return str((await self.client.post("/v1/challenge")).json()["nonce"])

    def submitted(self) -> str:
        alert_id = self.installation.draft(self.house.desk())
        return self.house.ledger.read(lambda read: alerts.get(read, alert_id)).code

    def state(self, code: str) -> str:
        return self.house.ledger.read(lambda read: alerts.by_handle(read, code)).state


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Installation, House, dict[str, SigningKey]]]:
    root = tmp_path_factory.mktemp("remote")
    channel = {
        "kind": "kannel",
        "mode": "drill",
        "sandbox": True,
        "base_url": "http://127.0.0.1:9",
        "sender": "BPBD",
        "username": "x",
        "password": {"env": "TEST_PASSWORD"},
        "audience": "subscribers",
    }
    installation = install(root, {"sms": channel})
    with installation.open() as house:
        desk = house.desk()
        keys: dict[str, SigningKey] = {}
        for name, secret in SECRETS.items():
            officer = membership.add(desk, name, SecretStr(secret), list(keys.values())[:1])
            keys[name] = unseal(officer, SecretStr(secret))
        owner = LoginFile.find(root, {}).owner
        installation.login = LoginFile(root / "login" / "siti", owner).write(keys["siti"], now=desk.now)
        yield installation, house, keys


@pytest.fixture
async def away(opened: tuple[Installation, House, dict[str, SigningKey]]) -> AsyncIterator[Away]:
    installation, house, keys = opened
    woken: list[str] = []
    app = remote_api.application(lambda: house, audience=AUDIENCE, wake=woken.append)
    transport = httpx.ASGITransport(app)  # type: ignore[arg-type]
    async with httpx.AsyncClient(transport=transport, base_url="https://siaga.example") as client:
        yield Away(installation, house, keys, client, woken)


PLACES = [
    ("GET", "/v1/approvals"),
    ("GET", "/v1/approvals/K7Q4"),
    ("POST", "/v1/approvals/K7Q4"),
    ("POST", "/v1/approvals/K7Q4/return"),
    ("GET", "/v1/alerts"),
    ("GET", "/v1/alerts/K7Q4"),
    ("POST", "/v1/alerts/K7Q4/stop"),
]


def test_every_place_but_the_challenge_is_tried_below() -> None:
    assert {(method.upper(), path.replace("{code}", "K7Q4")) for path, ways in _paths().items() for method in ways} == {
        ("POST", "/v1/challenge"),
        *PLACES,
    }


@pytest.mark.parametrize(("method", "path"), PLACES)
async def test_without_a_proof_there_is_nothing(away: Away, method: str, path: str) -> None:
    bodies = {"return": {"reason": "x"}, "stop": None}
    body = bodies.get(path.rpartition("/")[2], {"approval": {}} if method == "POST" else None)
    for headers in ({}, {"Authorization": "Bearer x"}, {"Authorization": "Kentongan e30="}):
        answer = await away.client.request(method, path, json=body, headers=headers)
        assert answer.status_code == 401
        assert answer.json()["rule"] == "proof"
    elsewhere = await away.ask("budi", method, path, body, audience="cd" * 32)
    assert elsewhere.status_code == 401


async def test_nothing_else_is_served(away: Away) -> None:
    for path in ("/", "/docs", "/openapi.json", "/v1/nudge", "/v1/status", "/metrics"):
        assert (await away.client.get(path)).status_code == 404


async def test_an_officer_approves_what_was_shown_and_only_in_their_own_name(away: Away) -> None:
    code = away.submitted()
    (waiting,) = [
        each for each in (await away.ask("budi", "GET", "/v1/approvals")).json()["waiting"] if each["code"] == code
    ]
    assert waiting["submitted_by"] == "siti"
    assert code not in (await away.ask("siti", "GET", "/v1/approvals")).text
    shown = Shown.model_validate((await away.ask("budi", "GET", f"/v1/approvals/{code}")).json())
    digest = subject_digest(subject_of(shown))
    now = datetime.now(UTC)
    approval = sign(away.keys["budi"], act=Act.APPROVE, digest=digest, people=shown.people, now=now)
    path = f"/v1/approvals/{code}"
    wrong = [
        sign(away.keys["budi"], act=Act.APPROVE, digest="0" * 64, people=0, now=now),
        sign(away.keys["budi"], act=Act.SUBMIT, digest=digest, people=0, now=now),
        sign(away.keys["budi"], act=Act.BREAK_GLASS, digest=digest, people=0, now=now, reason="alone"),
        sign(away.keys["siti"], act=Act.APPROVE, digest=digest, people=0, now=now),
        sign(replace(away.keys["siti"], officer="budi"), act=Act.APPROVE, digest=digest, people=0, now=now),
    ]
    for each in wrong:
        answer = await away.ask("budi", "POST", path, {"approval": to_json(each)})
        assert answer.status_code == 409, answer.text
        assert away.state(code) == "submitted"
    own = await away.ask("siti", "POST", path, {"approval": to_json(wrong[3])})
    assert own.status_code == 409
    garbled = await away.ask("budi", "POST", path, {"approval": {"officer": "budi"}})
    assert garbled.status_code == 400
    done = await away.ask("budi", "POST", path, {"approval": to_json(approval)})
    assert done.json() == {"code": code, "state": "approved", "by": ["siti", "budi"], "warnings": []}
    assert len(away.woken) == 1


async def test_an_approval_of_what_was_changed_since_is_refused(away: Away) -> None:
    code = away.submitted()
    shown = Shown.model_validate((await away.ask("budi", "GET", f"/v1/approvals/{code}")).json())
    digest = subject_digest(subject_of(shown))
    away.house.ledger.write(lambda write: write.sql("UPDATE rendering SET content = content || ' '"))
    approval = sign(away.keys["budi"], act=Act.APPROVE, digest=digest, people=0, now=datetime.now(UTC))
    answer = await away.ask("budi", "POST", f"/v1/approvals/{code}", {"approval": to_json(approval)})
    assert answer.status_code == 409
    assert away.state(code) == "submitted"


async def test_a_request_is_good_once(away: Away) -> None:
    away.submitted()
    header = prove(
        away.keys["budi"],
        Asked(AUDIENCE, "GET", "/v1/approvals", body_digest(b"")),
        nonce=await away.challenge(),
        now=datetime.now(UTC),
    )
    answers = [await away.client.get("/v1/approvals", headers={"Authorization": header}) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [200, 401]


async def test_an_officer_returns_with_a_reason(away: Away) -> None:
    code = away.submitted()
    assert (await away.ask("budi", "POST", f"/v1/approvals/{code}/return", {"reason": " "})).status_code == 400
    answer = await away.ask("budi", "POST", f"/v1/approvals/{code}/return", {"reason": "wrong place"})
    assert answer.json() == {"code": code, "state": "draft"}
    assert (await away.ask("budi", "GET", f"/v1/approvals/{code}")).status_code == 409


async def test_what_is_not_known_or_not_sent_is_said_in_a_sentence(away: Away) -> None:
    code = away.submitted()
    unknown = await away.ask("budi", "GET", "/v1/alerts/ZZZZ")
    assert unknown.status_code == 400
    assert "no alert" in unknown.json()["error"]
    stopped = await away.ask("budi", "POST", f"/v1/alerts/{code}/stop", {})
    assert stopped.status_code == 409
    assert "nothing to stop" in stopped.json()["error"]


async def test_a_long_body_is_refused_before_anything_reads_it(away: Away) -> None:
    answer = await away.client.post("/v1/approvals/K7Q4", content=b"x" * (remote_api.MOST_BYTES + 1))
    assert answer.status_code == 413


async def test_who_guesses_is_told_to_wait_and_shuts_no_officer_behind_the_same_address_out(away: Away) -> None:
    codes = [
        (await away.client.get("/v1/alerts", headers={"Authorization": "Kentongan e30="})).status_code
        for _ in range(21)
    ]
    assert codes == [401] * 20 + [429]
    assert (await away.ask("budi", "GET", "/v1/alerts")).status_code == 200


def _specification() -> Any:
    def nobody() -> Any:
        raise AssertionError("the specification asks nobody")

    return remote_api.application(nobody, audience="", wake=lambda _: None).app.openapi()


def _paths() -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = _specification()["paths"]
    return found


def test_the_committed_specification_is_what_the_service_answers() -> None:
    assert json.loads(COMMITTED.read_text("utf-8")) == _specification()


def test_the_specification_is_valid() -> None:
    for schema in _specification()["components"]["schemas"].values():
        jsonschema.Draft202012Validator.check_schema(schema)


def test_a_public_exercise_waits_for_the_other_officer_and_no_more_for_who_approved_it(tmp_path: Path) -> None:
    with rehearsing(tmp_path / "desk") as place:
        made = drills.announce(place.desk, "open", place.desk.now + timedelta(days=1), login("siti")).alert

        def waits_for(officer: str) -> list[str]:
            return [each.code for each in place.ledger.read(lambda read: remote_api._waiting(read, officer))]

        assert waits_for("budi") == waits_for("made") == [made.code]
        approvals.approve(place.desk, made.code, login("budi"))
        assert waits_for("budi") == []
        assert waits_for("made") == [made.code]

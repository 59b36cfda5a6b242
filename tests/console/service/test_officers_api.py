from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import jsonschema
import pytest

from console.service import officers_api
from console.service.officers_api import PrefectStatus
from kentongan.dispatcher import Dispatcher
from tests.kentongan.sending import Place, ScriptedChannel

COMMITTED = Path(__file__).parents[3] / "docs" / "officers-api.json"


@dataclass
class Serving:
    dispatcher: Dispatcher
    taking: bool = True
    receipts_address: str | None = "127.0.0.1:8790"
    prefect: PrefectStatus | None = None
    pid: int = 7


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    place = Place(tmp_path)
    yield place
    place.close()


@pytest.fixture
async def serving(place: Place) -> AsyncIterator[Serving]:
    channel = ScriptedChannel()
    async with place.sending(channel) as dispatcher:
        yield Serving(dispatcher)


@pytest.fixture
async def client(serving: Serving) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(officers_api.application(lambda: serving))
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        yield client


async def test_a_nudge_answers_whether_the_dispatch_is_owned(
    place: Place, serving: Serving, client: httpx.AsyncClient
) -> None:
    unknown = await client.post("/v1/nudge", json={"alert_id": "alert-1"})
    assert unknown.json() == {"owned": False}
    place.dispatch("sms")
    assert (await client.post("/v1/nudge", json={"alert_id": "alert-1"})).json() == {"owned": True}


async def test_a_stopping_service_takes_nothing(place: Place, serving: Serving, client: httpx.AsyncClient) -> None:
    place.dispatch("sms")
    serving.taking = False
    assert (await client.post("/v1/nudge", json={"alert_id": "alert-1"})).json() == {"owned": False}
    assert (await client.get("/v1/health")).json() == {"taking": False}


@pytest.mark.parametrize("body", [{}, {"alert_id": ""}, {"alert_id": "a", "force": True}, {"alert_id": 7}, []])
async def test_a_malformed_nudge_is_refused(client: httpx.AsyncClient, body: object) -> None:
    assert (await client.post("/v1/nudge", json=body)).status_code == 422


async def test_the_status_names_what_is_open_and_held(
    place: Place, serving: Serving, client: httpx.AsyncClient
) -> None:
    place.subscribe(2)
    place.dispatch(ScriptedChannel("other"))
    await client.post("/v1/nudge", json={"alert_id": "alert-1"})
    status = (await client.get("/v1/status")).json()
    assert [alert["alert_id"] for alert in status["open"]] == ["alert-1"]
    assert status["channels"] == ["sms"]


def specification() -> dict[str, Any]:
    def nobody() -> Any:
        raise AssertionError("the specification asks nobody")

    return officers_api.application(nobody).openapi()


def test_the_committed_specification_is_what_the_service_answers() -> None:
    assert json.loads(COMMITTED.read_text("utf-8")) == specification()


def test_the_specification_is_valid() -> None:
    found = specification()
    assert found["openapi"].startswith("3.1")
    schemas = found["components"]["schemas"]
    for schema in schemas.values():
        jsonschema.Draft202012Validator.check_schema(schema)
    operations = [operation for path in found["paths"].values() for operation in path.values()]
    assert len({operation["operationId"] for operation in operations}) == len(operations)
    assert all(operation["responses"] and operation["description"] for operation in operations)
    for reference in _references(found):
        assert reference.removeprefix("#/components/schemas/") in schemas


def _references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"]
        for each in value.values():
            yield from _references(each)
    elif isinstance(value, list):
        for each in value:
            yield from _references(each)

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path

import httpx
import pytest

from console.service import receipts_endpoint
from kentongan.errors import LedgerUnavailable
from kentongan.ledger import Ledger, views
from kentongan.ledger import receipts as register
from kentongan.seam import Confirmed, Forged, Receipt, Received
from tests.kentongan.sending import Place, ScriptedChannel


class Reporting(ScriptedChannel):
    """A channel whose provider signs with "?token=good" and names the message in the body."""

    def receipts(self, request: Received) -> Sequence[Receipt]:
        if request.query.get("token") != "good":
            raise Forged
        if request.body == b"nonsense":
            raise ValueError("+6281234567890")
        return [Receipt(Confirmed.DELIVERED, provider_id=request.body.decode())] if request.body else []


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    place = Place(tmp_path)
    yield place
    place.close()


@pytest.fixture
def woken() -> list[bool]:
    return []


@pytest.fixture
async def client(place: Place, woken: list[bool]) -> AsyncIterator[httpx.AsyncClient]:
    app = receipts_endpoint.application(place.ledger, {"sms": Reporting("sms")}, lambda: woken.append(True))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://receipts") as client:
        yield client


async def test_a_receipt_is_on_disk_before_the_provider_is_told_so(
    place: Place, client: httpx.AsyncClient, woken: list[bool]
) -> None:
    answer = await client.post("/receipts/sms?token=good", content=b"id-1")
    assert answer.status_code == 200
    assert place.ledger.read(register.unmatched) == 1
    assert woken == [True]


async def test_the_same_receipt_twice_counts_once(place: Place, client: httpx.AsyncClient) -> None:
    for _ in range(2):
        assert (await client.post("/receipts/sms?token=good", content=b"id-1")).status_code == 200
    assert place.ledger.read(register.unmatched) == 1


async def test_a_forged_receipt_is_refused_and_leaves_nothing(place: Place, client: httpx.AsyncClient) -> None:
    assert (await client.post("/receipts/sms?token=bad", content=b"id-1")).status_code == 403
    assert place.ledger.read(register.unmatched) == 0
    assert place.ledger.read(lambda read: views.events(read, types=["receipt.received"])) == []


async def test_an_unknown_channel_is_not_found(client: httpx.AsyncClient) -> None:
    assert (await client.post("/receipts/fax?token=good")).status_code == 404


async def test_a_question_without_a_receipt_is_answered(client: httpx.AsyncClient, woken: list[bool]) -> None:
    assert (await client.get("/receipts/sms?token=good")).status_code == 200
    assert woken == []


async def test_a_body_beyond_the_limit_is_refused(client: httpx.AsyncClient) -> None:
    too_long = b"x" * (receipts_endpoint.MOST_BYTES + 1)
    assert (await client.post("/receipts/sms?token=good", content=too_long)).status_code == 413


async def test_a_ledger_that_cannot_take_it_makes_the_provider_try_again(
    client: httpx.AsyncClient, woken: list[bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(*args: object, **kwargs: object) -> None:
        raise LedgerUnavailable("ledger is locked")

    monkeypatch.setattr(Ledger, "write_soon", refuse)
    answer = await client.post("/receipts/sms?token=good", content=b"id-1")
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")
    assert woken == []


async def test_what_a_channel_cannot_read_is_logged_without_its_content(
    client: httpx.AsyncClient, caplog: pytest.LogCaptureFixture
) -> None:
    assert (await client.post("/receipts/sms?token=good", content=b"nonsense")).status_code == 500
    assert "receipt not understood" in caplog.text
    assert "6281234567890" not in str([vars(record) for record in caplog.records])


async def test_health_is_answered(client: httpx.AsyncClient) -> None:
    assert (await client.get("/healthz")).text == "ok\n"

"""Two officers on two machines, in processes of their own, over TLS: page, approve, a code, broken glass, review."""

from __future__ import annotations

import asyncio
import json
import ssl
import urllib.request
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from kentongan.desk.verdicts import vouch
from kentongan.ledger import alerts, submissions
from tests.console.nights import SECRETS, Night, certificate, check_in, move_in, night, serving

BUDI = {"KENTONGAN_SECRET": SECRETS["budi"]}

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]


@pytest.fixture
async def made(tmp_path: Path) -> AsyncIterator[Night]:
    """A night with its service running and budi at home, with their key and nothing else."""
    async with night(tmp_path) as made, serving(made, tmp_path):
        await move_in(made)
        yield made


async def test_an_officer_is_paged_and_approves_from_a_machine_without_ledger_or_config(made: Night) -> None:
    code = await made.submitted()
    page = await made.paged("budi", code)
    # It is a drill, and must not look like the real thing; and nobody pages who has submitted.
    assert page.startswith("[EXERCISE] OFFICERS, no warning: ")
    assert page.endswith("[EXERCISE]")
    assert made.pages("siti") == []
    remote = ("--service", made.url)
    (waiting,) = (await made.away.do("waiting", *remote, **BUDI))["waiting"]
    assert (waiting["code"], waiting["submitted_by"]) == (code, "siti")
    done = await made.away.run("approve", code, *remote, **BUDI)
    assert done.code == 0, done
    # All of it was shown before it was signed: both languages, and the correction.
    assert "28 km barat laut Manna" in done.out
    assert "--- sms, id" in done.out
    assert "--- sms, en" in done.out
    assert "--- its correction: sms, id" in done.out
    assert "Approved by siti and budi" in done.out
    assert sorted(path.name for path in made.away.home.rglob("*") if path.is_file()) == ["budi.key", "remote.yaml"]
    sent = await made.duty.do("send", code)
    assert (sent["by"], sent["by_code"], sent["channels"][0]["words"]) == (["siti", "budi"], [], {"accepted": 3})
    with made.installation.open() as house:
        stored = house.ledger.read(lambda read: alerts.by_handle(read, code))
        (content,) = house.ledger.read(lambda read: submissions.approvals(read, stored.id))
        assert (content["officer"], content["act"]) == ("budi", "approve")
        assert house.ledger.read(lambda read: vouch(read, stored.id, policy=house.policy)) is None
    # The page ended with the approval.
    assert len(made.pages("budi")) == 1
    seen = await made.away.do("status", code, *remote, **BUDI)
    assert seen["channels"][0]["words"] == {"accepted": 3}


def named(value: Any, name: str) -> list[Any]:
    """What stands under this name anywhere in a report."""
    if isinstance(value, list):
        return [found for each in value for found in named(each, name)]
    if not isinstance(value, dict):
        return []
    own = [value[name]] if name in value else []
    return own + [found for key, each in value.items() if key != name for found in named(each, name)]


async def test_an_officer_with_only_a_telephone_approves_by_code(made: Night) -> None:
    sheet = (await made.beside.do("officer", "codes", "budi"))["codes"]
    code = await made.submitted()
    check = check_in(await made.paged("budi", code))
    by_code = ("approve", code, "--by-code", "budi", "--code-file", "-", "--check")
    missed = await made.duty.run(*by_code, check, stdin="0000 0000")
    assert missed.code == 3
    assert "4 more wrong answers lock the sheet" in missed.err
    # The right code with a check that is not of this page: it was said, so it is used up.
    spent = await made.duty.run(*by_code, f"{(int(check) + 1) % 1_000_000:06}", stdin=sheet[0])
    assert spent.code == 3
    assert "used up" in spent.err
    again = await made.duty.run(*by_code, check, stdin=sheet[0])
    assert again.code == 3
    approved = await made.duty.do(*by_code, check, stdin=sheet[1].lower())
    assert (approved["by"], approved["by_code"]) == (["siti", "budi"], ["budi"])
    sent = await made.duty.do("send", code)
    assert sent["by_code"] == ["budi"]
    told = await made.duty.run("status", code)
    assert "by siti and budi (by one-time code)" in told.out
    report = await made.duty.do("report", code)
    (decision,) = [each for decisions in named(report, "decisions") for each in decisions if "code" in each["act"]]
    assert (decision["who"], decision["signed"]) == ("budi", False)
    assert "taken down by siti" in decision["act"]
    with made.installation.open() as house:
        stored = house.ledger.read(lambda read: alerts.by_handle(read, code))
        assert house.ledger.read(lambda read: vouch(read, stored.id, policy=house.policy)) is None
    verified = await made.duty.run("log", "verify")
    assert verified.code == 0, verified


async def test_broken_glass_pages_the_others_and_waits_for_one_of_them_to_review_it(made: Night) -> None:
    code = await made.submitted()
    await made.duty.do("send", code, "--break-glass", "Budi cannot be reached and the water is rising")
    page = await made.paged("budi", f"siti sent {code}")
    assert f"kentongan stop {code}" in page
    (due,) = (await made.duty.do("reviews"))["reviews"]
    assert (due["code"], due["broke_glass"], due["done_at"]) == (code, "siti", None)
    own = await made.duty.run("review", code, "--finding", "It was right, nobody else was there.")
    assert own.code == 3
    assert "another officer must" in own.err
    assert code in (await made.duty.do("status"))["reviews_due"]
    await made.beside.do("page", "acknowledge", code)
    await made.beside.do("review", code, "--finding", "It was right; the second number must be on the list.")
    assert (await made.duty.do("reviews"))["reviews"] == []
    assert (await made.duty.do("status"))["reviews_due"] == []
    report = await made.duty.do("report", code)
    (reviewed,) = [each for each in named(report, "review") if each]
    assert reviewed["done_by"] == "budi"
    assert "the second number" in reviewed["finding"]
    twice = await made.beside.run("review", code, "--finding", "And once more, to be sure.")
    assert twice.code == 3
    verified = await made.duty.run("log", "verify")
    assert verified.code == 0, verified


async def test_an_officer_returns_an_alert_from_afar_and_stops_one(made: Night) -> None:
    remote = ("--service", made.url)
    code = await made.submitted()
    answer = await made.away.do("return", code, "--reason", "The place is wrong", *remote, **BUDI)
    assert answer["state"] == "draft"
    refused = await made.duty.run("send", code)
    assert refused.code == 3
    assert "The place is wrong" in (await made.duty.run("log", code)).out
    await made.duty.do("submit", code)
    await made.away.do("approve", code, *remote, **BUDI)
    await made.duty.do("send", code)
    assert (await made.away.do("stop", code, *remote, **BUDI))["state"] == "stopped"


async def test_a_wrong_secret_a_wrong_certificate_and_a_forged_proof_get_nothing(made: Night, tmp_path: Path) -> None:
    code = await made.submitted()
    remote = ("--service", made.url)
    wrong = await made.away.run("approve", code, *remote, KENTONGAN_SECRET="budi guesses at a secret")
    assert wrong.code == 3
    assert "wrong secret" in wrong.err
    _, _, other = certificate(tmp_path, "other")
    key = made.away.home / "budi.key"
    await made.away.do("remote", "add", made.url, "--key", key, "--fingerprint", other)
    pinned = await made.away.run("approve", code, *remote, **BUDI)
    assert pinned.code == 2
    assert "another certificate" in pinned.err
    # Trust by the authority that signed it works as well, for a name that is in it.
    await made.away.do(
        *("remote", "add", made.url.replace("127.0.0.1", "localhost"), "--key", key),
        *("--authorities", tmp_path / "service.pem"),
    )
    by_name = ("--service", made.url.replace("127.0.0.1", "localhost"))
    assert (await made.away.do("waiting", *by_name, **BUDI))["waiting"]
    status, answer = await asyncio.to_thread(_without_proof, f"{made.url}/v1/approvals/{code}")
    assert status == 401
    assert set(answer) == {"error", "rule"}


def _without_proof(url: str) -> tuple[int, Any]:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    request = urllib.request.Request(url, headers={"Authorization": "Kentongan e30="})
    try:
        with urllib.request.urlopen(request, context=context, timeout=10) as response:
            return response.status, json.loads(response.read())
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.loads(error.read())

"""`kentongan check --channels` against stand-ins, and what it knows without asking."""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from sandbox.faults import Rule
from sandbox.server import Sandbox
from tests.console.commands.conftest import Run


@contextlib.contextmanager
def running_sandbox() -> Iterator[Sandbox]:
    """The stand-ins in a thread, for commands that run a loop of their own."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    sandbox = Sandbox()
    asyncio.run_coroutine_threadsafe(sandbox.__aenter__(), loop).result(10)
    try:
        yield sandbox
    finally:
        asyncio.run_coroutine_threadsafe(sandbox.__aexit__(None, None, None), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with running_sandbox() as sandbox:
        yield sandbox


@pytest.fixture
def config(tmp_path: Path, run: Run, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What `init --sandbox` writes, over these stand-ins."""
    folder = tmp_path / "config"
    told = run("init", folder, "--sandbox", "--yes", "--port", sandbox.port, "--channel", "kannel", "--channel",
               "mastodon", "--channel", "facebook", "--channel", "cap_feed")  # fmt: skip
    assert told.code == 0, told.err
    monkeypatch.setenv("KENTONGAN_CONFIG", str(folder))
    return folder


def by_name(document: Any) -> dict[str, Any]:
    return {each["channel"]: each for each in document["channels"]}


def changed(config: Path, file: str, change: Callable[[Any], None]) -> None:
    content = yaml.safe_load((config / file).read_text())
    change(content)
    (config / file).write_text(yaml.safe_dump(content))


def test_all_channels_of_a_new_sandbox_pass(run: Run, config: Path) -> None:
    told = run("check", "--channels", "--json")
    assert told.code == 0, told.out + told.err
    assert told.json["sentence"] == "If we sent now, 4 of 4 would pass (drill: 4 of 4)."
    assert told.json["would_pass"] == {"drill": {"passing": 4, "of": 4}}
    assert by_name(told.json)["facebook-drill"]["credential_ends_at"] is not None


def test_check_alone_contacts_nobody(run: Run, config: Path, sandbox: Sandbox) -> None:
    before = sandbox.requests
    assert run("check").code == 0
    assert sandbox.requests == before


def test_a_channel_that_refuses_is_named_and_ends_with_1(run: Run, config: Path, sandbox: Sandbox) -> None:
    (config / "secrets" / "mastodon_token").write_text("a-token-that-was-revoked")
    told = run("check", "--channels")
    assert told.code == 1
    assert "If we sent now, 3 of 4 would pass (drill: 3 of 4)." in told.out
    assert "mastodon-drill: The provider cannot be used now" in told.out
    assert "a-token-that-was-revoked" not in told.out + told.err
    assert "mastodon-drill would fail" in run("status").out
    assert "mastodon-drill" in run("status", "--json").json["would_fail"]


def test_a_provider_that_hangs_up_or_throttles_fails_alone(run: Run, config: Path, sandbox: Sandbox) -> None:
    for kind, fault in (("mastodon", "drop"), ("facebook", "throttle")):
        sandbox.add_faults(kind, [Rule.read({"fault": fault, "on": "any", "times": None})])
    told = run("check", "--channels", "--json")
    assert told.code == 1
    failing = {name for name, each in by_name(told.json).items() if not each["passes"]}
    assert failing == {"mastodon-drill", "facebook-drill"}


def test_an_absent_secret_is_a_fault_of_the_config_and_the_others_are_asked(run: Run, config: Path) -> None:
    (config / "secrets" / "mastodon_token").unlink()
    told = run("check", "--channels", "--json")
    assert told.code == 2
    assert by_name(told.json)["mastodon-drill"]["word"] == "would fail"
    assert by_name(told.json)["sms-drill"]["passes"]


def test_a_receipt_endpoint_that_is_not_there_is_told(run: Run, config: Path) -> None:
    # Bound and not listening: a port that refuses, and that no service of another test can take meanwhile.
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{bound.getsockname()[1]}/receipts/sms-drill"
        changed(config, "channels.yaml", lambda content: content["channels"]["sms-drill"].update(receipt_url=url))
        told = by_name(run("check", "--channels", "--json").json)["sms-drill"]
    assert told["passes"]
    assert "start `kentongan serve`" in told["receipts"]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda content: content.update(link="https://elsewhere.example/a"), "unless link and base_url are the same"),
        (lambda content: None, "where a feed puts their pages"),
    ],
)
def test_a_link_is_held_against_what_the_feed_publishes(
    run: Run, config: Path, change: Callable[[Any], None], says: str
) -> None:
    changed(config, "agency.yaml", change)
    found = [each["sentence"] for each in run("check", "--json").json["checks"] if each["what"] == "link"]
    assert len(found) == 1
    assert says in found[0]


def test_a_link_where_no_feed_publishes_is_told(run: Run, config: Path) -> None:
    changed(config, "channels.yaml", lambda content: content["channels"].pop("feed-drill"))
    found = [each for each in run("check", "--json").json["checks"] if each["what"] == "link"]
    assert [each["state"] for each in found] == ["note"]
    assert "no drill feed puts a page there" in found[0]["sentence"]


def test_without_a_config_there_is_nobody_to_ask(run: Run) -> None:
    told = run("check", "--channels", "--json")
    assert told.code == 0
    assert "channels" not in told.json


def test_watching_without_asking_is_refused(run: Run) -> None:
    told = run("check", "--watch", "60")
    assert told.code == 2
    assert "add --channels" in told.err


def test_watching_asks_until_somebody_leaves(config: Path, start: Callable[..., Any]) -> None:
    process = start("check", "--channels", "--watch", "10", "--json")
    first = json.loads(process.stdout.readline())
    process.send_signal(signal.SIGINT)
    assert process.wait(20) == 0
    assert first["would_pass"] == {"drill": {"passing": 4, "of": 4}}

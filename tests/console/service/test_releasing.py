"""Sending through a service of its own process: the command imports next to nothing before the press."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from console import through_service
from console.main import main
from console.service import client
from kentongan.ledger import alerts, views
from kentongan.state import State
from tests.chaos.counter import credentials, sandbox
from tests.chaos.installation import Installation, Recipients
from tests.console.service.serving import ROOT, SERVE

pytestmark = pytest.mark.slow

WATCHED = """
import json, sys
from console import through_service
from console.main import main
press = through_service.There.press
def watched(self):
    found = {name.partition(".")[0] for name in sys.modules}
    print(json.dumps(sorted(found)), file=sys.stderr)
    return press(self)
through_service.There.press = watched
sys.exit(main(sys.argv[1:]))
"""


@dataclass(frozen=True)
class There:
    """An installation whose service runs."""

    installation: Installation

    @property
    def state(self) -> State:
        return State(self.installation.root / "state")

    def approved(self) -> str:
        return self.installation.approved(severity="Severe")

    def arguments(self, *given: str) -> list[str]:
        return self.installation.command(*given)[3:]

    def asked(self, code: str, **other: object) -> dict[str, Any]:
        login = {"KENTONGAN_LOGIN": str(self.installation.root / "login" / "ani")}
        config = str(self.installation.root / "config")
        return {"handle": code, "without": [], "config": config, "database": "", "login": login, **other}

    def press(self, code: str, **other: object) -> dict[str, Any]:
        return client.ask(self.state, "POST", "/v1/press", self.asked(code, **other), timeout=10)

    def events(self, code: str, kind: str) -> list[views.Event]:
        with self.installation.open() as house:
            id = house.ledger.read(lambda read: alerts.by_handle(read, code)).id
            return house.ledger.read(lambda read: views.events(read, alert_id=id, types=[kind]))

    def alert_state(self, code: str) -> str:
        with self.installation.open() as house:
            return house.ledger.read(lambda read: alerts.by_handle(read, code)).state


@pytest.fixture(scope="module")
def there(tmp_path_factory: pytest.TempPathFactory) -> Iterator[There]:
    root = tmp_path_factory.mktemp("releasing")
    root.chmod(0o700)
    with sandbox("kannel") as base:
        channel = {"base_url": base, "rate": 500, **credentials("kannel", root)}
        made = Installation.make(root, kind="kannel", channel=channel, policy={}, people=Recipients.make("kannel", 5))
        places = {"KENTONGAN_CONFIG": str(root / "config"), "KENTONGAN_STATE": str(root / "state")}
        command = [sys.executable, "-c", SERVE, "127.0.0.1:0", "alone"]
        with subprocess.Popen(
            command, env={**made.environment(), **places}, cwd=ROOT, stdout=subprocess.PIPE, text=True
        ) as process:
            try:
                assert process.stdout is not None
                assert json.loads(process.stdout.readline())["ready"]
                yield There(made)
            finally:
                process.terminate()


def test_nothing_heavy_is_imported_before_the_press_and_all_is_shown_and_followed(there: There) -> None:
    code = there.approved()
    done = subprocess.run(
        [sys.executable, "-c", WATCHED, *there.arguments("send", code)],
        env=there.installation.environment(),
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    loaded = set(json.loads(done.stderr.splitlines()[0]))
    heavy = {"sqlalchemy", "pydantic", "aiohttp", "httpx", "yaml", "cryptography", "jinja2", "lxml", "rich", "prefect"}
    assert loaded & heavy == set()
    for told in ("DRILL", "Luapan sungai", "5 people on 1 channel", "Everyone by", "5 accepted"):
        assert told in done.stdout
    (owned,) = there.events(code, "dispatch.owned")
    service = client.status(there.state)
    assert service is not None
    assert owned.data["set"] == {"owner": service["sender"]}


def test_what_is_pressed_twice_leaves_once(there: There) -> None:
    code = there.approved()
    assert there.press(code) == {"ends": [], "fault": None}
    again = there.press(code)["fault"]
    assert (again["kind"], again["rule"]) == ("Refused", "state")
    assert len(there.events(code, "alert.dispatched")) == 1


def test_nobody_who_is_not_logged_in_presses(there: There, tmp_path: Path) -> None:
    code = there.approved()
    fault = there.press(code, login={"KENTONGAN_LOGIN": str(tmp_path)})["fault"]
    assert (fault["kind"], fault["rule"]) == ("Refused", "login")
    assert there.alert_state(code) == "approved"


@pytest.mark.parametrize("other", [{"config": "/"}, {"database": "0" * 64}, {"handle": "ZZZZ"}])
def test_a_command_of_another_installation_sees_for_itself(there: There, other: dict[str, object]) -> None:
    asked = {**there.asked(there.approved(), shown=True, place_given=False), **other}
    with pytest.raises(ValueError, match="409"):
        client.ask(there.state, "POST", "/v1/look", asked, timeout=10)


def test_a_changed_config_counts_at_once(there: There) -> None:
    code = there.approved()
    agency = there.installation.root / "config" / "agency.yaml"
    before = agency.read_text("utf-8")
    try:
        agency.write_text(before + "unknown: 1\n", "utf-8")
        assert "unknown" in there.press(code)["fault"]["sentence"]
    finally:
        agency.write_text(before, "utf-8")
    assert there.alert_state(code) == "approved"


@pytest.mark.parametrize("lost", ["the question", "the answer"])
def test_where_no_answer_comes_the_command_sends_what_is_not_on_its_way(
    there: There, lost: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code = there.approved()
    press = through_service.There.press

    def unanswered(self: through_service.There) -> None:
        if lost == "the answer":
            press(self)

    monkeypatch.setattr(through_service.There, "press", unanswered)
    monkeypatch.setenv("KENTONGAN_LOGIN", there.installation.environment()["KENTONGAN_LOGIN"])
    assert main(["--json", *there.arguments("send", code)]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["code"] == code
    assert len(told["forecast"]) == 1
    assert len(there.events(code, "alert.dispatched")) == 1


def test_a_refusal_at_the_press_is_told_as_ever(
    there: There, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code = there.approved()
    press = through_service.There.press

    def late(self: through_service.There) -> tuple[str, ...] | None:
        assert there.press(code)["fault"] is None
        return press(self)

    monkeypatch.setattr(through_service.There, "press", late)
    monkeypatch.setenv("KENTONGAN_LOGIN", there.installation.environment()["KENTONGAN_LOGIN"])
    assert main(there.arguments("send", code)) == 3
    assert "cannot be sent" in capsys.readouterr().err

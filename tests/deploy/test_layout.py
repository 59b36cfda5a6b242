"""The compose file and the systemd units: whatever they name is there, and is written as its reader wants it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import click
import pytest
import yaml

from console.main import COMMANDS, root

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
UNITS = sorted((DEPLOY / "systemd").iterdir())
COMPOSE: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text("utf-8"))

# Compose Specification, compose-spec.json: the keys of a file, and those of its parts that ours has.
TOP = {"name", "services", "volumes", "networks", "configs", "secrets", "include"}
SERVICE = {
    "image", "build", "command", "entrypoint", "environment", "env_file", "volumes", "ports", "depends_on",
    "healthcheck", "restart", "stop_grace_period", "stop_signal", "init", "read_only", "cap_drop", "security_opt",
    "tmpfs", "shm_size", "deploy", "hostname", "networks", "secrets", "user", "working_dir",
}  # fmt: skip
PARTS = {
    "build": {"context", "dockerfile", "args", "target"},
    "healthcheck": {"test", "interval", "timeout", "retries", "start_period", "disable"},
    "deploy": {"replicas", "resources", "mode"},
}
CONDITIONS = {"service_started", "service_healthy", "service_completed_successfully"}
RESTARTS = {"no", "always", "on-failure", "unless-stopped"}
DURATION = re.compile(r"(\d+(us|ms|s|m|h))+")


def services() -> Iterator[tuple[str, dict[str, Any]]]:
    yield from COMPOSE["services"].items()


def refuse_unknown(words: list[str], where: str) -> None:
    """Fails where a line of `kentongan` would not be understood."""
    assert words[0] in COMMANDS, where
    command = root.get_command(click.Context(root), words[0])
    assert command is not None
    known = {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}
    named = {word.partition("=")[0] for word in words[1:] if word.startswith("-")}
    assert named <= known, where


def known_variables() -> set[str]:
    """The variables that our code reads."""
    found: set[str] = set()
    for package in ("kentongan", "channels", "flows", "console"):
        for path in (ROOT / package).rglob("*.py"):
            found.update(re.findall(r"\bKENTONGAN_[A-Z_]+\b", path.read_text("utf-8")))
    return found | {"KENTONGAN_DATABASE_URL_FILE"}


def refuse_unknown_variables(names: set[str], where: str) -> None:
    from prefect.settings import Settings
    from prefect.settings.legacy import _get_valid_setting_names

    ours = {name for name in names if name.startswith("KENTONGAN_")}
    theirs = {name for name in names if name.startswith("PREFECT_")}
    assert ours <= known_variables(), where
    assert theirs <= _get_valid_setting_names(Settings), where


def test_the_compose_file_has_only_what_its_specification_knows() -> None:
    assert {key for key in COMPOSE if not key.startswith("x-")} <= TOP
    for name, service in services():
        assert service.keys() <= SERVICE, name
        for part, keys in PARTS.items():
            assert service.get(part, {}).keys() <= keys, (name, part)
        assert service.get("restart", "no") in RESTARTS, name
        check = service.get("healthcheck", {})
        assert not check or check["test"][0] in ("CMD", "CMD-SHELL", "NONE"), name
        for key in ("interval", "timeout"):
            assert not check or DURATION.fullmatch(check[key]), name
        assert DURATION.fullmatch(service.get("stop_grace_period", "10s")), name
        for other, how in service.get("depends_on", {}).items():
            assert other in COMPOSE["services"], name
            assert how["condition"] in CONDITIONS, name
            healthy = how["condition"] == "service_healthy"
            assert not healthy or "healthcheck" in COMPOSE["services"][other], name


def test_what_the_compose_file_names_is_there() -> None:
    template = (DEPLOY / "environment.example").read_text("utf-8")
    wanted = set(re.findall(r"\$\{([A-Z_]+)", (DEPLOY / "compose.yaml").read_text("utf-8")))
    assert wanted == set(re.findall(r"^#?([A-Z_]+)=", template, re.MULTILINE))
    for name, service in services():
        if "build" in service:
            assert (DEPLOY / service["build"]["context"]).resolve() == ROOT
            assert (ROOT / service["build"]["dockerfile"]).is_file()
        for volume in service.get("volumes", ()):
            source = volume["source"] if isinstance(volume, Mapping) else volume.partition(":")[0]
            if source.startswith("./"):
                assert (DEPLOY / source).is_file(), name
            elif not source.startswith((".", "/")):
                assert source in COMPOSE["volumes"], name


def test_what_containers_are_told_to_run_exists() -> None:
    for name, service in services():
        words = [str(word) for word in service.get("command", ())]
        if words[:1] == ["kentongan"]:
            refuse_unknown(words[1:], name)
        elif words:
            assert words[0] == "prefect", name
        environment = service.get("environment", {})
        if words:
            refuse_unknown_variables(set(environment), name)


def test_the_key_of_people_is_a_secret_of_all_that_send() -> None:
    told = yaml.safe_load((DEPLOY / "people-key.yaml").read_text("utf-8"))
    assert told.keys() <= TOP
    sending = {name for name, each in services() if each.get("command", [""])[0] == "kentongan"}
    assert told["services"].keys() == sending
    for service in told["services"].values():
        assert service.keys() <= SERVICE
        refuse_unknown_variables(set(service["environment"]), "people-key.yaml")
        (secret,) = service["secrets"]
        assert secret["source"] in told["secrets"]
        assert service["environment"]["KENTONGAN_PEOPLE_KEY_FILE"] == f"/run/secrets/{secret['target']}"
    unit = (DEPLOY / "people-key.conf").read_text("utf-8")
    refuse_unknown_variables(set(re.findall(r"^Environment=([A-Z_]+)=", unit, re.MULTILINE)), "people-key.conf")


def test_workers_wait_for_no_word_of_prefect() -> None:
    for name in ("service", "worker"):
        assert "prefect" not in COMPOSE["services"][name]["depends_on"]


def test_the_image_holds_all_that_the_wheel_does() -> None:
    lines = (DEPLOY / "Containerfile").read_text("utf-8").splitlines()
    copied = {word.rstrip("/") for line in lines if line.startswith("COPY ") for word in line.split()[1:-1]}
    assert {"kentongan", "channels", "flows", "console", "sandbox", "templates", "configs", "prefect.yaml"} <= copied
    assert all((ROOT / each).exists() for each in copied)


def test_what_the_image_holds_is_enough_to_run(tmp_path: Path) -> None:
    place = tmp_path / "opt" / "kentongan"
    lines = (DEPLOY / "Containerfile").read_text("utf-8").splitlines()
    for source, target in (line.split()[1:] for line in lines if line.startswith("COPY ") and len(line.split()) == 3):
        if (ROOT / source).is_dir():
            shutil.copytree(ROOT / source, place / target, ignore=shutil.ignore_patterns("__pycache__"))
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(place),
        "PYTHONDONTWRITEBYTECODE": "1",
        "KENTONGAN_STATE": str(tmp_path / "state"),
        "HOME": str(tmp_path),
    }
    begun = (
        "import sys, console, kentongan; from pathlib import Path;"
        f"assert Path(kentongan.__file__).is_relative_to({str(place)!r});"
        "import console.service.serving, console.service.working, console.service.prefect_work_child, flows.share;"
        "from console.main import main; sys.exit(main())"
    )
    for words in (
        ["init", str(tmp_path / "config"), "--yes", "--sandbox"],
        ["--config", str(tmp_path / "config"), "hazards"],
    ):
        done = subprocess.run(
            [sys.executable, "-c", begun, *words],
            env=environment,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("unit", UNITS, ids=lambda path: str(path.name))
def test_a_unit_runs_what_exists(unit: Path) -> None:
    text = unit.read_text("utf-8")
    for words in (line.split() for line in re.findall(r"^ExecStart=(.*)$", text, re.MULTILINE)):
        assert words[0].startswith("/opt/kentongan/.venv/bin/")
        if words[0].endswith("/kentongan"):
            refuse_unknown(words[1:], unit.name)
    named = re.findall(r"\b((?:KENTONGAN|PREFECT)_[A-Z_]+)=", text)
    refuse_unknown_variables(set(named), unit.name)
    if unit.name in ("kentongan.service", "kentongan-worker.service"):
        assert {"Type=notify", "WatchdogSec=60", "Restart=always", "NoNewPrivileges=yes"} <= set(text.splitlines())


def test_systemd_finds_no_fault_with_the_units(tmp_path: Path) -> None:
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip("systemd-analyze is not installed")
    for unit in UNITS:
        # Whether a program is executable is asked of those that are installed here.
        text = unit.read_text("utf-8").replace("/opt/kentongan/.venv/bin", str(Path(sys.executable).parent))
        (tmp_path / unit.name).write_text(text, "utf-8")
        if unit.suffix == ".service" and unit.stem != "kentongan-prefect":
            (tmp_path / f"{unit.name}.d").mkdir()
            shutil.copy(DEPLOY / "people-key.conf", tmp_path / f"{unit.name}.d")
    done = subprocess.run(
        [analyze, "verify", "--man=no", *(str(tmp_path / unit.name) for unit in UNITS)],
        capture_output=True,
        text=True,
        check=False,
    )
    told = [line for line in done.stderr.splitlines() if "kentongan" in line]
    assert done.returncode == 0, done.stderr
    assert told == []

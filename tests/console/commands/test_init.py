"""`kentongan init`: a config that loads, in which every field is explained, and that is never written over."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import time
from pathlib import Path

import pytest

import channels
from kentongan.config_folder import load
from kentongan.drills import Drills, Scenario
from kentongan.paging import Paging
from kentongan.people import Fault, read_people
from kentongan.routes import Routes
from kentongan.seam import Mode
from kentongan.settings import Agency, Audience, InstanceSettings, Policy, Service
from tests.console.commands.conftest import REPOSITORY, Run, arguments_of

REAL = ("--real", "--yes", "--name", "BPBD Contoh", "--sender", "siaga@bpbd.example", "--link", "https://s.example/a")


def test_a_sandbox_config_loads_with_every_kind_of_channel(run: Run, tmp_path: Path) -> None:
    told = run("init", tmp_path / "new", "--sandbox", "--yes", "--json")
    assert told.code == 0, told.err
    settings = load(tmp_path / "new", channels.settings_models())
    assert {each.kind for each in settings.channels.values()} == set(channels.kinds())
    assert all(each.sandbox and each.mode is Mode.DRILL for each in settings.channels.values())
    assert set(channels.open(settings)) == set(told.json["channels"])
    assert settings.service.probe_every is not None
    assert settings.drills.scenarios


@pytest.mark.parametrize("kind", channels.kinds())
@pytest.mark.parametrize("which", ["--sandbox", "--real"])
def test_every_kind_alone_makes_a_config_that_loads(run: Run, tmp_path: Path, kind: str, which: str) -> None:
    options = ("--sandbox", "--yes") if which == "--sandbox" else REAL
    told = run("init", tmp_path / "new", *options, "--channel", kind, "--json")
    assert told.code == 0, told.err
    settings = load(tmp_path / "new", channels.settings_models())
    assert set(settings.channels) == set(told.json["channels"])
    assert not any(each.mode is Mode.LIVE for each in settings.channels.values())
    text = (tmp_path / "new" / "channels.yaml").read_text()
    for name, field in channels.settings_model(kind).model_fields.items():
        assert f"{name}:" in text
        assert " ".join((field.description or "").rstrip(".").split()) in " ".join(text.replace("#", " ").split())


@pytest.mark.parametrize(
    ("file", "models"),
    [
        ("agency.yaml", [Agency]),
        ("audiences.yaml", [Audience]),
        ("channels.yaml", [InstanceSettings]),
        ("policy.yaml", [Policy]),
        ("paging.yaml", [Paging]),
        ("routes.yaml", [Routes]),
        ("service.yaml", [Service]),
        ("drills.yaml", [Drills, Scenario]),
    ],
)
def test_every_field_of_every_file_stands_there(run: Run, tmp_path: Path, file: str, models: list[type]) -> None:
    run("init", tmp_path / "new", "--sandbox", "--yes")
    text = (tmp_path / "new" / file).read_text()
    for model in models:
        for name, field in model.model_fields.items():  # type: ignore[attr-defined]
            assert f"{field.alias or name}:" in text, f"{file} does not name {name}"


def test_what_is_out_of_force_becomes_a_config_once_it_is_filled_in(run: Run, tmp_path: Path) -> None:
    folder = tmp_path / "new"
    run("init", folder, *REAL, "--channel", "mastodon")
    lines = (folder / "channels.yaml").read_text().splitlines()
    begin = lines.index("channels: {}")
    mended = ["channels:"]
    for line in lines[begin + 1 :]:
        if line.startswith("  # Not in force"):
            continue
        mended.append(line.replace("# ", "", 1).replace("base_url:", "base_url: https://social.example"))
    (folder / "channels.yaml").write_text("\n".join(mended) + "\n")
    settings = load(folder, channels.settings_models())
    assert {name: each.mode for name, each in settings.channels.items()} == {
        "mastodon-drill": Mode.DRILL,
        "mastodon-live": Mode.LIVE,
    }


def test_the_people_to_try_can_be_imported(run: Run, tmp_path: Path) -> None:
    run("init", tmp_path / "new", "--sandbox", "--yes")
    told = run("people", "import", tmp_path / "new" / "people.csv", "--json")
    assert told.json["rows"] == told.json["added"] > 10
    assert told.json["notes"] == []
    rows = read_people(tmp_path / "new" / "people.csv", default_region="ID", identify=lambda family, value: value)
    assert not any(isinstance(row, Fault) for row in rows)


def test_secrets_are_their_owners_alone_and_stand_in_no_other_file(run: Run, tmp_path: Path) -> None:
    run("init", tmp_path / "new", "--sandbox", "--yes")
    folder = tmp_path / "new"
    secrets = list((folder / "secrets").iterdir())
    assert secrets
    assert (folder / "secrets").stat().st_mode & 0o077 == 0
    texts = "".join(each.read_text() for each in folder.glob("*.*"))
    for each in secrets:
        assert each.stat().st_mode & 0o077 == 0
        assert each.read_text().strip() not in texts


def test_nothing_is_ever_written_over(run: Run, tmp_path: Path) -> None:
    run("init", tmp_path / "new", "--sandbox", "--yes")
    before = {each.name: each.read_bytes() for each in (tmp_path / "new").iterdir() if each.is_file()}
    told = run("init", tmp_path / "new", *REAL)
    assert told.code == 2
    assert "holds a config already" in told.err
    assert {each.name: each.read_bytes() for each in (tmp_path / "new").iterdir() if each.is_file()} == before
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("mine")
    assert run("init", tmp_path / "mine", "--sandbox", "--yes").code == 2
    assert [each.name for each in (tmp_path / "mine").iterdir()] == ["notes.txt"]
    (tmp_path / "file").write_text("mine")
    assert run("init", tmp_path / "file", "--sandbox", "--yes").code == 2
    assert (tmp_path / "file").read_text() == "mine"


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--real", "--yes"), "name, sender and link are not known; add --name, --sender and --link"),
        (("--real", "--yes", "--name", "BPBD Contoh", "--sender", "a@b.example"), "link is not known; add --link"),
        ((*REAL, "--timezone", "Mars"), "no IANA zone"),
        ((*REAL, "--language", "!"), "is no language"),
        ((*REAL, "--channel", "pigeon"), "'pigeon' is no channel; known are"),
        (("--sandbox", "--yes", "--link", "nowhere"), "must be an address"),
        (("--sandbox", "--yes", "--name", ""), "write something here"),
        ((), "nothing can be asked without a terminal"),
    ],
)
def test_what_cannot_be_is_said_in_a_sentence_and_nothing_is_left(
    run: Run, tmp_path: Path, options: tuple[str, ...], says: str
) -> None:
    (tmp_path / "empty").mkdir()
    told = run("init", tmp_path / "empty" / "new", *options)
    assert told.code == 2
    assert says in told.err
    assert len(told.sentences) == 1
    assert list((tmp_path / "empty").iterdir()) == []


def test_a_folder_that_cannot_be_written_is_said(run: Run, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    told = run("init", tmp_path / "file" / "below", "--sandbox", "--yes")
    assert told.code == 2
    assert "cannot be written" in told.err


def test_it_goes_where_a_config_is_looked_for_and_is_found_there(run: Run, surroundings: Path) -> None:
    told = run("init", "--sandbox", "--yes", "--json")
    assert told.json["config"] == str(surroundings / "home" / ".config" / "kentongan")
    assert "feed-drill" in run("channels").out


def test_of_two_at_once_one_writes_and_the_other_says_so(tmp_path: Path) -> None:
    both = [
        subprocess.Popen(
            arguments_of("init", tmp_path / "new", "--sandbox", "--yes"),
            cwd=REPOSITORY,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        for _ in range(2)
    ]
    for each in both:
        each.communicate(timeout=60)
    assert sorted(each.returncode for each in both) == [0, 2]
    assert load(tmp_path / "new", channels.settings_models()).channels
    assert [each.name for each in tmp_path.iterdir() if each.name.startswith(".kentongan")] == []


def answer(file: int, exchange: list[tuple[str, str]], patience: float = 30.0) -> str:
    """Answers questions on a terminal, in their order; returns all that stood there."""
    shown = ""
    mark = 0
    until = time.monotonic() + patience
    for question, typed in [*exchange, ("Next:", "")]:
        while question not in shown[mark:]:
            ready, _, _ = select.select([file], [], [], max(0.0, until - time.monotonic()))
            assert ready, f"{question!r} was never asked; the terminal shows {shown}"
            shown += os.read(file, 65_536).decode("utf-8", "replace")
        mark = shown.index(question, mark) + len(question)
        os.write(file, f"{typed}\n".encode())
    return shown


def test_a_real_agency_is_asked_again_where_an_answer_cannot_be(tmp_path: Path) -> None:
    parent, child = pty.openpty()
    process = subprocess.Popen(
        arguments_of("init", tmp_path / "new", "--real"), cwd=REPOSITORY, stdin=child, stdout=child, stderr=child
    )
    shown = answer(
        parent,
        [
            ("Name of your agency", ""),
            ("Name of your agency", "BPBD Contoh"),
            ("Languages", "id en"),
            ("Time zone", "Mars/Base"),
            ("no IANA zone", "Asia/Makassar"),
            ("Telephone number", "112"),
            ("Sender", "two words"),
            ("CAP allows no space", "siaga@bpbd.example"),
            ("Web address", "https://siaga.bpbd.example/a"),
            ("Which of them do you own", "pigeon"),
            ("is no channel", "telegram, mastodon, facebook"),
            ("The bot's token", "1000:a-secret-token"),
            ("Address of the provider", "http://social.example"),
            ("Access token", ""),
            ("Numeric id of the page", "my page"),
            ("should match pattern", "4711"),
            ("Page access token", ""),
        ],
    )
    assert process.wait(20) == 0
    os.close(parent)
    os.close(child)
    assert "a-secret-token" not in shown
    assert "base_url must begin with https://" in shown
    settings = load(tmp_path / "new", channels.settings_models())
    assert settings.agency.timezone == "Asia/Makassar"
    assert list(settings.channels) == ["telegram-drill", "facebook-drill"]
    assert settings.channels["telegram-drill"].audience == "subscribers"
    assert (tmp_path / "new" / "secrets" / "telegram-drill-token").read_text() == "1000:a-secret-token\n"

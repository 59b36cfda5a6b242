"""A wrong config is found whole, each fault named by file and field, and none of it passes in silence."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from kentongan import route_faults
from kentongan.config_folder import load
from kentongan.errors import BadConfig
from kentongan.settings import InstanceSettings

AGENCY = """\
name: BPBD Contoh
sender: siaga@bpbd.example
languages: [id, en]
timezone: Asia/Jakarta
link: https://siaga.example/a
"""
FILES = {
    "agency.yaml": AGENCY,
    "channels.yaml": "channels:\n  sms: {kind: post, mode: live, audience: all}\n",
    "audiences.yaml": "audiences:\n  all: {}\n",
    "policy.yaml": "repeat_after: 60\n",
}


def write(folder: Path, **changes: str) -> Path:
    for name, content in {**FILES, **{f"{name}.yaml": text for name, text in changes.items()}}.items():
        (folder / name).write_text(content)
    return folder


def faults(folder: Path) -> list[str]:
    with pytest.raises(BadConfig) as caught:
        load(folder, {"post": InstanceSettings})
    return str(caught.value).splitlines()


def test_a_sound_config_is_read(tmp_path: Path) -> None:
    read = load(write(tmp_path), {"post": InstanceSettings})
    assert (read.agency.timezone, list(read.channels), list(read.audiences)) == ("Asia/Jakarta", ["sms"], ["all"])


@pytest.mark.parametrize(
    ("file", "content", "told"),
    [
        ("channels", "chanels:\n  sms: {kind: post, mode: live}\n", "chanels: no such field; known are channels"),
        ("audiences", "audience:\n  all: {}\n", "audience: no such field; known are audiences"),
        ("channels", "channels: [sms, feed]\n", "channels: must hold names"),
        ("audiences", "audiences: all\n", "audiences: must hold names"),
        ("channels", "channels:\n  sms: post\n", "channels.sms: must hold fields"),
        ("channels", "channels:\n  '*': {kind: post, mode: live}\n", "channels.*: is no name"),
        ("channels", "channels:\n  'sms:id': {kind: post, mode: live}\n", "channels.sms:id: is no name"),
        (
            "channels",
            "channels:\n  sms: {kind: post, mode: live}\n  sms: {kind: post, mode: drill}\n",
            "line 3: 'sms' stands there twice; keep one",
        ),
        ("agency", AGENCY + "name: Another\n", "line 6: 'name' stands there twice; keep one"),
        ("agency", AGENCY.replace("Asia/Jakarta", "Mars/Base"), "timezone: 'Mars/Base' is no IANA zone"),
        ("agency", AGENCY.replace("Asia/Jakarta", "/etc/passwd"), "timezone: '/etc/passwd' is no IANA zone"),
        ("agency", AGENCY.replace("[id, en]", "[]"), "languages: names none"),
        ("agency", AGENCY.replace("[id, en]", "[Bahasa Indonesia]"), "languages: 'Bahasa Indonesia' is no language"),
        ("agency", AGENCY.replace("https://siaga.example/a", "siaga.example"), "link: must be an address"),
        ("policy", "repeat_after: .inf\n", "repeat_after:"),
        ("policy", "approval_lasts: .nan\n", "approval_lasts:"),
    ],
)
def test_a_fault_is_named_by_file_and_field(tmp_path: Path, file: str, content: str, told: str) -> None:
    found = faults(write(tmp_path, **{file: content}))
    named = [sentence for sentence in found if told in sentence]
    assert len(named) == 1, found
    assert named[0].startswith(f"{tmp_path / file}.yaml:")


json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@given(file=st.sampled_from(["agency", "channels", "audiences", "policy"]), content=json, inside=st.booleans())
def test_whatever_stands_in_a_file_it_is_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, file: str, content: object, inside: bool
) -> None:
    folder = tmp_path_factory.mktemp("config")
    text = yaml.safe_dump({file: content} if inside else content, allow_unicode=True)
    with contextlib.suppress(BadConfig):
        load(write(folder, **{file: text}), {"post": InstanceSettings})


def test_the_page_on_routes_shows_a_config_that_is_read_as_it_is_meant(tmp_path: Path) -> None:
    page = (Path(__file__).parents[2] / "docs" / "routes.md").read_text("utf-8")
    example = page.split("```yaml\n")[1].split("```")[0]
    audiences = {"toots": "", "feed": "", "sms": ", audience: all", "bot": ", audience: all"}
    instances = "".join(
        f"  {name}-{mode}: {{kind: post, mode: {mode}{audience}}}\n"
        for name, audience in audiences.items()
        for mode in ("live", "drill")
    )
    settings = load(write(tmp_path, routes=example, channels=f"channels:\n{instances}"), {"post": InstanceSettings})
    assert settings.routes.fallback[0].on == ("sms",)
    assert settings.routes.escalation[0].after == 600
    modes = {name: each.mode.value for name, each in settings.channels.items()}
    known = ("flood", "weather", "tsunami")
    assert route_faults.remarks(settings.routes, modes, known, ("duty", "deputies", "heads")) == []

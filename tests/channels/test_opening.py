from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import channels
from kentongan.config_folder import load
from kentongan.errors import BadConfig
from kentongan.seam import Limits, Traits
from kentongan.settings import Agency, InstanceSettings, Policy, Settings

ROOT = Path(__file__).resolve().parents[2]
AGENCY = "name: BPBD\nsender: bpbd@example\nlanguages: [id, en]\nlink: https://bpbd.example\n"
CHANNELS = """\
channels:
  toot:
    kind: mastodon
    mode: live
    base_url: https://mastodon.example/
    token: {env: KENTONGAN_TEST_TOOT}
  sms:
    kind: kannel
    mode: live
    base_url: http://10.0.0.2:13013
    username: bpbd
    password: {file: %s}
    sender: BPBD
    audience: all
"""


def configured(folder: Path) -> Settings:
    (folder / "agency.yaml").write_text(AGENCY)
    (folder / "channels.yaml").write_text(CHANNELS % (folder / "password"))
    (folder / "audiences.yaml").write_text("audiences:\n  all: {}\n")
    return load(folder, channels.settings_models())


async def test_the_instances_of_a_config_are_opened_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KENTONGAN_TEST_TOOT", "token")
    (tmp_path / "password").write_text("word\n")
    opened = channels.open(configured(tmp_path))
    assert {name: channel.kind for name, channel in opened.items()} == {"toot": "mastodon", "sms": "kannel"}
    assert opened["sms"].limits == channels.limits(configured(tmp_path).channels["sms"])
    for channel in opened.values():
        await channel.close()


def test_every_absent_secret_is_named_with_its_remedy(tmp_path: Path) -> None:
    with pytest.raises(BadConfig) as raised:
        channels.open(configured(tmp_path))
    first, second = str(raised.value).splitlines()
    assert "channels.yaml: channels.toot.token: environment variable KENTONGAN_TEST_TOOT is not set" in first
    assert "channels.sms.password" in second
    assert str(tmp_path / "password") in second


async def test_one_instance_opens_without_the_secrets_of_another(tmp_path: Path) -> None:
    (tmp_path / "password").write_text("word\n")
    opened = channels.open(configured(tmp_path), names=["sms"])
    assert list(opened) == ["sms"]
    await opened["sms"].close()


def test_a_secret_that_no_header_may_carry_is_refused_without_being_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "password").write_text("wo\x01rd-é")
    monkeypatch.setenv("KENTONGAN_TEST_TOOT", "token")
    with pytest.raises(BadConfig) as raised:
        channels.open(configured(tmp_path))
    assert "channels.sms.password" in str(raised.value)
    assert "rd-" not in str(raised.value)


@pytest.mark.parametrize(
    "url",
    ["mastodon.example", "ftp://x", "https://", "https://u:p@x", "https://x?y=1", "https://x:99999", "https://a..b"],
)
def test_an_address_that_cannot_be_is_a_sentence(tmp_path: Path, url: str) -> None:
    with pytest.raises(BadConfig, match=r"channels\.toot\.base_url"):
        configured_with(tmp_path, url)


def configured_with(folder: Path, url: str) -> None:
    configured(folder)
    path = folder / "channels.yaml"
    path.write_text(path.read_text().replace("https://mastodon.example/", url))
    load(folder, channels.settings_models())


def test_settings_of_no_kind_of_ours_are_our_own_mistake() -> None:
    foreign = InstanceSettings.model_validate({"kind": "mastodon", "mode": "live"})
    with pytest.raises(TypeError):
        channels.limits(foreign)
    agency = Agency.model_validate({"name": "a", "sender": "b", "languages": ["id"], "link": "https://x"})
    settings = Settings.model_validate(
        {"source": None, "agency": agency, "channels": {"toot": foreign}, "audiences": {}, "policy": Policy()}
    )
    with pytest.raises(TypeError):
        channels.open(settings)


def test_listing_kinds_traits_and_settings_imports_no_network_library() -> None:
    program = """
import json, sys
import channels
for kind in channels.kinds():
    channels.traits(kind), channels.settings_model(kind).model_construct(mode="live", kind=kind).limits()
print(json.dumps(sorted({name.partition(".")[0] for name in sys.modules})))
"""
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    loaded: list[str] = json.loads(done.stdout)
    assert {"httpx", "httpcore", "anyio", "aiohttp", "lxml", "prefect", "ssl"} & set(loaded) <= {"ssl"}
    assert "channels" in loaded


def test_the_library_of_direct_messages_is_imported_by_the_first_of_them_or_beforehand(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    program = """
import asyncio, sys
import channels
from channels._http import Wire

async def loaded(ask):
    await ask
    return "aiohttp" in sys.modules

async def main():
    settings = {"kind": "telegram", "mode": "live", "base_url": "http://127.0.0.1:1", "token": {"env": "TOKEN"}}
    opened = [
        channels.adapter("telegram")("name", channels.settings_model("telegram").model_validate(settings | to))
        for to in ({"chat": "@agency"}, {"audience": "all"})
    ]
    public, direct = (channel.wire.ask("POST", "/") for channel in opened)
    print(await loaded(public), end=" ")
    await channels.prepare(opened[:1]), print(await loaded(asyncio.sleep(0)), end=" ")
    if sys.argv[1] == "prepare":
        await channels.prepare(opened), print(await loaded(asyncio.sleep(0)), end=" ")
    print(await loaded(direct))

asyncio.run(main())
"""
    monkeypatch.setenv("TOKEN", "1:x")
    for argument, told in (("send", "False False True"), ("prepare", "False False True True")):
        command = [sys.executable, "-c", program, argument]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
        assert done.stdout.strip() == told


@pytest.mark.parametrize("kind", channels.kinds())
def test_a_kind_is_complete(kind: str) -> None:
    adapter: Any = channels.adapter(kind)
    assert adapter.kind == kind
    assert isinstance(adapter.traits, Traits)
    settings = channels.settings_model(kind).model_construct(kind=kind)
    assert isinstance(settings.limits(), Limits)
    assert (ROOT / f"tests/channels/test_{kind}.py").is_file(), f"{kind} has no contract test"
    assert "Contract)" in (ROOT / f"tests/channels/test_{kind}.py").read_text()
    scene = ROOT / f"tests/channels/{kind}_scene.py"
    suite = scene if scene.is_file() else ROOT / f"tests/channels/test_{kind}.py"
    assert f'kind = "{kind}"' in suite.read_text()
    assert list((ROOT / "templates/channels").glob(f"{kind}.*")), f"{kind} has no layout in templates/channels"


def test_every_layout_belongs_to_a_kind() -> None:
    layouts = {path.name.partition(".")[0] for path in (ROOT / "templates/channels").iterdir() if path.is_file()}
    assert {layout for layout in layouts if not layout.startswith("_")} <= set(channels.kinds())

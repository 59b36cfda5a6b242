"""The blog against a real WordPress with MariaDB, and our stand-in measured by it: each test runs against both."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

import sandbox.wordpress
from channels.wordpress import Adapter, Settings
from kentongan.seam import (
    Absent,
    Accepted,
    Credential,
    InDoubt,
    Job,
    Media,
    Mode,
    Pending,
    Posted,
    Rejected,
    Rendered,
    Uploaded,
)
from sandbox.server import Sandbox
from tests.kentongan.pictures.made import png

pytestmark = pytest.mark.peer

HERE = Path(__file__).parent
CORE = HERE.parents[1] / ".peers" / "wordpress"
MARIADBD = Path("/usr/sbin/mariadbd")


@dataclass(frozen=True)
class Blog:
    """A blog under `address`; `passwords` are those of its users, by role. `folder` is a real one's, None else."""

    address: str
    passwords: Mapping[str, str]
    folder: Path | None


def _until(ready: Callable[[], bool], process: subprocess.Popen[bytes], what: str) -> None:
    ends = time.monotonic() + 30
    while not ready():
        assert process.poll() is None, f"{what} ended at once"
        assert time.monotonic() < ends, f"{what} does not start"
        time.sleep(0.05)


@contextlib.contextmanager
def _running(*command: str, folder: Path, env: Mapping[str, str] | None = None) -> Iterator[subprocess.Popen[bytes]]:
    with (folder / f"{Path(command[0]).name}.log").open("wb") as log:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=env, cwd=folder)
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _connects(family: socket.AddressFamily, address: Any) -> bool:
    with socket.socket(family) as client:
        return client.connect_ex(address) == 0


@pytest.fixture(scope="module")
def site() -> Iterator[Blog]:
    """One WordPress for all tests of this module, on a free loopback port and a database on a socket of its own."""
    if not (MARIADBD.exists() and shutil.which("php") and (CORE / "wp-settings.php").exists()):
        pytest.skip("WordPress, PHP or MariaDB is not installed; run `make peers`")
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="wordpress-")))
        (folder / "content").mkdir()
        as_root = ["--user=root"] if os.geteuid() == 0 else []
        database = ["--no-defaults", f"--datadir={folder}/db", *as_root]
        subprocess.run(
            ["mariadb-install-db", *database, "--auth-root-authentication-method=normal", "--skip-test-db"],
            check=True,
            capture_output=True,
        )
        at = str(folder / "db.sock")
        server = stack.enter_context(
            _running(str(MARIADBD), *database, f"--socket={at}", "--skip-networking", folder=folder)
        )
        _until(lambda: _connects(socket.AF_UNIX, at), server, "MariaDB")
        make = "CREATE DATABASE wordpress"
        subprocess.run(["mariadb", "--no-defaults", "-S", at, "-uroot", "-e", make], check=True, capture_output=True)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        address = f"http://127.0.0.1:{port}"
        env = {
            **os.environ,
            "KENTONGAN_PEER_WORDPRESS": str(folder),
            "KENTONGAN_PEER_ADDRESS": address,
            "KENTONGAN_PEER_CORE": str(CORE),
        }
        script = str(HERE / "wordpress.php")
        quiet = ["-d", "sendmail_path=/bin/true", "-d", "display_errors=0"]
        subprocess.run(["php", *quiet, script, "install"], check=True, capture_output=True, env=env)
        web = stack.enter_context(_running("php", *quiet, "-S", f"127.0.0.1:{port}", script, folder=folder, env=env))
        _until(lambda: _connects(socket.AF_INET, ("127.0.0.1", port)), web, "PHP")
        yield Blog(address, json.loads((folder / "passwords.json").read_text()), folder)


@pytest.fixture(params=["WordPress", "stand-in"])
async def blog(request: pytest.FixtureRequest) -> AsyncIterator[Blog]:
    if request.param == "WordPress":
        yield request.getfixturevalue("site")
        return
    async with Sandbox() as running:
        yield Blog(running.base_url("wordpress"), {"author": sandbox.wordpress.password("default")}, None)


@pytest.fixture
async def opened(blog: Blog, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Callable[..., Adapter]]:
    made: list[Adapter] = []

    def build(role: str = "author", password: str | None = None, **changes: Any) -> Adapter:
        monkeypatch.setenv("KENTONGAN_PEER_PASSWORD", password or blog.passwords[role])
        fields = {"kind": "wordpress", "mode": "live", "base_url": blog.address, "sandbox": True}
        fields["username"] = role if blog.folder is not None else sandbox.wordpress.USERNAME
        fields["password"] = {"env": "KENTONGAN_PEER_PASSWORD"}
        made.append(Adapter("blog", Settings.model_validate({**fields, **changes})))
        return made[-1]

    yield build
    for channel in made:
        await channel.close()


def message(code: str, **changes: Any) -> Rendered:
    fields: dict[str, Any] = {
        "alert_id": "a",
        "instance": "blog",
        "language": "id",
        "kind": "alert",
        "mode": Mode.LIVE,
        "code": code,
        "mark": "",
        "title": "Gempa M5,6 & <tsunami> “siaga”",
        "text": f"Gempa M5,6\n\nJauhi pantai <awas> & lari. {code}",
    }
    return Rendered(**{**fields, **changes})


def job(**changes: Any) -> Job:
    return Job("key", None, datetime.now(UTC), **changes)


async def shown(channel: Adapter, id: str) -> Mapping[str, Any]:
    async with httpx.AsyncClient(
        base_url=channel.wire._base_url, headers=dict(channel._basic), trust_env=False
    ) as client:
        answer = await client.get(f"/wp-json/wp/v2/posts/{id}?context=edit")
    return answer.json() if answer.status_code == 200 else {}


async def test_a_post_stands_under_its_slug_as_it_was_written(opened: Callable[..., Adapter]) -> None:
    channel = opened()
    alert, began = message("AAA1-ID"), job()
    assert (await channel.ready()).ready
    assert await channel.find(alert, began) == Absent()
    (outcome,) = await channel.send(alert, [began], None)
    assert isinstance(outcome, Accepted)
    assert await channel.find(alert, began) == outcome
    post = await shown(channel, outcome.id)
    assert (post["slug"], post["status"], post["featured_media"]) == ("aaa1-id", "publish", 0)
    assert post["content"]["raw"] == "<p>Gempa M5,6</p>\n<p>Jauhi pantai &lt;awas&gt; &amp; lari. AAA1-ID</p>"
    assert post["title"]["raw"] == "Gempa M5,6 &amp; &lt;tsunami&gt; “siaga”"


async def test_a_second_post_of_one_slug_gets_another_and_the_first_is_found(opened: Callable[..., Adapter]) -> None:
    channel, alert, began = opened(), message("AAA2-ID"), job()
    outcomes = [(await channel.send(alert, [began], None))[0] for _ in range(2)]
    assert all(isinstance(outcome, Accepted) for outcome in outcomes)
    first, second = (outcome.id for outcome in outcomes if isinstance(outcome, Accepted))
    assert (await shown(channel, second))["slug"] == "aaa2-id-2"
    assert await channel.find(alert, began) == outcomes[0]
    assert first != second


async def test_pictures_head_the_post_and_go_with_its_words(opened: Callable[..., Adapter]) -> None:
    channel = opened()
    media = (Media("map one.png", "image/png", png(), 'Peta "A" & <B>'), Media("two.png", "image/png", png(), "Dua"))
    alert = message("AAA3-ID", media=media)
    step = await channel.upload(alert)
    while isinstance(step, Pending):
        step = await channel.advance(alert, job(handle=step.handle))
    assert isinstance(step, Uploaded)
    (outcome,) = await channel.send(alert, [job()], step)
    assert isinstance(outcome, Accepted)
    post = await shown(channel, outcome.id)
    assert str(post["featured_media"]) == step.references["map one.png"].partition(" ")[0]
    assert f'<img src="{step.references["two.png"].partition(" ")[2]}" alt="Dua"' in post["content"]["raw"]
    withdrawn = await channel.edit(Posted(outcome.id), message("AAA3-ID", text="DITARIK AAA3-ID"), job())
    assert isinstance(withdrawn, Accepted)
    post = await shown(channel, outcome.id)
    assert (post["featured_media"], post["content"]["raw"]) == (0, "<p>DITARIK AAA3-ID</p>")
    assert post["slug"] == "aaa3-id"


async def test_what_is_no_picture_is_refused_at_once(opened: Callable[..., Adapter]) -> None:
    alert = message("AAA4-ID", media=(Media("map.svg", "image/svg+xml", b"<svg/>", ""),))
    assert isinstance(await opened().upload(alert), Rejected)


async def test_what_is_in_the_trash_is_gone_and_leaves_its_place(opened: Callable[..., Adapter]) -> None:
    channel, alert, began = opened(), message("AAA5-ID"), job()
    (outcome,) = await channel.send(alert, [began], None)
    assert isinstance(outcome, Accepted)
    for id in (outcome.id, outcome.id, "999999"):
        assert await channel.delete(Posted(id), job()) == Accepted(id)
    assert await channel.find(alert, began) == Absent()
    assert isinstance(await channel.edit(Posted(outcome.id), alert, job()), Rejected)
    assert isinstance(await channel.edit(Posted("999999"), alert, job()), Rejected)
    (again,) = await channel.send(alert, [began], None)
    assert isinstance(again, Accepted)
    assert (await shown(channel, again.id))["slug"] == "aaa5-id"


async def test_a_drill_that_only_the_agency_sees_is_found(opened: Callable[..., Adapter]) -> None:
    for status, code in (("draft", "AAA6-ID"), ("private", "AAA7-ID")):
        channel = opened(mode="drill", status=status)
        text = f"[LATIHAN] Gempa {code} [LATIHAN]"
        drill = message(code, mode=Mode.DRILL, mark="[LATIHAN]", title="[LATIHAN] Gempa", text=text)
        began = job()
        (outcome,) = await channel.send(drill, [began], None)
        assert isinstance(outcome, Accepted)
        assert await channel.find(drill, began) == outcome


async def test_an_unknown_password_says_so(opened: Callable[..., Adapter]) -> None:
    channel, alert = opened(password="none of ours"), message("AAA8-ID")
    (outcome,) = await channel.send(alert, [job()], None)
    seen = await channel.ready()
    assert isinstance(outcome, Credential)
    assert not seen.ready
    assert "application password" in outcome.reason
    assert "application password" in seen.detail
    assert isinstance(await channel.find(alert, job()), InDoubt)


# --- What the stand-in has no users or settings for ---


@pytest.mark.parametrize("blog", ["WordPress"], indirect=True)
@pytest.mark.parametrize("role", ["contributor", "subscriber"])
async def test_a_user_who_may_not_publish_is_not_ready(opened: Callable[..., Adapter], role: str) -> None:
    channel = opened(role)
    (outcome,) = await channel.send(message("AAA9-ID"), [job()], None)
    assert isinstance(outcome, Credential)
    seen = await channel.ready()
    assert not seen.ready
    assert "publish_posts" in seen.detail


@pytest.mark.parametrize("blog", ["WordPress"], indirect=True)
async def test_a_blog_without_a_trash_keeps_the_post(blog: Blog, opened: Callable[..., Adapter]) -> None:
    assert blog.folder is not None
    channel = opened()
    (outcome,) = await channel.send(message("AAB1-ID"), [job()], None)
    assert isinstance(outcome, Accepted)
    (blog.folder / "no-trash").touch()
    try:
        refused = await channel.delete(Posted(outcome.id), job())
    finally:
        (blog.folder / "no-trash").unlink()
    assert isinstance(refused, Rejected)
    assert "no trash" in refused.reason
    assert (await shown(channel, outcome.id))["status"] == "publish"

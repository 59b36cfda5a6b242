"""A picture from the command line to the readers: a feed's page, and stand-ins that take it in their own ways."""

from __future__ import annotations

from pathlib import Path

import pytest

from sandbox import mastodon, wordpress, x
from sandbox.server import Sandbox
from tests.console.commands.conftest import quake
from tests.kentongan.pictures.made import exif, jpeg, png, segment

SHOWS = "Peta guncangan gempa di sekitar Manna"


@pytest.fixture
def picture(surroundings: Path) -> Path:
    """A photograph that knows where it was taken."""
    path = surroundings / "Peta Gempa.JPG"
    path.write_bytes(jpeg(320, 240, more=segment(0xE1, b"Exif\0\0" + exif(located=True))))
    return path


@pytest.fixture
def everywhere(sandbox: Sandbox, config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beside the feeds, drill instances of all kinds that carry pictures, on stand-ins."""
    monkeypatch.setenv("KENTONGAN_TEST_MASTODON", mastodon.token("default"))
    monkeypatch.setenv("KENTONGAN_TEST_X", x.token("default"))
    monkeypatch.setenv("KENTONGAN_TEST_BLOG", wordpress.password("default"))
    common = "    mode: drill\n    sandbox: true\n"
    with (config / "channels.yaml").open("a") as file:
        for kind, secret in (("mastodon", "token"), ("x", "token"), ("wordpress", "password")):
            name = "BLOG" if kind == "wordpress" else kind.upper()
            file.write(f"  {kind}-drill:\n    kind: {kind}\n{common}    base_url: {sandbox.base_url(kind)}\n")
            file.write(f"    {secret}: {{env: KENTONGAN_TEST_{name}}}\n    rate: 50\n")
        file.write(f"    username: {wordpress.USERNAME}\n")


def test_a_picture_goes_from_a_file_to_every_channel_that_carries_one(
    run, as_officer, everywhere: None, sandbox: Sandbox, surroundings: Path, picture: Path
) -> None:
    as_officer("siti")
    drafted = run(*quake("--drill", "--media", str(picture), "--alt", SHOWS))
    assert drafted.code == 0, drafted.err
    assert "where it was taken" in drafted.err
    assert f"peta-gempa.jpg: {SHOWS}" in drafted.out
    code = run("status", "--json").json["alerts"][0]["code"]
    shown = run("preview", code)
    assert f"{SHOWS}]" in shown.out
    assert "costs USD 0.2" in shown.out
    assert run("submit", code).code == 0
    as_officer("budi")
    assert run("approve", code).code == 0
    sent = run("send", code)
    assert sent.code == 0, sent.err

    for kind in ("mastodon", "x"):
        messages = sandbox.stand_in(kind).messages
        assert len(messages) == 2, "one in each language"
        assert all(any(SHOWS in note for note in message.notes) for message in messages), kind
    assert all(f"{SHOWS}" in " ".join(post.notes) for post in sandbox.stand_in("wordpress").messages)
    (published,) = (surroundings / "feed-drill").glob("*/peta-gempa.jpg")
    assert b"4 deg" not in published.read_bytes()
    page = (published.parent / "index.html").read_text("utf-8")
    assert '<img src="peta-gempa.jpg"' in page

    run("follow-up", code, "--kind", "correction", "--reason", "was_a_test")
    withdrawn = [message for message in sandbox.stand_in("mastodon").messages if not message.notes]
    assert len(withdrawn) == 2, "what withdraws it carries no picture"
    assert run("log", "verify").code == 0


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (("--media", "{}"), "one --alt for each --media"),
        (("--alt", SHOWS), "one --alt for each --media"),
        (("--media", "{}", "--alt", ""), "no alternative text"),
        (("--media", "{}", "--alt", "PETA GUNCANGAN"), "capitals"),
        (("--media", "{}.gone", "--alt", SHOWS), "cannot be read"),
        (("--media", "/", "--alt", SHOWS), "cannot be read"),
    ],
)
def test_a_picture_that_cannot_go_is_refused_and_nothing_is_drafted(
    run, config: Path, picture: Path, more: tuple[str, ...], said: str
) -> None:
    done = run(*quake("--drill", *(each.replace("{}", str(picture)) for each in more)))
    assert done.code == 2
    assert any(said in sentence for sentence in done.sentences), done.err
    assert run("status", "--json").json["alerts"] == []


def test_a_file_that_is_no_picture_is_refused(run, config: Path, surroundings: Path) -> None:
    path = surroundings / "map.png"
    for content in (b"", b"GIF89a", png()[:-20], jpeg()[:-2]):
        path.write_bytes(content)
        done = run(*quake("--drill", "--media", str(path), "--alt", SHOWS))
        assert done.code == 2
        assert "map.png" in done.err

"""Does what docs/adding-a-channel.md says, with the very files that stand there, in a copy of the channels."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from kentongan.words.composing import composer

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "adding-a-channel.md"
KIND = "noticeboard"
COPIED = ("channels", "templates", "pyproject.toml")
SUITE = ("conftest.py", "contract.py", "wire_contract.py", "scripted.py", "test_opening.py")


def listed() -> dict[str, str]:
    """The files that the page lists, by path."""
    return dict(re.findall(r"^\*\*`([^`\n]+)`\*\*\n\n```\w+\n(.*?)^```$", PAGE.read_text("utf-8"), re.M | re.S))


def blocks(language: str) -> list[str]:
    """The contents of all blocks of a language that are no files."""
    text = re.sub(r"^\*\*`[^`\n]+`\*\*\n\n```\w+\n.*?^```$", "", PAGE.read_text("utf-8"), flags=re.M | re.S)
    found = re.findall(rf"^( *)```{language}\n(.*?)^\1```$", text, re.M | re.S)
    return [re.sub(f"^{indent}", "", content, flags=re.M) for indent, content in found]


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("checkout")
    for name in COPIED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, folder / name)
    (folder / "tests/channels").mkdir(parents=True)
    for name in SUITE:
        shutil.copy(ROOT / "tests/channels" / name, folder / "tests/channels" / name)
    for name, content in listed().items():
        path = folder / name
        assert not path.exists(), f"{name} is a channel of ours by now; the page needs another example"
        path.write_text(content, "utf-8")
    return folder


def run(checkout: Path, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, *arguments], cwd=checkout, capture_output=True, text=True, check=False, timeout=110
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return done.stdout


def test_the_page_lists_the_three_files_of_a_channel() -> None:
    assert set(listed()) == {
        f"channels/{KIND}.py",
        f"templates/channels/{KIND}.txt.j2",
        f"tests/channels/test_{KIND}.py",
    }


@pytest.mark.slow
def test_its_contract_suite_passes_and_it_is_as_complete_as_every_kind(checkout: Path) -> None:
    (command,) = (block for block in blocks("") if "pytest" in block)
    _, *arguments = command.split()
    # Of the test that goes through all kinds only this one: the other suites are not in the copy.
    told = run(checkout, *arguments, "-v", "-k", f"{KIND} or imports_no_network", "-p", "no:cacheprovider")
    assert re.search(rf"test_a_kind_is_complete\[{KIND}\] PASSED", told), told
    assert len(re.findall(rf"test_{KIND}\.py::.* PASSED", told)) > 80, "the contract was not run"
    assert "FAILED" not in told


def test_it_is_listed_with_a_row_and_a_table_of_its_settings(checkout: Path) -> None:
    (command,) = re.findall(r"`python (-m channels) > docs/channels\.md`", PAGE.read_text("utf-8"))
    told = run(checkout, *command.split())
    assert f"| [{KIND}](#{KIND}) | everybody | is a second message | yes | no | no | no | 600 (characters)" in told
    assert f"\n## {KIND}\n\nNotice board: public notices on the boards of a town" in told
    assert "| `board` | no | `all` | Board to write on. |" in told
    assert f"[{KIND}]" not in (ROOT / "docs/channels.md").read_text("utf-8")


def test_the_instance_of_the_page_is_read_and_a_wrong_field_is_a_sentence(checkout: Path, tmp_path: Path) -> None:
    (instance,) = blocks("yaml")
    (tmp_path / "agency.yaml").write_text("name: B\nsender: b@c.example\nlanguages: [id]\nlink: https://b.example\n")
    (tmp_path / "channels.yaml").write_text(instance)
    program = (
        "import sys, pathlib, channels\n"
        "from kentongan.config_folder import load\n"
        "from kentongan.errors import BadConfig\n"
        "try:\n"
        "    print(load(pathlib.Path(sys.argv[1]), channels.settings_models()).channels['board'])\n"
        "except BadConfig as error:\n"
        "    print(error)\n"
    )
    told = run(checkout, "-c", program, str(tmp_path))
    assert f"kind='{KIND}'" in told
    assert "board='all'" in told
    (tmp_path / "channels.yaml").write_text(instance + "    bord: x\n")
    assert "channels.board.bord: no such field; known are" in run(checkout, "-c", program, str(tmp_path))


def test_its_layout_is_one(checkout: Path) -> None:
    layout = composer(checkout / "templates").layout(KIND)
    assert (layout.forms, layout.mark, layout.markup) == (("standard", "short"), "short", False)


def test_the_listing_keeps_the_house_style(checkout: Path) -> None:
    files = [name for name in listed() if name.endswith(".py")]
    ours = 'lint.isort.known-first-party=["kentongan"]'  # which the copy has not got beside it
    run(checkout, "-m", "ruff", "check", "--no-cache", "--config", ours, *files)
    run(checkout, "-m", "ruff", "format", "--check", "--no-cache", *files)


def test_a_kind_without_a_contract_test_or_a_layout_is_found(checkout: Path) -> None:
    for name in (f"tests/channels/test_{KIND}.py", f"templates/channels/{KIND}.txt.j2"):
        path = checkout / name
        content = path.read_bytes()
        path.unlink()
        try:
            done = subprocess.run(
                [
                    sys.executable,
                    "-m",
                    "pytest",
                    "-q",
                    "-p",
                    "no:cacheprovider",
                    "tests/channels/test_opening.py",
                    "-k",
                    KIND,
                ],
                cwd=checkout,
                capture_output=True,
                text=True,
                check=False,
            )
        finally:
            path.write_bytes(content)
        assert done.returncode == 1, done.stdout
        assert f"{KIND} has no" in done.stdout


def test_the_answers_the_page_speaks_of_are_those_of_the_seam() -> None:
    from kentongan import seam

    for name in re.findall(r"^\| `(\w+)\(([\w, ]+)\)` \|", PAGE.read_text("utf-8"), re.M):
        answer, fields = name
        assert [*getattr(seam, answer).__dataclass_fields__] == fields.split(", "), answer

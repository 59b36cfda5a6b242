"""The house stands: imports go one way, the core knows no vendor, and a built wheel holds all it needs."""

from __future__ import annotations

import ast
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from hatchling.builders.wheel import WheelBuilder

ROOT = Path(__file__).parents[2]
PACKAGES = ("kentongan", "channels", "flows", "console", "sandbox")

# What the core may use beside Python itself: storage, parsing, cryptography, templates; no vendor, Prefect or web.
CORE_USES = {
    "alembic",
    "cryptography",
    "jinja2",
    "lxml",
    "markupsafe",
    "phonenumbers",
    "psycopg",
    "pydantic",
    "sqlalchemy",
    "tenacity",
    "yaml",
}


def linted(root: Path) -> subprocess.CompletedProcess[str]:
    """Import-linter's verdict on a tree; in a process of its own, for it disables every logger that is there."""
    command = "import sys; from importlinter.cli import lint_imports; sys.exit(lint_imports(no_cache=True))"
    return subprocess.run(
        [sys.executable, "-P", "-c", f"import sys; sys.path.insert(0, {str(root)!r}); {command}"],
        cwd=root,
        capture_output=True,
        text=True,
        timeout=100,
    )


def test_imports_go_one_way() -> None:
    done = linted(ROOT)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("place", "line"),
    [
        ("kentongan/wrong.py", "import channels"),
        ("channels/wrong.py", "from flows import house"),
        ("flows/wrong.py", "import console"),
        ("sandbox/wrong.py", "import kentongan"),
    ],
)
def test_an_import_the_other_way_is_found(tmp_path: Path, place: str, line: str) -> None:
    for package in PACKAGES:
        shutil.copytree(ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    (tmp_path / place).write_text(f"{line}\n", "utf-8")
    done = linted(tmp_path)
    assert done.returncode == 1, done.stdout + done.stderr
    assert place.removesuffix(".py").replace("/", ".") in done.stdout


def test_the_core_knows_no_vendor_no_prefect_and_no_web() -> None:
    used: dict[str, set[str]] = {}
    for file in (ROOT / "kentongan").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
                names = [node.module]
            for name in names:
                used.setdefault(name.partition(".")[0], set()).add(str(file.relative_to(ROOT)))
    foreign = used.keys() - set(sys.stdlib_module_names) - {"kentongan"}
    assert foreign <= CORE_USES, {name: used[name] for name in foreign - CORE_USES}


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project's wheel, built and installed into a folder of its own."""
    folder = tmp_path_factory.mktemp("wheel")
    (wheel,) = WheelBuilder(str(ROOT)).build(directory=str(folder), versions=["standard"])
    target = folder / "site"
    subprocess.run(
        [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--no-index", "--target", str(target), wheel],
        check=True,
        capture_output=True,
        timeout=100,
    )
    return target


def test_an_installed_wheel_finds_its_templates_configs_and_migrations(installed: Path, tmp_path: Path) -> None:
    script = """
import json, sys
from pathlib import Path
import kentongan, channels, sandbox
from kentongan.data import data_path
from kentongan.ledger import Ledger
from kentongan.words.library import library
with Ledger.open(Path(sys.argv[1]) / "ledger.db") as ledger:
    tables = ledger.read(lambda read: read.sql("SELECT count(*) FROM sqlite_master").scalar_one())
print(json.dumps({
    "from": [m.__file__ for m in (kentongan, channels, sandbox)],
    "data": [str(data_path(name)) for name in ("templates", "configs")],
    "hazards": sorted(library(data_path("templates")).names),
    "kinds": channels.kinds(),
    "tables": tables,
}))
"""
    environment = {**os.environ, "PYTHONPATH": str(installed)}
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert all(Path(path).is_relative_to(installed) for path in found["from"])
    assert found["data"] == [str(installed / "kentongan" / "_data" / name) for name in ("templates", "configs")]
    assert {"earthquake", "general"} <= set(found["hazards"])
    assert {"mastodon", "telegram", "kannel", "cap_feed"} <= set(found["kinds"])
    assert found["tables"] > 20


@pytest.mark.parametrize("name", ["templates", "configs"])
def test_a_wheel_holds_every_file_that_a_checkout_has(installed: Path, name: str) -> None:
    def files(folder: Path) -> set[str]:
        return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}

    tracked = subprocess.run(
        ["git", "ls-files", name], cwd=ROOT, capture_output=True, text=True, check=False, timeout=60
    )
    if tracked.returncode != 0:
        pytest.skip("this is no checkout: nothing says which files belong to it")
    wanted = {str(Path(line).relative_to(name)) for line in tracked.stdout.splitlines()}
    assert wanted
    assert wanted <= files(installed / "kentongan" / "_data" / name)


def test_a_damaged_installation_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from kentongan import data

    monkeypatch.setattr(data, "_PACKAGE", tmp_path / "kentongan")
    with pytest.raises(FileNotFoundError, match="install Kentongan again"):
        data.data_path("templates")

"""Secrets that files hold: what is put there counts from the next use on."""

from __future__ import annotations

from pathlib import Path

import pytest

from channels._secret import Secret
from kentongan.errors import BadConfig
from kentongan.settings import SecretSource


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "token"
    file.write_text("first\n")
    return file


@pytest.fixture
def secret(file: Path) -> Secret:
    return Secret(SecretSource(file=file), "bot", "token")


def test_a_file_that_is_replaced_counts_at_once(secret: Secret, file: Path) -> None:
    assert secret.get_secret_value() == "first"
    other = file.with_name("other")
    other.write_text("newer")
    other.replace(file)
    assert secret.get_secret_value() == "newer"
    file.write_text("again")
    assert secret.get_secret_value() == "again"


@pytest.mark.parametrize("content", ["", "  \n", "a\nb", "kata sandi é"])
def test_what_no_header_may_carry_changes_nothing_until_it_is_mended(secret: Secret, file: Path, content: str) -> None:
    file.write_text(content)
    assert secret.get_secret_value() == "first"
    file.unlink()
    assert secret.get_secret_value() == "first"
    file.write_text("third")
    assert secret.get_secret_value() == "third"


def test_one_from_the_environment_is_the_one_of_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_TOKEN", "first")
    secret = Secret(SecretSource(env="TEST_TOKEN"), "bot", "token")
    monkeypatch.setenv("TEST_TOKEN", "second")
    assert secret.get_secret_value() == "first"


def test_no_secret_to_begin_with_is_told_with_its_place(tmp_path: Path) -> None:
    with pytest.raises(BadConfig, match=r"channels\.bot\.token: secret file .* cannot be read"):
        Secret(SecretSource(file=tmp_path / "none"), "bot", "token")


def test_no_form_of_it_shows_it(secret: Secret) -> None:
    assert "first" not in f"{secret!r}{secret!s}"

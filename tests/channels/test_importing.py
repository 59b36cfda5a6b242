"""Importing aiohttp without the certificate authorities, and httpx without its command line: only there."""

from __future__ import annotations

import ssl
import subprocess
import sys
import threading

import pytest

from channels._importing import unread


@pytest.fixture
def readers(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The threads that have read the authorities of this machine."""
    threads: list[int] = []
    monkeypatch.setattr(
        ssl.SSLContext, "set_default_verify_paths", lambda self: threads.append(threading.get_ident()), raising=False
    )
    return threads


def test_only_who_imports_reads_no_authorities_and_only_meanwhile(readers: list[int]) -> None:
    with unread():
        mine = ssl.create_default_context()
        other = threading.Thread(target=ssl.create_default_context)
        other.start()
        other.join()
        assert readers == [other.ident]
    assert mine.verify_mode is ssl.CERT_REQUIRED
    ssl.create_default_context()
    assert readers == [other.ident, threading.get_ident()]


def test_what_fails_meanwhile_leaves_no_trace(readers: list[int]) -> None:
    with pytest.raises(ImportError), unread():
        raise ImportError
    ssl.create_default_context()
    assert readers == [threading.get_ident()]


def test_a_context_that_aiohttp_made_for_itself_trusts_nobody() -> None:
    told = (
        "import ssl, channels._bulk, aiohttp.connector as c;"
        " assert 'set_default_verify_paths' not in vars(ssl.SSLContext);"
        " k = c._SSL_CONTEXT_VERIFIED; print(k.verify_mode is ssl.CERT_REQUIRED, k.cert_store_stats()['x509_ca'])"
    )
    done = subprocess.run([sys.executable, "-c", told], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["True", "0"]


def test_httpx_comes_without_its_command_line_which_is_there_for_others() -> None:
    told = (
        "import sys, channels._http;"
        " print(*(name in sys.modules for name in ('rich', 'click', 'httpx._main')));"
        " import httpx._main; print(callable(httpx._main.main))"
    )
    done = subprocess.run([sys.executable, "-c", told], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False", "False", "True"]

"""How numbers, times, states and tables are said."""

from __future__ import annotations

import io
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from console import output, words
from kentongan import telling
from kentongan.clock import to_milliseconds
from kentongan.delivery import word
from kentongan.errors import BadInput

ZONE = ZoneInfo("Asia/Jakarta")
NOW = datetime(2026, 11, 21, 7, 5, tzinfo=UTC)


def test_times_are_local_and_name_their_zone() -> None:
    assert words.moment(NOW, ZONE) == "2026-11-21 14:05:00 WIB"
    assert telling.clock_time(to_milliseconds(NOW) + 7, ZONE) == "14:05:00.007"
    assert telling.iso(to_milliseconds(NOW)) == "2026-11-21T07:05:00.000Z"


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("2h", datetime(2026, 11, 21, 5, 5, tzinfo=UTC)),
        ("2026-11-21 14:00", datetime(2026, 11, 21, 7, 0, tzinfo=UTC)),
        ("2026-11-21T14:00+09:00", datetime(2026, 11, 21, 5, 0, tzinfo=UTC)),
    ],
)
def test_since_is_a_span_or_a_local_time(typed: str, meant: datetime) -> None:
    assert words.since(typed, now=NOW, zone=ZONE) == meant


def test_since_says_what_is_no_time() -> None:
    with pytest.raises(BadInput, match="no time"):
        words.since("yesterday", now=NOW, zone=ZONE)


def test_states_begin_with_what_is_surest() -> None:
    counted = {"planned": 7, "in_doubt": 2, "accepted": 3120, "rejected": 0}
    assert words.states(counted) == "3,120 accepted, 2 in doubt, 7 planned"


@given(
    st.dictionaries(
        st.builds(
            word,
            st.sampled_from(["planned", "claimed", "sending", "done"]),
            st.sampled_from(["none", "accepted", "in_doubt", "rejected", "unreachable", "delivered", "read"]),
            st.sampled_from([None, "cancelled", "expired"]),
        ),
        st.integers(1, 10**7),
    )
)
def test_every_delivery_is_counted_in_words(counted: dict[str, int]) -> None:
    said = words.states(counted)
    for name, count in counted.items():
        assert f"{count:,} {name.replace('_', ' ')}" in said


@given(st.text())
def test_no_text_can_steer_the_terminal(text: str) -> None:
    shown = output.printable(text)
    assert not set(shown) & {chr(code) for code in (*range(10), *range(11, 32), *range(127, 160), 0x202E, 0x2066)}


def test_pages_fit_into_80_columns(run, approved) -> None:
    code = approved("--drill")
    run("send", code)
    for line in (["status"], ["status", code], ["channels"], ["channels", "kinds"], ["officer", "list"], ["--help"]):
        ran = run(*line)
        assert ran.code == 0
        assert max(map(len, ran.out.splitlines())) <= output.NARROW, line


def test_the_list_of_alerts_reads_at_a_glance_whatever_their_headlines(run, approved) -> None:
    area = "area=" + "; ".join(f"Kecamatan Panjang Sekali Namanya {number}" for number in range(12))
    drill = approved("--drill", "--set", area)
    assert run("send", drill).code == 0
    # A live one comes after: a drill yields to it from its approval on.
    codes = [drill, approved("--set", area)]
    lines = run("status").out.splitlines()
    listed = {line[:4]: line for line in lines}
    assert len(lines) == 3
    assert set(codes) < set(listed)
    assert "drill alert" in listed[codes[0]]
    assert "sent" in listed[codes[0]].split()
    assert "live alert" in listed[codes[1]]
    assert "…" in listed[codes[0]]


def test_a_name_that_is_to_be_typed_again_is_never_folded() -> None:
    long = "telegram-of-the-coastal-villages"
    rows = [(long, *("a word and another " * 5,) * 5)]
    console = Console(file=io.StringIO(), width=output.NARROW)
    console.print(output.table(("Channel", *"abcde"), rows, whole=(0,)))
    assert isinstance(console.file, io.StringIO)
    assert long in console.file.getvalue()


def test_a_long_list_is_broken_between_words_under_its_label(capsys: pytest.CaptureFixture[str]) -> None:
    items = [f"channel-of-district-{number} (12 people)" for number in range(9)]
    output.say_list("Channels: ", items)
    lines = capsys.readouterr().out.splitlines()
    assert all(len(line) <= output.NARROW for line in lines)
    assert [line[:10] for line in lines[1:]] == [" " * 10] * (len(lines) - 1)
    assert " ".join(line[10:] for line in lines) == ", ".join(items)

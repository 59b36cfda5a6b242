"""The demo's own earthquake and nowcast, with their times set to now, and its made-up people."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from string import Template
from zoneinfo import ZoneInfo

from kentongan.data import data_path
from kentongan.desk.drafts import Document

PEOPLE = 60
VILLAGES = tuple(f"99.01.0{district}.200{village}" for district in (1, 2, 3, 4) for village in (1, 2, 3))
WIB = ZoneInfo("Asia/Jakarta")
MONTHS = ("Jan", "Feb", "Mar", "Apr", "Mei", "Jun", "Jul", "Agu", "Sep", "Okt", "Nov", "Des")


def _folder() -> Path:
    return data_path("configs") / "demo" / "samples"


def earthquake(now: datetime) -> Document:
    """An earthquake in BMKG's form (JSON) whose origin lies two minutes back."""
    origin = now.astimezone(WIB) - timedelta(minutes=2)
    text = Template((_folder() / "earthquake.json").read_text("utf-8")).substitute(
        day=f"{origin:%d} {MONTHS[origin.month - 1]} {origin:%Y}",
        clock=f"{origin:%H:%M:%S}",
        origin=(now - timedelta(minutes=2)).isoformat(timespec="seconds"),
    )
    return Document("earthquake.json", text.encode())


def nowcast(now: datetime) -> list[Document]:
    """A thunderstorm warning in BMKG's form: one CAP document a language, with the same identifier."""
    local = now.astimezone(WIB).replace(microsecond=0)
    documents = []
    for language in ("id", "en"):
        name = f"nowcast.{language}.xml"
        text = Template((_folder() / name).read_text("utf-8")).substitute(
            date=f"{local:%Y.%m.%d}",
            sent=local.isoformat(),
            expires=(local + timedelta(hours=2)).isoformat(),
            clock=f"{local:%H.%M}",
        )
        documents.append(Document(name, text.encode()))
    return documents


def region_lists() -> list[Path]:
    """The made-up regency's regions, and the boundaries of its districts, as `kentongan regions import` reads them."""
    return [_folder().parent / name for name in ("regions.csv", "boundaries.geojson")]


def phone(number: int) -> str:
    """The telephone number of person `number`, as a stand-in counts by it; it belongs to nobody."""
    return f"+6281200{number:06d}"


def chat(number: int) -> str:
    """The Telegram chat of person `number`."""
    return str(700_000_000 + number)


def people() -> list[str]:
    """A list as `kentongan people import` reads it: two languages, one group, a few in each village."""
    lines = ["reference,phone,telegram,language,groups,regions"]
    for number in range(PEOPLE):
        language = "en" if number % 4 == 3 else "id"
        region = VILLAGES[number % len(VILLAGES)]
        lines.append(f"demo-{number},{phone(number)},{chat(number)},{language},subscriber,{region}")
    return lines

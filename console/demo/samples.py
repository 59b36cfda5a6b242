"""The demo's own tsunami warning and earthquake, with their times set to now, and its made-up people."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from string import Template
from zoneinfo import ZoneInfo

from kentongan.data import data_path
from kentongan.desk.drafts import Document

PEOPLE = 60
COAST = ("99.01.03", "99.01.04")
"""The districts that the tsunami warning is for."""

_VILLAGES = tuple(f"99.01.0{district}.200{village}" for district in (1, 2, 3, 4) for village in (1, 2, 3))
_HAS_EACH = {"phone": 1, "telegram": 2, "whatsapp": 3, "email": 5}
"""Every so manieth person has that address; everybody has a telephone."""

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


def tsunami(now: datetime, bulletin: int) -> list[Document]:
    """A tsunami warning as its issuer sends it in CAP: bulletin 1, the first, or 4, by which it ends."""
    return _in_languages(f"tsunami-{bulletin}", now)


RAISED = "Awas: Segara Kidul; Siaga: Karang Wetan"
"""The issuer's levels in the second bulletin: one place is worse off than the first said."""


def second_bulletin(now: datetime) -> dict[str, str]:
    """The second bulletin as an officer types it: the level is raised, and arrival times are known."""
    arrival = now.astimezone(WIB) + timedelta(minutes=25)
    return {
        "levels": RAISED,
        "bulletin": "PD-2",
        "magnitude": "7.8",
        "origin_time": (now - timedelta(minutes=4)).astimezone(WIB).strftime("%Y-%m-%d %H:%M"),
        "place": "96 km selatan Kabupaten Tirta Raya",
        "arrivals": f"Segara Kidul={arrival:%Y-%m-%d %H:%M}",
        "area": "Segara Kidul; Karang Wetan",
        "shelters": "Bukit Lawas; SDN 1 Banyu Asri",
        "source": "BMKG",
    }


def _in_languages(name: str, now: datetime) -> list[Document]:
    local = now.astimezone(WIB).replace(microsecond=0)
    documents = []
    for language in ("id", "en"):
        file = f"{name}.{language}.xml"
        text = Template((_folder() / file).read_text("utf-8")).substitute(
            date=f"{local:%Y.%m.%d}",
            sent=local.isoformat(),
            expires=(local + timedelta(hours=2)).isoformat(),
            clock=f"{local - timedelta(minutes=3):%H.%M}",
            arrival=f"{local + timedelta(minutes=25):%H.%M}",
        )
        documents.append(Document(file, text.encode()))
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


def email(number: int) -> str:
    """The e-mail address of person `number`."""
    return f"warga{number}@warga.example"


def village(number: int) -> str:
    """The village that person `number` lives in."""
    return _VILLAGES[number % len(_VILLAGES)]


def on_the_coast(family: str) -> int:
    """How many of the people that the tsunami warning is for have an address of this kind."""
    return sum(number % _HAS_EACH[family] == 0 and village(number).startswith(COAST) for number in range(PEOPLE))


def people() -> list[str]:
    """A list as `kentongan people import` reads it: two languages, one group, a few in each village."""
    made = {"phone": phone, "telegram": chat, "whatsapp": phone, "email": email}
    lines = [f"reference,{','.join(made)},language,groups,regions"]
    for number in range(PEOPLE):
        addresses = [make(number) if number % _HAS_EACH[family] == 0 else "" for family, make in made.items()]
        language = "en" if number % 4 == 3 else "id"
        lines.append(f"demo-{number},{','.join(addresses)},{language},subscriber,{village(number)}")
    return lines

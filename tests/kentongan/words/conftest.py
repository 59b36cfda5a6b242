from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime

import pytest

from kentongan import cap
from kentongan.alert import Draft, Kind
from kentongan.cap.model import Status
from kentongan.cap.writing import write
from kentongan.data import data_path
from kentongan.seam import Limits, Mode
from kentongan.settings import Agency
from kentongan.words import drafting
from kentongan.words.library import HazardLibrary
from kentongan.words.library import library as read_library
from kentongan.words.rendering import Earlier, Renderings, Target, render

NOW = datetime(2026, 11, 21, 7, 20, tzinfo=UTC)
LENGTHS = {
    "mastodon": ("mastodon", 500),
    "telegram": ("telegram", 4096),
    "kannel": ("sms", 3),
    "cap_feed": ("characters", 100_000),
}


@pytest.fixture(scope="session")
def now() -> datetime:
    return NOW


@pytest.fixture(scope="session")
def library() -> HazardLibrary:
    return read_library(data_path("templates"))


@pytest.fixture(scope="session")
def agency() -> Agency:
    return Agency(
        name="BPBD Bengkulu Selatan",
        names={"en": "South Bengkulu Disaster Agency"},
        sender="bpbd@bengkuluselatan.example",
        languages=("id", "en"),
        timezone="Asia/Jakarta",
        link="https://siaga.bengkuluselatan.example",
        contact="0739 21234",
    )


@pytest.fixture(scope="session")
def quake(library: HazardLibrary, agency: Agency) -> Draft:
    hazard = library.get("earthquake")
    facts = {
        "magnitude": "5.6",
        "origin_time": "2026-11-21 14:05",
        "place": "28 km barat laut Manna, Bengkulu Selatan",
        "depth_km": "10",
        "latitude": "-4.46",
        "longitude": "102.9",
        "felt": "IV MANNA; II-III Kota Bengkulu",
        "tsunami": "none",
        "source": "BMKG",
        "area": "Manna; Kota Bengkulu",
        "circle": "-4.46,102.9 100",
    }
    return drafting.from_facts(hazard, facts, agency=agency, status=Status.ACTUAL, identifier="K-1", now=NOW)


@pytest.fixture(scope="session")
def targets() -> Callable[..., tuple[Target, ...]]:
    def build(
        mode: Mode, kinds: Sequence[str] = tuple(LENGTHS), languages: tuple[str, ...] = ("id", "en")
    ) -> tuple[Target, ...]:
        return tuple(
            Target(
                instance=f"{kind}-{mode}",
                kind=kind,
                mode=mode,
                sandbox=False,
                limits=Limits(*LENGTHS[kind], rate=1, concurrency=1, deadline=10, deliver_within=1800),
                public=kind != "kannel",
                languages=languages,
            )
            for kind in kinds
        )

    return build


@pytest.fixture(scope="session")
def rendered(
    library: HazardLibrary, agency: Agency, targets: Callable[..., tuple[Target, ...]]
) -> Callable[..., Renderings]:
    def run(
        draft: Draft,
        *,
        kind: Kind = Kind.ALERT,
        code: str = "K7Q4",
        earlier: Earlier | None = None,
        to: Sequence[Target] | None = None,
        templates: HazardLibrary | None = None,
        by: Agency | None = None,
    ) -> Renderings:
        mode = Mode.LIVE if draft.cap.status is Status.ACTUAL else Mode.DRILL

        def cap_xml(alert: cap.Alert) -> str:
            return write(alert).decode()

        return render(
            draft,
            kind=kind,
            alert_id="alert-1",
            code=code,
            targets=targets(mode) if to is None else to,
            agency=by or agency,
            library=templates or library,
            earlier=earlier,
            cap_xml=cap_xml,
        )

    return run

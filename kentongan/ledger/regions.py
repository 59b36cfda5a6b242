"""Regions in the ledger: loading an agency's list, reading it back for matching, counting people by region."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from kentongan.area.codes import Within, above, stray_codes
from kentongan.area.geometry import Box
from kentongan.area.regions import Region, Regions, Rings, boundary_box
from kentongan.area.rows import RegionRow
from kentongan.ledger.audience import audience_condition
from kentongan.ledger.editions import listed
from kentongan.ledger.transaction import Read, Write
from kentongan.quick_dataclass import dataclass
from kentongan.settings import Audience


@dataclass(frozen=True, slots=True)
class Loaded:
    """What an import did: how many regions were new, were known before, and were taken out."""

    added: int
    updated: int
    removed: int


@dataclass(frozen=True, slots=True)
class InRegion:
    """How many people have a region of the area. `code` is the highest that was matched; "" where none is on record."""

    code: str
    people: int


def prepared(rows: Iterable[RegionRow]) -> list[dict[str, object]]:
    """The rows as the ledger keeps them; made beforehand, so that the ledger is held for the writing alone."""
    return [_prepared(row) for row in rows]


def import_regions(write: Write, rows: Sequence[Mapping[str, object]], *, source: str, replace: bool) -> Loaded:
    """Loads prepared rows at once. What a list does not say of a known region stays as it was.

    `source` is the digest of the file. With `replace`, regions that do not stand in the list are taken out.
    """
    codes = json.dumps([row["code"] for row in rows])
    among = "code IN (SELECT value FROM json_each(:codes))"
    known = write.sql(f"SELECT count(*) FROM region WHERE {among}", {"codes": codes}).scalar_one()
    removed = 0
    if replace:
        removed = write.sql(f"DELETE FROM region WHERE NOT {among}", {"codes": codes}).rowcount
        write.sql(f"DELETE FROM region_boundary WHERE NOT {among}", {"codes": codes})
    write.sql(
        "INSERT INTO region (code, name, timezone, latitude, longitude, south, west, north, east) VALUES (:code,"
        " coalesce(:name, :code), :timezone, :latitude, :longitude, :south, :west, :north, :east)"
        " ON CONFLICT (code) DO UPDATE SET name = coalesce(:name, region.name),"
        " timezone = coalesce(:timezone, region.timezone), latitude = coalesce(:latitude, region.latitude),"
        " longitude = coalesce(:longitude, region.longitude), south = coalesce(:south, region.south),"
        " west = coalesce(:west, region.west), north = coalesce(:north, region.north),"
        " east = coalesce(:east, region.east)",
        rows,
    )
    drawn = [row for row in rows if row["rings"] is not None]
    if drawn:
        write.sql(
            "INSERT INTO region_boundary (code, rings) VALUES (:code, :rings)"
            " ON CONFLICT (code) DO UPDATE SET rings = excluded.rings",
            drawn,
        )
    done = Loaded(len(rows) - known, known, removed)
    write.event("regions.imported", added=done.added, updated=done.updated, removed=done.removed, source=source)
    return done


def load(read: Read) -> Regions:
    """All regions; their boundaries are read from the same snapshot when they are asked for."""
    rows: Any = read.sql("SELECT code, name, timezone, latitude, longitude, south, west, north, east FROM region").all()
    regions = {
        code: Region(
            code,
            name,
            timezone,
            (latitude, longitude) if latitude is not None and longitude is not None else None,
            Box(south, west, north, east) if south is not None else None,
        )
        for code, name, timezone, latitude, longitude, south, west, north, east in rows
    }
    return Regions(regions, lambda codes: _boundaries(read, codes))


def count(read: Read) -> int:
    """How many regions are loaded."""
    return int(read.sql("SELECT count(*) FROM region").scalar_one())


def codes(read: Read) -> list[str]:
    """The codes of all loaded regions."""
    return list(read.sql("SELECT code FROM region").scalars())


def strays(read: Read, regions: Collection[str]) -> tuple[str, ...]:
    """The codes that people have and none of the loaded regions knows, highest ones (`codes.stray_codes`)."""
    used = read.sql(
        # Those of a list that is not in force yet change nothing for anybody, and the index alone has them all.
        "SELECT DISTINCT r.code FROM person_region r WHERE NOT EXISTS (SELECT 1 FROM region g WHERE g.code = r.code)"
    ).scalars()
    return stray_codes(used.all(), regions)


def people_in(read: Read, code: str) -> int:
    """How many people have a region or a part of it."""
    found = read.sql(
        "SELECT count(DISTINCT r.person_id) FROM person_region r JOIN person p ON p.id = r.person_id"
        f" WHERE p.key IS NOT NULL AND {listed('r')}"
        " AND (r.code = :code OR substr(r.code, 1, length(:code) + 1) = :code || '.')",
        {"code": code},
    )
    return int(found.scalar_one())


def names(read: Read, codes: Collection[str]) -> Mapping[str, str]:
    """The names of regions, by code; those that are not loaded are absent."""
    rows = read.sql(
        "SELECT code, name FROM region WHERE code IN (SELECT value FROM json_each(:codes))",
        {"codes": json.dumps(list(codes))},
    )
    return {row.code: row.name for row in rows}


def people_by_region(read: Read, wanted: Sequence[tuple[str, Audience]], within: Within) -> list[InRegion]:
    """How many people an alert would write to in each region that its area takes in, the most first.

    `wanted` are audiences with the family that each is written to by. Who has several regions counts in each; who has
    only one above the area counts there.
    """
    conditions = []
    parameters: dict[str, str] = {}
    for number, (family, audience) in enumerate(wanted):
        condition, own = audience_condition(audience, f"_{number}", within=within)
        conditions.append(f"(a.family = :family_{number} AND {condition})")
        parameters |= {**own, f"family_{number}": family}
    if not conditions:
        return []
    rows: Any = read.sql(
        "SELECT DISTINCT p.id, r.code FROM address a JOIN person p ON p.id = a.person_id"
        f" LEFT JOIN person_region r ON r.person_id = p.id AND {listed('r')}"
        f" WHERE {listed('a')} AND ({' OR '.join(conditions)})",
        parameters,
    )
    codes = set(within.codes)
    upper = {over for code in codes for over in above(code)}
    at: dict[str, str | None] = {}
    people: dict[str, set[str]] = {}
    nowhere: set[str] = set()
    somewhere: set[str] = set()
    for person, code in rows:
        if code is not None and code not in at:
            at[code] = next((each for each in (code, *above(code)) if each in codes), code if code in upper else None)
        place = at.get(code) if code is not None else None
        if place is None:
            nowhere.add(person)
        else:
            somewhere.add(person)
            people.setdefault(place, set()).add(person)
    found = [InRegion(code, len(those)) for code, those in people.items()]
    if nowhere - somewhere:
        found.append(InRegion("", len(nowhere - somewhere)))
    return sorted(found, key=lambda each: (-each.people, each.code))


def _prepared(row: RegionRow) -> dict[str, object]:
    around = boundary_box(row.rings) if row.rings is not None else None
    return {
        "code": row.code,
        "name": row.name,
        "timezone": row.timezone,
        "latitude": row.point[0] if row.point is not None else None,
        "longitude": row.point[1] if row.point is not None else None,
        "south": around.south if around is not None else None,
        "west": around.west if around is not None else None,
        "north": around.north if around is not None else None,
        "east": around.east if around is not None else None,
        "rings": json.dumps(row.rings, separators=(",", ":")) if row.rings is not None else None,
    }


def _boundaries(read: Read, codes: Collection[str]) -> Mapping[str, Rings]:
    rows: Any = read.sql(
        "SELECT code, rings FROM region_boundary WHERE code IN (SELECT value FROM json_each(:codes))",
        {"codes": json.dumps(list(codes))},
    )
    return {
        code: [[(latitude, longitude) for latitude, longitude in points] for points in json.loads(rings)]
        for code, rings in rows
    }

"""Targeting: whom an alert's area takes in, of the regions that the agency has loaded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from kentongan import cap, gates, nearness
from kentongan.alert import Draft, has_life_at_stake
from kentongan.area.codes import Waves, Within
from kentongan.area.geometry import Ring, size
from kentongan.area.matching import Matched, match, shapes_of, smallest
from kentongan.area.names import Index, Words, read_words
from kentongan.area.regions import Region, Regions
from kentongan.area.sketch import Drawn
from kentongan.desk.desk import Desk
from kentongan.gates import Finding
from kentongan.ledger import Read, regions
from kentongan.ledger import people as register
from kentongan.quick_dataclass import dataclass
from kentongan.settings import Audience, InstanceSettings

_MOST_DRAWN = 400
"""Regions on a sketch: more can be told apart by nobody."""


@dataclass(frozen=True, slots=True)
class Targeted:
    """The regions that an alert is for, which people are in them, and in which order they are written to.

    Those of whom no loaded region is on record are written to where life is at stake, else left out.
    """

    matched: Matched
    within: Within
    waves: Waves = ()


def approved(within: Within | None) -> Within | None:
    """What officers approve of an area; which codes of people count as unknown may change like the people do."""
    return within.model_copy(update={"strays": ()}) if within is not None else None


def now(read: Read, approved: Within | None) -> Within | None:
    """The area that was approved, with the codes of people that no loaded region knows now."""
    if approved is None:
        return None
    return approved.model_copy(update={"strays": regions.strays(read, regions.codes(read))})


def target(desk: Desk, draft: Draft) -> Targeted | None:
    """The regions that a draft is for; None where the agency has loaded none, and everybody is written to."""
    areas = areas_of(draft)

    def find(read: Read) -> Targeted | None:
        if regions.count(read) == 0:
            return None
        loaded = regions.load(read)
        words = read_words(desk.library.root)
        matched = match(areas, loaded, words=words)
        within = Within(
            codes=matched.codes,
            unplaced=has_life_at_stake(draft),
            strays=regions.strays(read, loaded.by_code),
        )
        order = nearness.waves(
            matched.codes, loaded, graded=_graded(desk, draft, loaded, words), start=nearness.origin(draft)
        )
        return Targeted(matched, within, order)

    return desk.ledger.read(find)


def _graded(desk: Desk, draft: Draft, loaded: Regions, words: Words) -> list[set[str]]:
    """The regions of an alert by grade, the gravest first: its severities', else the levels that its issuer stated."""
    severities = nearness.by_severity(draft.cap)
    if len(severities) > 1:
        return [set(match(areas, loaded, words=words).codes) for areas in severities]
    hazard = desk.library.get(draft.hazard)
    for name, scale in hazard.scales.items():
        stated = draft.facts.get(name)
        if isinstance(stated, Mapping) and len(stated) > 1:
            index = Index(loaded, words)
            gravest = sorted(stated.items(), key=lambda each: -scale.order(each[0]))
            return [index.find("; ".join(map(str, named))).codes for _, named in gravest if isinstance(named, list)]
    return []


def findings(desk: Desk, targeted: Targeted | None, instances: Mapping[str, InstanceSettings]) -> list[Finding]:
    """What the area gate says of the regions that were found, for the instances the alert would go to."""
    wanted = list(audiences(desk, instances).values())
    if targeted is None:
        return gates.unknown_regions() if wanted else []
    nowhere = targeted.within.model_copy(update={"codes": (), "unplaced": True})
    strangers = desk.ledger.read(lambda read: register.count_distinct(read, wanted, within=nowhere))
    return gates.regions(targeted.matched, strangers=strangers, strangers_included=targeted.within.unplaced)


@dataclass(frozen=True, slots=True)
class Summary:
    """What officers see of regions that were matched before: their names, how many of the smallest, the area's size."""

    names: tuple[str, ...]
    regions: int
    square_kilometres: float


def summary(desk: Desk, draft: Draft, codes: Sequence[str]) -> Summary:
    """Sums up the regions of an alert's area."""

    def look(read: Read) -> Summary:
        loaded = regions.load(read)
        shapes = dict.fromkeys(shape for area in areas_of(draft) for shape in shapes_of(area))
        return Summary(
            names=tuple(loaded.named(codes)),
            regions=len(smallest(codes, loaded)),
            square_kilometres=sum(size(shape) for shape in shapes),
        )

    return desk.ledger.read(look)


def people_by_region(
    desk: Desk, instances: Mapping[str, InstanceSettings], within: Within
) -> list[tuple[str, regions.InRegion]]:
    """Names of the regions that people would be reached in, with how many, the most first; "" is no region."""
    wanted = audiences(desk, instances)

    def count(read: Read) -> list[tuple[str, regions.InRegion]]:
        found = regions.people_by_region(read, list(wanted.values()), within)
        named = regions.names(read, [each.code for each in found])
        return [(named.get(each.code, each.code), each) for each in found]

    return desk.ledger.read(count)


def audiences(desk: Desk, instances: Mapping[str, InstanceSettings]) -> dict[str, tuple[str, Audience]]:
    """By instance, the family and the audience of those that write to people."""
    wanted = {}
    for name, settings in instances.items():
        family = desk.kinds.traits(settings.kind).family
        if settings.audience is not None and family is not None:
            wanted[name] = (family, desk.settings.audiences[settings.audience])
    return wanted


def areas_of(draft: Draft) -> list[cap.Area]:
    """Every area of an alert, each once."""
    return list(dict.fromkeys(area for info in draft.cap.infos for area in info.areas))


def drawn(desk: Desk, draft: Draft, codes: Sequence[str]) -> list[Drawn]:
    """The regions for `kentongan.area.sketch`: those that were matched, with the neighbours that give a bearing."""

    def draw(read: Read) -> list[Drawn]:
        return surroundings(regions.load(read), codes)

    return desk.ledger.read(draw)


def surroundings(loaded: Regions, codes: Sequence[str]) -> list[Drawn]:
    """Those of `loaded` that `codes` stand for, with their neighbours; at most what can be told apart."""
    placed = {code for code in codes if code in loaded.by_code}
    shown = {part for code in placed for part in (loaded.parts(code) or (code,))} if len(placed) <= 3 else set(placed)
    shown |= placed
    for code in placed:
        shown.update(loaded.parts(loaded.parent(code)))
    visible = [loaded.by_code[code] for code in sorted(shown) if _has_a_place(loaded.by_code[code])][:_MOST_DRAWN]
    loaded.fetch(region.code for region in visible if region.box is not None)
    return [
        Drawn(
            name=region.name,
            rings=_outline(loaded, region),
            point=region.point,
            taken_in=any(region.code == code or region.code.startswith(f"{code}.") for code in codes),
        )
        for region in visible
    ]


def _has_a_place(region: Region) -> bool:
    return region.point is not None or region.box is not None


def _outline(loaded: Regions, region: Region) -> tuple[Ring, ...]:
    return loaded.outline(region.code) if region.box is not None else ()

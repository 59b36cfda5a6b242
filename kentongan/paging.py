"""Paging: what officers are called for, over which of the agency's channels, and when again.

All decisions here are pure. A page calls an officer to act and is never a warning; it goes out beside alerts and no
alert ever waits for one.
"""

from __future__ import annotations

import enum
from collections.abc import Collection, Mapping, Sequence
from dataclasses import field

from pydantic import Field

from kentongan.cap.model import Status
from kentongan.clock import Milliseconds
from kentongan.config_model import Model
from kentongan.quick_dataclass import dataclass
from kentongan.seam import Mode


class Cause(enum.StrEnum):
    """Why officers are paged, the most urgent first."""

    LEDGER = "ledger"
    RESTORED = "restored"
    REFUSED = "refused"
    DISK = "disk"
    KEY = "key"
    BREAK_GLASS = "break-glass"
    APPROVAL = "approval"
    THROTTLED = "throttled"
    HELD = "held"
    DOUBT = "doubt"
    UNREADY = "unready"
    CODES = "codes"
    REVIEW = "review"
    TEST = "test"


_ALL = tuple(cause for cause in Cause if cause is not Cause.TEST)
_PRESSING = frozenset(
    each.value for each in (Cause.LEDGER, Cause.RESTORED, Cause.REFUSED, Cause.DISK, Cause.BREAK_GLASS, Cause.APPROVAL)
)
"""Pages on which an alert hangs. They are bounded by themselves: a channel that is held again and again all night must
not use up the pages that an approval needs."""
_URGENCY = {cause: place for place, cause in enumerate(Cause)}
_HOUR: Milliseconds = 3_600_000
_LOST: Milliseconds = 60_000
"""After so long a page that was begun and never answered counts as in doubt."""


# --- paging.yaml ---------------------------------------------------------------------------------------


class PagingInstance(Model):
    """One channel instance that pages officers."""

    causes: tuple[Cause, ...] = Field(default=_ALL, description="What it pages for; absent: everything.")


class Paging(Model):
    """paging.yaml."""

    instances: Mapping[str, PagingInstance | None] = Field(
        default_factory=dict, description="Instances of channels.yaml that write to people, each with its causes."
    )
    language: str | None = Field(default=None, description="Language of pages; absent: the agency's first.")
    repeat_after: float = Field(default=600.0, ge=10, description="Seconds until a page comes again.")
    review_repeat_after: float = Field(default=14_400.0, ge=10, description="The same for a review that is due.")
    retry_after: float = Field(default=30.0, ge=1, description="Seconds until a page that failed is tried again.")
    most_repeats: int = Field(default=6, ge=0, le=100, description="How often a page comes again at most.")
    most_an_hour: int = Field(
        default=30,
        ge=1,
        le=1000,
        description="Most pages to one officer in an hour; those for approval and broken glass are counted apart.",
    )
    doubt_after: float = Field(default=60.0, ge=0, description="Seconds in doubt before an officer is paged.")
    unready_after: int = Field(
        default=2, ge=1, le=50, description="Looks in a row at a channel that must fail before officers are paged."
    )
    review_before: float = Field(default=7_200.0, ge=0, description="Seconds before a review is due to page for it.")

    def causes(self, instance: str) -> frozenset[Cause]:
        """What an instance pages for."""
        named = self.instances.get(instance)
        return frozenset(named.causes if named is not None else _ALL)


def faults(paging: Paging, public: Mapping[str, bool]) -> list[str]:
    """What is wrong with paging.yaml beside the other files; `public`: every instance, and whether it is public."""
    found = []
    for name in paging.instances:
        if name not in public:
            found.append(f"instances.{name}: no such channel; name one of channels.yaml")
        elif public[name]:
            found.append(f"instances.{name}: publishes to everybody; name one that writes to people")
    return found


# --- Decisions -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Concern:
    """One thing that officers should act on; it ends when somebody has acted.

    `about` is its name over all pages. `status` is that of the alert, Exercise for what only drills use. `spared` are
    officers who need no page, such as the submitter. `values` are for the page's words. `digest`: what an approval
    would sign.
    """

    about: str
    cause: Cause
    alert_id: str | None
    status: Status
    values: Mapping[str, str | int | bool] = field(default_factory=dict)
    spared: frozenset[str] = frozenset()
    digest: str = ""


@dataclass(frozen=True, slots=True)
class Pager:
    """One instance as a pager: the family of addresses it writes to, its mode, and what it pages for."""

    name: str
    family: str
    mode: Mode
    causes: frozenset[Cause]


@dataclass(frozen=True, slots=True)
class Past:
    """A page that was begun; `outcome` is "open" while nobody knows what became of it."""

    about: str
    officer: str
    instance: str
    at: Milliseconds
    outcome: str


@dataclass(frozen=True, slots=True)
class Page:
    """One page to be sent now."""

    concern: Concern
    officer: str
    instance: str


def due(
    concerns: Sequence[Concern],
    *,
    officers: Mapping[str, Collection[str]],
    pagers: Sequence[Pager],
    past: Sequence[Past],
    acknowledged: Collection[str],
    now: Milliseconds,
    paging: Paging,
) -> list[Page]:
    """Decides which pages go out now, the most urgent first.

    `officers`: those who count, each with the families of their pager addresses. `past`: the pages of the last hour,
    and all of these concerns.
    """
    history: dict[tuple[str, str, str], list[Past]] = {}
    lately: dict[tuple[str, bool], int] = {}
    for page in sorted(past, key=lambda each: each.at):
        history.setdefault((page.about, page.officer, page.instance), []).append(page)
        if now - page.at < _HOUR:
            counted = page.officer, _is_pressing(page.about)
            lately[counted] = lately.get(counted, 0) + 1
    result = []
    for concern in sorted(concerns, key=lambda each: _URGENCY[each.cause]):
        if concern.about in acknowledged:
            continue
        for officer, families in sorted(officers.items()):
            if officer in concern.spared:
                continue
            for pager in pagers:
                if pager.family not in families or concern.cause not in pager.causes or not fits(concern, pager):
                    continue
                earlier = history.get((concern.about, officer, pager.name), [])
                if not _is_due(earlier, concern.cause, now, paging):
                    continue
                counted = officer, _is_pressing(concern.about)
                if lately.get(counted, 0) >= paging.most_an_hour:
                    continue
                lately[counted] = lately.get(counted, 0) + 1
                result.append(Page(concern, officer, pager.name))
    return result


def fits(concern: Concern, pager: Pager) -> bool:
    """Whether a page on this may leave by that instance: what is live never by one of which all is marked as drill."""
    return pager.mode is Mode.LIVE or concern.status is not Status.ACTUAL


def _is_pressing(about: str) -> bool:
    return about.partition(":")[0] in _PRESSING


def _is_due(earlier: Sequence[Past], cause: Cause, now: Milliseconds, paging: Paging) -> bool:
    if not earlier:
        return True
    last = earlier[-1]
    if last.at > now:
        # The clock was set back: waiting for a moment that lies ahead would silence the pager.
        return True
    if last.outcome == "open" and now - last.at < _LOST:
        return False
    arrived = sum(1 for page in earlier if page.outcome == "accepted")
    if last.outcome == "accepted":
        wait = paging.review_repeat_after if cause is Cause.REVIEW else paging.repeat_after
        return arrived <= paging.most_repeats and now - last.at >= wait * 1000
    # Every failure in a row waits longer, up to the time after which it would come again anyway.
    failures = len(earlier) - max((n for n, page in enumerate(earlier, 1) if page.outcome == "accepted"), default=0)
    wait = min(paging.retry_after * 2 ** min(failures - 1, 10), max(paging.repeat_after, paging.retry_after))
    return len(earlier) <= 4 * (paging.most_repeats + 1) and now - last.at >= wait * 1000

"""Which instances an alert goes to, by which rule, and what follows where people are not reached."""

from __future__ import annotations

from collections.abc import Sequence

from kentongan import routing
from kentongan.desk.desk import Desk
from kentongan.desk.targeting import Targeted
from kentongan.gates import Finding, Weight
from kentongan.ledger.alerts import StoredAlert
from kentongan.quick_dataclass import dataclass
from kentongan.routes import Following
from kentongan.routing import Choice


@dataclass(frozen=True, slots=True)
class Routed:
    """The rules' choice among what fits; `instances` are those chosen and those that only a fallback brings in."""

    choice: Choice
    instances: tuple[str, ...]
    following: Following

    @property
    def findings(self) -> list[Finding]:
        """What keeps an alert from going anywhere although channels would fit."""
        if self.choice.instances or not self.choice.matched:
            return []
        rules = " and ".join(self.choice.matched)
        sentence = f"by the rule {rules} of routes.yaml no channel is left for it; mend the rule"
        return [Finding("route", sentence, Weight.BLOCK)]


def routed(desk: Desk, stored: StoredAlert, fitting: Sequence[str], targeted: Targeted | None) -> Routed:
    """Chooses among the instances that fit an alert."""
    rules = desk.settings.routes
    codes = targeted.matched.codes if targeted is not None and targeted.matched.codes else None
    of = routing.facts(stored.draft, stored.kind, codes)
    choice = routing.choose(rules, of, fitting)

    def direct(names: Sequence[str]) -> list[str]:
        return [name for name in names if desk.settings.channels[name].audience is not None]

    others = [name for name in fitting if name not in choice.instances and name not in choice.left_out]
    following = routing.following(rules, of, direct(choice.instances), direct(others))
    brought = {*choice.instances, *following.spare}
    return Routed(choice, tuple(name for name in fitting if name in brought), following)

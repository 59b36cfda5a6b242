"""The rules and the dashboard: whatever they name is there, and every alert says what to do."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from console.main import COMMANDS
from console.service.metrics import Metrics, Moment
from console.service.observed import OUTCOMES
from kentongan.dispatcher import Pulse
from kentongan.figures import Figures
from kentongan.ledger.commit_times import CommitTimes
from kentongan.ledger.tallies import NOTHING

DEPLOY = Path(__file__).parents[2] / "deploy"
OPENMETRICS = "application/openmetrics-text"
FUNCTIONS = {"sum", "rate", "increase", "histogram_quantile", "by", "on", "unless", "or", "and", "up"}


@pytest.fixture(scope="module")
def shown() -> Mapping[str, set[str]]:
    """Every metric by the name that a query uses, with its labels."""
    metrics = Metrics()
    for outcome in OUTCOMES.values():
        metrics.answered("sms", outcome, 1)
    metrics.took("sms", 0.1)
    metrics.kept("sms", "delivered")
    metrics.refused("sms")
    figures = Figures(
        at=0, channels={}, latencies={"sms": NOTHING}, due={}, held=frozenset(), pages={("held", "accepted"): 1},
        orchestrations_lost=0, took=0.0,
    )  # fmt: skip
    moment = Moment(0, ["sms"], figures, CommitTimes(), 0, Pulse(0.1, 0.1), ready=True, prefect=True)
    page, _ = metrics.page(moment, OPENMETRICS)
    found: dict[str, set[str]] = {"up": set()}
    for family in text_string_to_metric_families(page.decode()):
        for sample in family.samples:
            found.setdefault(sample.name, set()).update(sample.labels)
    return found


def rules() -> list[dict[str, Any]]:
    content = yaml.safe_load((DEPLOY / "prometheus-rules.yaml").read_text("utf-8"))
    return [rule for group in content["groups"] for rule in group["rules"]]


def expressions() -> Iterator[str]:
    yield from (rule["expr"] for rule in rules())
    board = json.loads((DEPLOY / "grafana-dashboard.json").read_text("utf-8"))
    yield from (target["expr"] for panel in board["panels"] for target in panel["targets"])


def test_every_metric_and_label_that_is_asked_for_is_shown(shown: Mapping[str, set[str]]) -> None:
    for expression in expressions():
        metrics = set(re.findall(r"\b(?:kentongan_\w+|up)\b", expression))
        assert metrics, expression
        assert metrics <= shown.keys(), expression
        theirs = {"job", "instance"}.union(*(shown[name] for name in metrics))
        bare = re.sub(r'"[^"]*"|\[\w+\]|\b[\d.]+\b', " ", expression)
        assert set(re.findall(r"[a-z_]+", bare)) <= metrics | FUNCTIONS | theirs, expression


def test_the_five_alerts_say_what_is_wrong_and_what_to_do_with_commands_that_exist() -> None:
    found = rules()
    assert len({rule["alert"] for rule in found}) == 5
    for rule in found:
        assert rule["labels"]["severity"] in ("critical", "warning")
        assert re.fullmatch(r"\d+[sm]", rule["for"])
        summary, remedy = rule["annotations"]["summary"], rule["annotations"]["remedy"]
        assert summary.endswith(".")
        named = re.findall(r"`kentongan ([a-z-]+)", remedy)
        assert named or "systemctl" in remedy
        assert set(named) <= COMMANDS.keys()


def test_panels_do_not_lie_on_one_another() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in json.loads((DEPLOY / "grafana-dashboard.json").read_text("utf-8"))["panels"]:
        at = panel["gridPos"]
        cells = {(at["x"] + x, at["y"] + y) for x in range(at["w"]) for y in range(at["h"])}
        assert not cells & taken
        assert at["x"] + at["w"] <= 24
        taken |= cells

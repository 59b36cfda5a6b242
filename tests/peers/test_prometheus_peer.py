"""The rules of `deploy/`, and the page that the service shows, as Prometheus' own tool reads them."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from console.service.metrics import Metrics, Moment
from kentongan.dispatcher import Pulse
from kentongan.ledger.commit_times import CommitTimes

pytestmark = [
    pytest.mark.peer,
    pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed; run `make peers`"),
]
RULES = Path(__file__).parents[2] / "deploy" / "prometheus-rules.yaml"
A, B = "job='kentongan', instance='a'", "job='kentongan', instance='b'"


def promtool(*arguments: str, given: bytes = b"") -> str:
    done = subprocess.run(["promtool", *arguments], input=given, capture_output=True, check=False)
    said = (done.stdout + done.stderr).decode()
    assert done.returncode == 0, said
    return said


def expected(alert: str, **labels: str) -> dict[str, Any]:
    """An alert as it must be told, its sentences filled in."""
    groups = yaml.safe_load(RULES.read_text("utf-8"))["groups"]
    rule = next(rule for group in groups for rule in group["rules"] if rule["alert"] == alert)
    value = labels.pop("value", "")

    def filled(text: str) -> str:
        text = text.replace("{{ $value }}", value)
        return re.sub(r"{{ \$labels\.(\w+) }}", lambda found: labels[found[1]], text)

    told = {name: filled(text) for name, text in rule["annotations"].items()}
    return {"exp_labels": {"job": "kentongan", **labels, **rule["labels"]}, "exp_annotations": told}


def test_each_alert_fires_when_it_must_and_not_before(tmp_path: Path) -> None:
    series = {
        f"up{{{A}}}": "1x20 0x20",
        f"kentongan_ready{{{B}}}": "1x40",
        f"kentongan_holds{{{A}, channel='toots'}}": "0x10 1x30",
        f"kentongan_holds{{{A}, channel='sms'}}": "0x40",
        # Three channels of which messages are due: one that stands, one that is held, one that sends.
        **{
            f"kentongan_queue_oldest_due_age_seconds{{{A}, channel='{channel}'}}": "0x10 15+15x30"
            for channel in ("sms", "toots", "wa")
        },
        f"kentongan_attempts_total{{{A}, channel='sms', outcome='accepted'}}": "5x40",
        f"kentongan_attempts_total{{{A}, channel='wa', outcome='accepted'}}": "5+10x40",
        f"kentongan_in_doubt{{{A}, channel='sms'}}": "0x10 3x30",
        f"kentongan_ledger_commit_seconds_bucket{{{A}, le='0.25'}}": "0+1x40",
        f"kentongan_ledger_commit_seconds_bucket{{{A}, le='1.0'}}": "0+10x40",
        f"kentongan_ledger_commit_seconds_bucket{{{A}, le='+Inf'}}": "0+10x40",
        f"kentongan_ledger_commits_failed_total{{{B}}}": "0x20 1x20",
    }
    fired = {
        "KentonganNotReady": [expected("KentonganNotReady", instance="a")],
        "KentonganChannelHeld": [expected("KentonganChannelHeld", instance="a", channel="toots")],
        "KentonganQueueStands": [expected("KentonganQueueStands", instance="a", channel="sms")],
        "KentonganInDoubt": [expected("KentonganInDoubt", instance="a", channel="sms", value="3")],
        "KentonganLedgerSlow": [expected("KentonganLedgerSlow", instance=name) for name in ("a", "b")],
    }
    quiet = [name for name in fired if name != "KentonganLedgerSlow"]
    test = {
        "interval": "15s",
        "input_series": [{"series": name.replace("'", '"'), "values": values} for name, values in series.items()],
        "alert_rule_test": [
            *({"eval_time": "2m", "alertname": name, "exp_alerts": []} for name in quiet),
            *({"eval_time": "9m", "alertname": name, "exp_alerts": alerts} for name, alerts in fired.items()),
        ],
    }
    path = tmp_path / "rules_test.yaml"
    path.write_text(yaml.safe_dump({"rule_files": [str(RULES)], "evaluation_interval": "15s", "tests": [test]}))
    assert "SUCCESS" in promtool("test", "rules", str(path))


def test_the_page_is_as_prometheus_wants_it() -> None:
    metrics = Metrics()
    metrics.answered("sms", "accepted", 1)
    moment = Moment(0, ["sms"], None, CommitTimes(), 0, Pulse(0.1, 0.1), ready=True, prefect=None)
    page, _ = metrics.page(moment, "")
    promtool("check", "metrics", given=page)

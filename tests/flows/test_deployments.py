"""What prefect.yaml names is there: each deployment loads the flow of its name, and a page says how it gets there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

PAGE = Path(__file__).resolve().parents[2] / "prefect.yaml"
DEPLOYMENTS: list[dict[str, Any]] = yaml.safe_load(PAGE.read_text("utf-8"))["deployments"]


@pytest.mark.parametrize("deployment", DEPLOYMENTS, ids=lambda each: str(each["name"]))
def test_a_deployment_loads_the_flow_of_its_name(deployment: dict[str, Any]) -> None:
    from prefect.flows import load_flow_from_entrypoint

    loaded = load_flow_from_entrypoint(deployment["entrypoint"])
    assert loaded.name == deployment["name"]
    # A parameter without a default would have to be typed on every scheduled run.
    if deployment.get("schedules"):
        assert loaded.parameters.required == []


def test_the_page_on_running_says_how_they_get_there() -> None:
    page = (PAGE.parent / "docs" / "running.md").read_text("utf-8")
    pools = {each["work_pool"]["name"] for each in DEPLOYMENTS}
    assert len(pools) == 1
    assert f"prefect work-pool create {pools.pop()}" in page
    assert "prefect --no-prompt deploy --all" in page

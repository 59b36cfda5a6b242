"""The config that stands in where none is named, for what contacts nobody."""

from __future__ import annotations

import channels
from kentongan.config_folder import load
from kentongan.data import data_path
from kentongan.seam import Mode
from kentongan.settings import Agency, InstanceSettings, Policy, Settings

AGENCY = Agency(
    name="Agency not configured",
    sender="not-configured@example.invalid",
    languages=("id", "en"),
    timezone="UTC",
    link="https://example.invalid",
    sandbox=True,
)


def settings() -> Settings:
    """Every channel of the bundled demo, once live and once for drills, all of them sandboxes that nothing is sent to.

    Raises BadConfig where the bundled config is damaged.
    """
    demo = load(data_path("configs") / "demo", channels.settings_models())
    instances: dict[str, InstanceSettings] = {}
    for name, instance in demo.channels.items():
        for mode in Mode:
            place = f"{name.removesuffix(f'-{instance.mode}')}-{mode}"
            instances[place] = instance.model_copy(update={"mode": mode, "sandbox": True})
    return Settings(source=None, agency=AGENCY, channels=instances, audiences=demo.audiences, policy=Policy())

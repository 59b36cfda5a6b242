"""What all models of the config have in common."""

from __future__ import annotations

import re

from pydantic import BaseModel, ConfigDict

NAME = re.compile(r"\w[\w.-]{0,63}")
"""What a config may name a channel, an audience, a rule or a scenario."""


class Model(BaseModel):
    """Base of all config models: frozen, and an unknown field is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

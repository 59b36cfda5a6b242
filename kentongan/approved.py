"""Templates that a provider has approved in advance: the only words that it lets us begin a conversation with.

The agency's config names them with the body as approved, so that what officers read is what citizens will read.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict, Field, model_validator

from kentongan.alert import Kind

_PLACE = re.compile(r"\{\{([0-9]{1,2})\}\}")


class ApprovedTemplate(BaseModel):
    """One approved template, for alerts of one kind in one language of ours.

    `parameters` name, in the order of the places {{1}}, {{2}}, what fills them: blocks of the channel's layout.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Kind = Field(description="Kind of alert that it is for.")
    language: str = Field(description="Our language that it is in, such as id.")
    name: str = Field(pattern=r"^[a-z0-9_]{1,512}$", description="Its name at the provider.")
    code: str = Field(pattern=r"^[a-z]{2,3}(_[A-Z]{2})?$", description="The provider's code of its language.")
    body: str = Field(description="Its body as approved, with places {{1}}, {{2}} and so on.")
    parameters: tuple[str, ...] = Field(description="What fills the places, in order.")

    @model_validator(mode="after")
    def _fits(self) -> ApprovedTemplate:
        places = {int(number) for number in _PLACE.findall(self.body)}
        if places != set(range(1, len(self.parameters) + 1)):
            raise ValueError(
                f"body has {len(places)} numbered places and parameters has {len(self.parameters)} names;"
                " number the places {{1}}, {{2}} and so on, and name what fills each"
            )
        if "{{" in _PLACE.sub("", self.body):
            raise ValueError("body may hold numbered places alone, such as {{1}}")
        return self

    def said(self, parameters: Sequence[str]) -> str:
        """The whole text that a reader sees with these parameters; raises IndexError where there are too few."""
        return _PLACE.sub(lambda place: parameters[int(place.group(1)) - 1], self.body)

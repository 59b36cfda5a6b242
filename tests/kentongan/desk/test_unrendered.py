"""What did not render is told whole: an officer mends it once, not once for each message."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from kentongan.desk.composing import refuse_unrendered
from kentongan.errors import Refused
from kentongan.words.rendering import Problem


def test_every_message_that_did_not_render_is_named_once() -> None:
    lost = [Problem("whatsapp", language, "no template", "name one", False) for language in ("id", "en")]
    short = Problem("sms", "id", "is too long", "shorten it", True)
    both = SimpleNamespace(problems=[*lost, short])
    with pytest.raises(Refused) as refused:
        refuse_unrendered(SimpleNamespace(alert=both, correction=both))  # type: ignore[arg-type]
    assert str(refused.value).splitlines() == [
        "whatsapp:id: no template; name one, or leave it out with --without whatsapp:id",
        "whatsapp:en: no template; name one, or leave it out with --without whatsapp:en",
    ]
    nothing = SimpleNamespace(problems=[short])
    refuse_unrendered(SimpleNamespace(alert=nothing, correction=nothing))  # type: ignore[arg-type]

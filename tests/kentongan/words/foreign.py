"""An alert of another agency, as it is imported."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from kentongan import cap
from kentongan.cap.model import Category, Certainty, MsgType, Scope, Severity, Status, Urgency


def imported(now: datetime, languages: tuple[str, ...], **fields: Any) -> cap.Alert:
    infos = tuple(
        cap.Info(
            **{
                "language": language,
                "categories": (Category.MET,),
                "event": "Storm",
                "urgency": Urgency.EXPECTED,
                "severity": Severity.SEVERE,
                "certainty": Certainty.LIKELY,
                "sender_name": "Met Office",
                **fields,
            }
        )
        for language in languages
    )
    return cap.Alert(
        identifier="theirs",
        sender="met@example",
        sent=now,
        status=Status.ACTUAL,
        msg_type=MsgType.ALERT,
        scope=Scope.PUBLIC,
        infos=infos,
    )

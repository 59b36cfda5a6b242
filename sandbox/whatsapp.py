"""A WhatsApp Business number: approved templates out, signed calls with statuses and answers in.

Rules from developers.facebook.com, WhatsApp Cloud API "Messages", "Templates", "Webhooks" and "Error codes". A repeat
is a second message. What is accepted may fail later: only the calls say what became of a message.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from sandbox import forms
from sandbox.graph import INVALID, Failure, GraphStandIn, guarded
from sandbox.reports import loopback_address
from sandbox.stand_in import BadSetting, Call, Clock, Message
from sandbox.wire import Request

PHONE_NUMBER, ACCOUNT = "200000000000001", "300000000000001"
"""Ids of our number and of its account, whatever the instance."""
VERIFY_TOKEN = "sandbox-verify-token"  # noqa: S105  # opens nothing but this stand-in
MAX_BODY, MAX_CALLBACK_DATA = 1024, 512
STATES = ("APPROVED", "PENDING", "REJECTED", "PAUSED", "DISABLED")

Step = tuple[str, float, int]
"""A status, after how many seconds, and the error code of "failed"."""

BEHAVIOURS: Mapping[str, tuple[Step, ...]] = {
    "delivered": (("sent", 0.02, 0), ("delivered", 0.1, 0)),
    "read": (("sent", 0.02, 0), ("delivered", 0.1, 0), ("read", 0.2, 0)),
    "delivered-first": (("delivered", 0.02, 0), ("sent", 0.1, 0)),
    "repeated": (("sent", 0.02, 0), ("delivered", 0.05, 0), ("delivered", 0.1, 0), ("sent", 0.15, 0)),
    "unreachable": (("failed", 0.05, 131026),),
    "unbilled": (("sent", 0.02, 0), ("failed", 0.05, 131042)),
    "unconfirmed": (("sent", 0.02, 0),),
    "silent": (),
}
_REFUSALS: Mapping[str, int] = {"pair-limit": 131056, "opted-out": 131050, "not-listed": 131030}


def token(instance: str) -> str:
    """The system user's access token."""
    return "sandbox-whatsapp-token" + ("" if instance == "default" else f"-{instance}")


def app_secret(instance: str) -> str:
    """The secret with which calls are signed."""
    return "sandbox-whatsapp-app-secret" + ("" if instance == "default" else f"-{instance}")


@dataclass(frozen=True, slots=True)
class Template:
    """One template of the account."""

    name: str
    language: str
    body: str
    status: str

    @property
    def places(self) -> int:
        """How many numbered places the body has."""
        return len(set(re.findall(r"\{\{(\d+)\}\}", self.body)))

    def said(self, parameters: Sequence[str]) -> str:
        """The body with its places filled."""
        return re.sub(r"\{\{(\d+)\}\}", lambda place: parameters[int(place.group(1)) - 1], self.body)


@dataclass(frozen=True, slots=True)
class _Script:
    match: str
    steps: tuple[Step, ...]
    refusal: int
    answer: str


class WhatsApp(GraphStandIn):
    """One number, the templates of its account, and the people that it reaches.

    `report` makes a call: address, seconds, message, body and headers.
    """

    kind: ClassVar[str] = "whatsapp"
    title: ClassVar[str] = "WhatsApp"
    throttle_code = 130429

    def __init__(self, instance: str, *, report: Callable[..., None], now: Clock = time.time) -> None:
        super().__init__(instance, now=now)
        self.token = token(instance)
        self._report = report
        self._scripts: list[_Script] = []
        self._templates: dict[tuple[str, str], Template] = {}
        self._webhook = ""

    def configure(self, settings: Mapping[str, Any]) -> None:
        """Takes `webhook`, a loopback address for calls, and `templates` that replace all; raises BadSetting.

        A template is `{"name", "language", "body", "status"}`; its status is APPROVED unless said otherwise.
        """
        for name, value in settings.items():
            if name == "webhook":
                if value and (not isinstance(value, str) or loopback_address(value) is None):
                    raise BadSetting("webhook is an http address on loopback")
                self._webhook = str(value or "")
            elif name == "templates":
                templates = [_template(each) for each in value] if isinstance(value, list) else None
                if templates is None:
                    raise BadSetting("templates is a list")
                self._templates = {(each.name, each.language): each for each in templates}
            else:
                raise BadSetting(f"{name!r} is no setting of whatsapp; known are webhook, templates")

    def script(self, scripts: list[Any]) -> None:
        """Takes `{"match": part of a number, "is": behaviour, "answer": what the person writes}`; raises BadSetting."""
        self._scripts = [_script(each) for each in scripts]

    def read(self, request: Request, path: str) -> Call:
        """Understands a request to `/v<version>/…`."""
        called = self.called(request, path)
        if isinstance(called, Call):
            return called
        place, form = called
        match request.method, place:
            case "GET", id if id == PHONE_NUMBER:
                return Call(guarded(self._number))
            case "GET", edge if edge == f"{ACCOUNT}/message_templates":
                return Call(guarded(lambda: self._list(form)))
            case "POST", edge if edge == f"{PHONE_NUMBER}/messages":
                text = json.dumps(form.values.get("template"), ensure_ascii=False)
                return Call(guarded(lambda: self._message(form)), _digits(form), text, sends=True)
        return Call(guarded(_nothing_there))

    def _number(self) -> dict[str, Any]:
        return {
            "id": PHONE_NUMBER,
            "display_phone_number": "+62 811 0000 000",
            "verified_name": "Sandbox",
            "status": "CONNECTED",
            "quality_rating": "GREEN",
            "whatsapp_business_manager_messaging_limit": "TIER_10K",
        }

    def _list(self, form: forms.Form) -> dict[str, Any]:
        limit = int(form.text("limit", "25")) if form.text("limit", "25").isdecimal() else 25
        found = [{"id": str(n), **_view(each)} for n, each in enumerate(self._templates.values(), start=1)]
        return {"data": found[:limit]}

    def _message(self, form: forms.Form) -> dict[str, Any]:
        if form.text("messaging_product") != "whatsapp":
            raise Failure(INVALID, "The parameter messaging_product is required.")
        number = _digits(form)
        if not re.fullmatch(r"[1-9]\d{4,14}", number):
            raise Failure(131009, "Parameter value is not valid: to")
        if form.text("type") != "template":
            raise Failure(131047, "Re-engagement message: more than 24 hours since the person wrote")
        data = form.text("biz_opaque_callback_data")
        if len(data) > MAX_CALLBACK_DATA:
            raise Failure(INVALID, "biz_opaque_callback_data is too long")
        text = self._said(form.values.get("template"))
        script = next((each for each in self._scripts if each.match in number), _Script("", (), 0, ""))
        if script.refusal:
            raise Failure(script.refusal, "The message is refused for this person")
        message = self.take(id=f"wamid.sandbox.{self.instance}.{len(self.messages) + 1}", recipient=number, text=text)
        self._tell(message, data, script)
        return {
            "messaging_product": "whatsapp",
            "contacts": [{"input": form.text("to"), "wa_id": number}],
            "messages": [{"id": message.id, "message_status": "accepted"}],
        }

    def _said(self, given: Any) -> str:
        """The text that the person reads; raises Failure by the rules for templates."""
        if not isinstance(given, Mapping) or not isinstance(given.get("language"), Mapping):
            raise Failure(131008, "Required parameter is missing: template")
        template = self._templates.get((str(given.get("name")), str(given["language"].get("code"))))
        if template is None or template.status in ("PENDING", "REJECTED"):
            raise Failure(132001, "Template name does not exist in the translation", status=404)
        if template.status == "PAUSED":
            raise Failure(132015, "Template is paused")
        if template.status == "DISABLED":
            raise Failure(132016, "Template is disabled")
        parameters = [
            each.get("text") if each.get("type") == "text" else None
            for component in _objects(given.get("components"))
            if component.get("type") == "body"
            for each in _objects(component.get("parameters"))
        ]
        if len(parameters) != template.places:
            raise Failure(132000, "Number of parameters does not match the expected number of params")
        for parameter in parameters:
            if not isinstance(parameter, str) or not parameter:
                raise Failure(131008, "Required parameter is missing: text")
            if re.search(r"[\n\t]| {5,}", parameter):
                raise Failure(132018, "Param text cannot have new-line/tab characters or more than 4 spaces in a row")
        text = template.said([str(each) for each in parameters])
        if len(text) > MAX_BODY:
            raise Failure(132005, "Translated text too long")
        return text

    def _tell(self, message: Message, data: str, script: _Script) -> None:
        steps = script.steps if script.match else BEHAVIOURS["delivered"]
        for status, seconds, code in steps:
            message.notes.append(status + (f" ({code})" if code else ""))
            content: dict[str, Any] = {
                "id": message.id,
                "status": status,
                "timestamp": str(int(self.now() + seconds)),
                "recipient_id": message.recipient,
                **({"biz_opaque_callback_data": data} if data else {}),
            }
            if code:
                content["errors"] = [{"code": code, "title": "Message undeliverable", "message": message.recipient}]
            self._call(message, seconds, {"statuses": [content]})
        if script.answer:
            answer = {
                "from": message.recipient,
                "id": f"{message.id}.answer",
                "timestamp": str(int(self.now())),
                "type": "text",
                "text": {"body": script.answer},
                "context": {"from": "628110000000", "id": message.id},
            }
            self._call(message, 0.3, {"messages": [answer]})

    def _call(self, message: Message, seconds: float, value: Mapping[str, Any]) -> None:
        if not self._webhook:
            return
        metadata = {"display_phone_number": "628110000000", "phone_number_id": PHONE_NUMBER}
        change = {"field": "messages", "value": {"messaging_product": "whatsapp", "metadata": metadata, **value}}
        content = {"object": "whatsapp_business_account", "entry": [{"id": ACCOUNT, "changes": [change]}]}
        body = json.dumps(content).encode()
        self._report(self._webhook, seconds, message, body=body, headers=signature(self.instance, body))


def signature(instance: str, body: bytes) -> dict[str, str]:
    """The headers of a call with this body."""
    digest = hmac.new(app_secret(instance).encode(), body, hashlib.sha256).hexdigest()
    return {"Content-Type": "application/json", "X-Hub-Signature-256": f"sha256={digest}"}


def _objects(given: Any) -> list[Mapping[str, Any]]:
    return [each for each in given if isinstance(each, Mapping)] if isinstance(given, list) else []


def _digits(form: forms.Form) -> str:
    return form.text("to").removeprefix("+")


def _view(template: Template) -> dict[str, str]:
    return {"name": template.name, "language": template.language, "status": template.status, "category": "UTILITY"}


def _nothing_there() -> None:
    raise Failure(INVALID, "Object does not exist, or cannot be loaded due to missing permissions", subcode=33)


def _template(given: Any) -> Template:
    try:
        template = Template(given["name"], given["language"], given["body"], given.get("status", "APPROVED"))
    except (TypeError, KeyError, AttributeError):
        raise BadSetting('a template is {"name": "…", "language": "…", "body": "…", "status": "APPROVED"}') from None
    if template.status not in STATES or not all(isinstance(each, str) for each in (template.name, template.body)):
        raise BadSetting(f"the status of a template is one of {', '.join(STATES)}")
    return template


def _script(given: Any) -> _Script:
    known = (*BEHAVIOURS, *_REFUSALS)
    if not isinstance(given, Mapping) or not given.get("match") or given.get("is", "delivered") not in known:
        raise BadSetting('a script is {"match": "…", "is": ' + " | ".join(known) + ', "answer": "…"}')
    behaviour = str(given.get("is", "delivered"))
    return _Script(
        str(given["match"]), BEHAVIOURS.get(behaviour, ()), _REFUSALS.get(behaviour, 0), str(given.get("answer", ""))
    )

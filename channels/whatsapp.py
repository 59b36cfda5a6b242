"""WhatsApp: templates that Meta has approved, to people, through the Cloud API.

Meta drops no repeats; our key travels with each message and comes back in its status calls, which settle a lost answer.
A message of ours to a person who has not just written to us must be an approved template, named in the settings with
its body, so that what officers read is what citizens read. One app calls one address: every number that should report
here needs a callback of its own at Meta.
Source: developers.facebook.com, WhatsApp Cloud API "Messages", "Webhooks: messages", "Error codes", "Templates".
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field, JsonValue, model_validator

from channels import _graph
from channels import _whatsapp_calls as calls
from channels._adapter import HttpAdapter, OnlineSettings
from channels._reading import Answer, readiness, unreadable
from channels._secret import Secret
from channels._whatsapp_calls import NUMBER, objects, text
from kentongan.alert import Kind
from kentongan.approved import ApprovedTemplate
from kentongan.seam import (
    Accepted,
    Inbound,
    Job,
    Limits,
    Mode,
    Outcome,
    Readiness,
    Receipt,
    Received,
    Rejected,
    Rendered,
    Retryable,
    Template,
    Traits,
    Uploaded,
    Why,
)
from kentongan.settings import SecretSource

if TYPE_CHECKING:
    import httpx

MOST_CHARACTERS = 1024
"""Longest body of a template, its parameters included."""

TEMPLATES = 250
"""Most templates of the account that one question returns."""

_ID = r"^[0-9]{1,32}$"
_NEEDED = ("message", "code")
_TEMPLATE_CODES = frozenset((132001, 132015, 132016))
"""There is no such template in this language, it is paused, it is disabled."""
_TIER = re.compile(r"TIER_([0-9]{1,6})(K?)")


class Settings(OnlineSettings):
    """One number of the agency's WhatsApp Business account."""

    base_url: str = Field(default=_graph.HOST, description="Address of the Graph API.")
    phone_number: str = Field(pattern=_ID, description="Id of our number at Meta; not the number itself.")
    account: str = Field(pattern=_ID, description="Id of the WhatsApp Business account that the templates belong to.")
    token: SecretSource = Field(description="System user's token with whatsapp_business_messaging and _management.")
    app_secret: SecretSource | None = Field(default=None, description="App secret, by which calls to us are known.")
    verify_token: SecretSource | None = Field(
        default=None, description="Word of ours that Meta says when it checks our endpoint."
    )
    templates: tuple[ApprovedTemplate, ...] = Field(
        description="Approved templates: kind, language, name, code, body and parameters of each."
    )

    @model_validator(mode="after")
    def _complete(self) -> Settings:
        if self.audience is None:
            raise ValueError("audience is missing: WhatsApp goes to people; name one of audiences.yaml")
        if (self.app_secret is None) != (self.verify_token is None):
            raise ValueError("app_secret and verify_token stand together or not at all")
        for template in self.templates:
            self._check(template)
        for language in {each.language for each in self.templates if each.kind is Kind.ALERT}:
            if not any((each.kind, each.language) == (Kind.CORRECTION, language) for each in self.templates):
                raise ValueError(
                    f"templates has an alert and no correction in {language}; an alert must be retractable"
                )
        if not any(each.kind is Kind.ALERT for each in self.templates):
            raise ValueError("templates names none for an alert; have one approved and name it here")
        return self

    def _check(self, template: ApprovedTemplate) -> None:
        body, place = template.body.strip(), f"template {template.name} ({template.code})"
        if missing := [name for name in _NEEDED if name not in template.parameters]:
            raise ValueError(f"{place} has no parameter {missing[0]}; every message carries message and code")
        if len(body) > MOST_CHARACTERS:
            raise ValueError(f"{place} is longer than {MOST_CHARACTERS} characters")
        if body.startswith("{{") or body.endswith("}}"):
            raise ValueError(f"{place} begins or ends with a place; Meta approves no such body")
        if self.mode is not Mode.LIVE and not _framed(body):
            raise ValueError(f"{place} must begin and end with the drill mark; a drill needs templates of its own")

    def approved_templates(self) -> Sequence[ApprovedTemplate]:
        """The templates."""
        return self.templates

    def confirmed(self) -> bool:
        """Whether Meta's calls to us can be told from forged ones."""
        return self.app_secret is not None

    def limits(self) -> Limits:
        """80 messages a second are allowed a number, inbound ones counted in."""
        return self.limited("characters", MOST_CHARACTERS, rate=60.0, concurrency=16, deliver_within=3600)


def _framed(body: str) -> bool:
    """Whether `body` begins and ends with the same mark; which marks there are is seen when it is rendered."""
    return any(body.endswith(body[:length]) for length in range(3, len(body) // 2 + 1))


class Adapter(HttpAdapter):
    """Accepted means that Meta has it; what became of it comes as calls with our own key."""

    kind: ClassVar[str] = "whatsapp"
    traits: ClassVar[Traits] = Traits(family="whatsapp", receipts=True)

    def __init__(self, name: str, settings: Settings, *, transport: httpx.AsyncBaseTransport | None = None) -> None:
        super().__init__(name, settings, transport=transport)
        self._phone_number = settings.phone_number
        self._account = settings.account
        self._templates = settings.templates
        self._token = Secret(settings.token, name, "token")
        self._refused: set[tuple[str, str]] = set()
        secret, verify = settings.app_secret, settings.verify_token
        self._app_secret = Secret(secret, name, "app_secret") if secret is not None else None
        self._verify_token = Secret(verify, name, "verify_token") if verify is not None else None

    async def _send(self, message: Rendered, job: Job, uploaded: Uploaded | None) -> Outcome:
        number = NUMBER.fullmatch(job.to.value) if job.to is not None else None
        if number is None:
            return Rejected("not a telephone number", Why.ADDRESS)
        template = message.template
        if template is None:
            return Rejected("no approved template, which alone WhatsApp takes from us", Why.PAYLOAD)
        if not self._reads_as(template, message.text):
            return Rejected(f"template {template.name} in the config does not read as approved", Why.PAYLOAD)
        parameters: list[JsonValue] = [{"type": "text", "text": each} for each in template.parameters]
        fields: dict[str, JsonValue] = {
            "messaging_product": "whatsapp",
            "recipient_type": "individual",
            "to": number.group(1),
            "type": "template",
            "template": {
                "name": template.name,
                "language": {"code": template.language},
                "components": [{"type": "body", "parameters": parameters}],
            },
            "biz_opaque_callback_data": job.key,
        }
        asked = await self.wire.ask(
            "POST",
            f"/{_graph.VERSION}/{self._phone_number}/messages",
            headers=self._token.bearer,
            fields=fields,
            documented=lambda answer: self._not_to_be_had(template, answer) or _graph.documented(answer),
        )
        if isinstance(asked, Answer):
            self._refused.discard((template.name, template.language))
        return _taken(asked)

    def _not_to_be_had(self, template: Template, answer: Answer) -> Outcome | None:
        """Lets a message wait whose template Meta has paused or lacks, while others of its kind may still go.

        None where none is left, which Meta's table makes a fault of our account, and for any other answer.
        """
        fault = _graph.fault(answer.fields.get("error"))
        if fault is None or fault.code not in _TEMPLATE_CODES:
            return None
        place = (template.name, template.language)
        self._refused.add(place)
        kinds = {each.kind for each in self._templates if (each.name, each.code) == place}
        left = {(each.name, each.code) for each in self._templates if each.kind in kinds} - self._refused
        if not left:
            return None
        return Retryable(f"{fault.reason}: template {template.name} ({template.language}) is not to be had")

    def _reads_as(self, template: Template, text: str) -> bool:
        """Whether Meta will make of the template the very text that officers approved, the drill mark included."""
        return any(
            len(each.parameters) == len(template.parameters) and each.said(template.parameters).strip() == text.strip()
            for each in self._templates
            if (each.name, each.code) == (template.name, template.language)
        )

    async def ready(self) -> Readiness:
        """Asks how our number stands, then how the templates do. One that is paused does not stop the others."""
        fields = "id,status,quality_rating,whatsapp_business_manager_messaging_limit"
        number = await _graph.question(self.wire, self._token, f"/{self._phone_number}", {"fields": fields})
        if not isinstance(number, Answer):
            return readiness(number)
        if number.fields.get("id") != self._phone_number:
            return readiness(unreadable(number))
        listed = await _graph.question(
            self.wire,
            self._token,
            f"/{self._account}/message_templates",
            {"fields": "name,language,status", "limit": str(TEMPLATES)},
        )
        if not isinstance(listed, Answer):
            return readiness(listed)
        return _standing(number.fields, _listed(listed), self._templates)

    def handshake(self, request: Received) -> str | None:
        """Meta's check of our endpoint."""
        return _graph.handshake(request, self._verify_token)

    def receipts(self, request: Received) -> Sequence[Receipt]:
        """The statuses of messages in one call, as many as there are. Raises Forged."""
        return calls.receipts(_graph.signed(request, self._app_secret), self._phone_number)

    def inbound(self, request: Received) -> Sequence[Inbound]:
        """What people wrote to our number, in the same call. Raises Forged."""
        return calls.inbound(_graph.signed(request, self._app_secret), self._phone_number)


def _taken(asked: Answer | Outcome) -> Outcome:
    """`message_status` may say that Meta holds it back for a check: it has it all the same."""
    if not isinstance(asked, Answer):
        return asked
    messages = objects(asked.fields.get("messages"))
    identifier = text(messages[0], "id") if messages else ""
    return Accepted(identifier) if identifier else unreadable(asked)


def _listed(answer: Answer) -> Mapping[tuple[str, str], str]:
    """The state of each template of the account, by name and language."""
    return {
        (text(each, "name"), text(each, "language")): text(each, "status")
        for each in objects(answer.fields.get("data"))
    }


def _standing(
    number: Mapping[str, JsonValue], states: Mapping[tuple[str, str], str], templates: Sequence[ApprovedTemplate]
) -> Readiness:
    """How the instance stands; a template that is not on the list may stand on its next page and counts as good."""
    bad = {
        (each.name, each.code): f"template {each.name} ({each.code}) is {state.lower()[:32]}"
        for each in templates
        if (state := states.get((each.name, each.code), "APPROVED")) != "APPROVED"
    }
    ready = any((each.name, each.code) not in bad for each in templates if each.kind is Kind.ALERT)
    state, quality = text(number, "status"), text(number, "quality_rating")
    tier = text(number, "whatsapp_business_manager_messaging_limit")
    if state in ("BANNED", "RESTRICTED", "DELETED", "DISCONNECTED"):
        ready = False
    said = [
        "The provider answers and our credentials pass" if ready else "The provider would take no alert from us",
        *([f"our number is {state.lower()}"] if state not in ("", "CONNECTED") else []),
        *([f"its quality is {quality.lower()}"] if quality in ("YELLOW", "RED") else []),
        *bad.values(),
        *([f"at most {tier.removeprefix('TIER_').lower()} people in 24 hours"] if tier else []),
    ]
    return Readiness(ready, f"{'; '.join(said)[:500]}.", quota_left=_people(tier))


def _people(tier: str) -> int | None:
    found = _TIER.fullmatch(tier)
    return int(found.group(1)) * (1000 if found.group(2) else 1) if found else None

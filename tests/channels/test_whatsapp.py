from __future__ import annotations

import hashlib
import hmac
import json
from dataclasses import replace
from typing import Any, ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

import channels
from channels._adapter import ChannelSettings
from channels._graph import VERSION
from kentongan.seam import (
    Accepted,
    Address,
    Confirmed,
    Credential,
    Forged,
    Inbound,
    Mode,
    Outcome,
    Receipt,
    Received,
    Rejected,
    Rendered,
    Retryable,
    Template,
    Why,
    slot,
)
from tests.channels.contract import MARK, SECRET
from tests.channels.scripted import Reply, Request, ScriptedServer
from tests.channels.wire_contract import WireContract

PERSON = Address("whatsapp", "+6281230001234")
PHONE, ACCOUNT = "111", "222"
BODY = "Peringatan resmi: {{1}}\n\nKode {{2}}. Terima kasih."
DRILL_BODY = f"{MARK} {BODY} {MARK}"


def template(kind: str = "alert", body: str = BODY, **changes: Any) -> dict[str, Any]:
    fields = {"kind": kind, "language": "id", "name": f"warning_{kind}", "code": "id", "body": body}
    return {**fields, "parameters": ["message", "code"], **changes}


def templates(body: str = BODY) -> list[dict[str, Any]]:
    return [template("alert", body), template("correction", body)]


def failed(code: int, status: int = 400) -> Reply:
    return Reply.of({"error": {"message": PERSON.value, "code": code}}, status)


def signed(content: Any) -> Received:
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    digest = hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
    return Received("POST", "/receipts/wa", {}, {"x-hub-signature-256": f"sha256={digest}"}, body)


def called(*values: Any, phone: str = PHONE, field: str = "messages") -> dict[str, Any]:
    metadata = {"display_phone_number": "62811", "phone_number_id": phone}
    changes = [{"field": field, "value": {"metadata": metadata, **value}} for value in values]
    return {"object": "whatsapp_business_account", "entry": [{"id": ACCOUNT, "changes": changes}]}


def status(state: str, id: str = "wamid.1", key: str = "key-1", **more: Any) -> dict[str, Any]:
    found = {"id": id, "status": state, "recipient_id": PERSON.value[1:], **more}
    return {**found, "biz_opaque_callback_data": key} if key else found


class TestWhatsApp(WireContract):
    kind = "whatsapp"
    settings: ClassVar[dict[str, Any]] = {
        "token": {"env": "KENTONGAN_TEST_SECRET"},
        "app_secret": {"env": "KENTONGAN_TEST_SECRET"},
        "verify_token": {"env": "KENTONGAN_TEST_SECRET"},
        "audience": "all",
        "phone_number": PHONE,
        "account": ACCOUNT,
    }
    to = PERSON
    good = Reply.of({"messaging_product": "whatsapp", "messages": [{"id": "wamid.1", "message_status": "accepted"}]})
    refused_403 = Rejected
    retry_503 = False

    def configured(self, base_url: str, mode: Mode = Mode.LIVE, **changes: Any) -> ChannelSettings:
        approved = templates(BODY if mode is Mode.LIVE else DRILL_BODY)
        return super().configured(base_url, mode, **{"templates": approved, **changes})

    def message(self, mode: Mode = Mode.LIVE, **changes: Any) -> Rendered:
        """A message as the renderer makes it of a template."""
        words = " ".join(str(changes.pop("text", super().message().text)).split())
        said = (words, "K7Q4-ID")
        body = (BODY if mode is Mode.LIVE else DRILL_BODY).replace("{{1}}", words).replace("{{2}}", said[1])
        return replace(super().message(mode), text=body, template=Template("warning_alert", "id", said), **changes)

    def sent_text(self, request: Request) -> str:
        """What Meta makes of it."""
        sent = request.json["template"]
        assert (sent["name"], sent["language"]) == ("warning_alert", {"code": "id"})
        (component,) = sent["components"]
        assert component["type"] == "body"
        text = BODY
        for number, parameter in enumerate(component["parameters"], start=1):
            assert parameter["type"] == "text"
            text = text.replace(f"{{{{{number}}}}}", parameter["text"])
        return text

    async def test_a_template_goes_to_one_number_with_our_key(self, server: ScriptedServer) -> None:
        assert await self.send_once(server, None) == Accepted("wamid.1")
        (request,) = server.requests
        assert (request.method, request.target) == ("POST", f"/{VERSION}/{PHONE}/messages")
        assert request.headers["authorization"] == f"Bearer {SECRET}"
        assert {name: request.json[name] for name in ("messaging_product", "recipient_type", "to", "type")} == {
            "messaging_product": "whatsapp",
            "recipient_type": "individual",
            "to": PERSON.value[1:],
            "type": "template",
        }
        assert request.json["biz_opaque_callback_data"] == "key-1"

    async def test_slots_in_parameters_are_filled(self, server: ScriptedServer) -> None:
        message = self.message(text=f"Gempa, dikirim {slot('sent')}.")
        async with self.opened(self.configured(server.base_url)) as channel:
            (outcome,) = await channel.send(message, [self.job(values={"sent": "14.05 WIB"})], None)
        assert isinstance(outcome, Accepted)
        assert self.sent_text(server.requests[0]) == message.filled({"sent": "14.05 WIB"}).text

    @pytest.mark.parametrize(
        "spoil",
        [
            lambda m: replace(m, template=None),
            lambda m: replace(m, text=m.text + "!"),
            lambda m: replace(m, template=replace(m.template, name="other")),
            lambda m: replace(m, template=replace(m.template, language="en")),
            lambda m: replace(m, template=replace(m.template, parameters=m.template.parameters[:1])),
            lambda m: replace(m, template=replace(m.template, parameters=(*m.template.parameters, "more"))),
            lambda m: replace(m, template=replace(m.template, parameters=("Other words", "K7Q4-ID"))),
        ],
        ids=["no template", "other text", "other name", "other language", "too few", "too many", "other words"],
    )
    async def test_what_citizens_would_not_read_as_approved_is_refused(
        self, server: ScriptedServer, spoil: Any
    ) -> None:
        async with self.opened(self.configured(server.base_url)) as channel:
            (outcome,) = await channel.send(spoil(self.message()), [self.job()], None)
        assert isinstance(outcome, Rejected)
        assert outcome.why is Why.PAYLOAD
        assert server.requests == []

    async def test_a_drill_whose_template_lost_its_mark_is_refused(self, server: ScriptedServer) -> None:
        """The rendering is marked; the config has been changed to a template that would arrive without."""
        changed = templates(DRILL_BODY.replace(MARK, "[OTHER]"))
        async with self.opened(self.configured(server.base_url, Mode.DRILL, templates=changed)) as channel:
            (outcome,) = await channel.send(self.message(Mode.DRILL), [self.job()], None)
        assert isinstance(outcome, Rejected)
        assert server.requests == []

    @pytest.mark.parametrize("value", ["", "agus", "+0812", "+62 812", "+62812345678901234"])
    async def test_what_is_no_number_is_refused(self, server: ScriptedServer, value: str) -> None:
        job = replace(self.job(), to=Address("whatsapp", value))
        async with self.opened(self.configured(server.base_url)) as channel:
            (outcome,) = await channel.send(self.message(), [job], None)
        assert isinstance(outcome, Rejected)
        assert outcome.why is Why.ADDRESS
        assert server.requests == []

    @pytest.mark.parametrize("state", ["held_for_quality_assessment", "paused", None])
    async def test_a_message_that_meta_holds_back_is_with_meta(self, server: ScriptedServer, state: str | None) -> None:
        answer = Reply.of({"messages": [{"id": "wamid.2", "message_status": state}]})
        assert await self.send_once(server, None, answer) == Accepted("wamid.2")

    @pytest.mark.parametrize(
        ("code", "kind"),
        [(130429, Retryable), (131056, Retryable), (132015, Credential), (131026, Rejected), (190, Credential)],
    )
    async def test_a_code_beats_the_status(self, server: ScriptedServer, code: int, kind: type[Any]) -> None:
        outcome = await self.send_once(server, None, failed(code, 403))
        assert isinstance(outcome, kind)
        assert PERSON.value not in repr(outcome)

    @pytest.mark.parametrize("code", [132001, 132015, 132016])
    async def test_a_template_that_is_not_to_be_had_holds_the_channel_only_where_none_is_left(
        self, server: ScriptedServer, code: int
    ) -> None:
        english = [{**each, "language": "en", "code": "en"} for each in templates(BODY)]
        indonesian = self.message()
        assert indonesian.template is not None
        other = replace(indonesian, template=replace(indonesian.template, language="en"))
        both = self.configured(server.base_url, templates=[*templates(BODY), *english])
        async with self.opened(both) as channel:

            async def sent(message: Rendered, answer: Reply) -> Outcome:
                server.script.append(answer)
                (outcome,) = await channel.send(message, [self.job()], None)
                assert isinstance(outcome, Outcome)
                return outcome

            waiting = await sent(indonesian, failed(code))
            assert isinstance(waiting, Retryable)
            assert "warning_alert (id)" in waiting.reason
            assert isinstance(await sent(other, self.good), Accepted)
            assert isinstance(await sent(other, failed(code)), Credential), "now none of them is left"
            assert isinstance(await sent(indonesian, self.good), Accepted), "approved again"
            assert isinstance(await sent(other, failed(code)), Retryable)
            assert isinstance(await sent(other, failed(190)), Credential), "which is about all of them"

    # --- calls to our endpoint -------------------------------------------------------------------------------

    def channel(self, **changes: Any) -> Any:
        settings = self.configured("https://graph.facebook.com", **changes)
        return channels.adapter("whatsapp")("wa", settings)

    @pytest.mark.parametrize(
        ("state", "confirmed"),
        [
            ("sent", Confirmed.ACCEPTED),
            ("delivered", Confirmed.DELIVERED),
            ("read", Confirmed.READ),
            ("played", Confirmed.READ),
            ("failed", Confirmed.UNREACHABLE),
        ],
    )
    def test_a_status_names_our_key_and_the_message(self, state: str, confirmed: Confirmed) -> None:
        receipts = self.channel().receipts(signed(called({"statuses": [status(state)]})))
        assert receipts == (Receipt(confirmed, key="key-1", provider_id="wamid.1"),)

    def test_a_failure_says_its_code_and_no_number(self) -> None:
        errors = [{"code": 131026, "title": PERSON.value, "error_data": {"details": PERSON.value}}, {"code": 131049}]
        (receipt,) = self.channel().receipts(signed(called({"statuses": [status("failed", errors=errors)]})))
        assert receipt.reason == "code 131026, code 131049"

    def test_one_call_may_bring_many_statuses_and_answers(self) -> None:
        content = called(
            {"statuses": [status("delivered", "wamid.1", "a"), status("sent", "wamid.1", "a")]},
            {"statuses": [status("failed", "wamid.2", "b")], "messages": [{"from": "6281", "type": "text"}]},
            {"messages": [{"from": PERSON.value[1:], "id": "wamid.3", "type": "text", "text": {"body": "1"}}]},
        )
        channel = self.channel()
        found = [(each.key, each.confirmed.value) for each in channel.receipts(signed(content))]
        assert found == [("a", "delivered"), ("a", "accepted"), ("b", "unreachable")]
        assert channel.inbound(signed(content)) == (Inbound("whatsapp", PERSON.value, "1", "wamid.3"),)

    def test_a_status_without_our_key_still_names_the_message(self) -> None:
        (receipt,) = self.channel().receipts(signed(called({"statuses": [status("sent", key="")]})))
        assert receipt == Receipt(Confirmed.ACCEPTED, provider_id="wamid.1")

    @pytest.mark.parametrize(
        "content",
        [
            {},
            {"object": "page", "entry": called({"statuses": [status("sent")]})["entry"]},
            called({"statuses": [status("sent")]}, phone="999"),
            called({"statuses": [status("sent")]}, field="message_template_status_update"),
            called({"statuses": [status("deleted")]}),
            called({"statuses": [status("sent", id="", key="")]}),
            called({"statuses": [1, None, {}]}, {"statuses": "sent"}),
        ],
    )
    def test_a_call_about_something_else_says_nothing(self, content: Any) -> None:
        channel = self.channel()
        assert channel.receipts(signed(content)) == ()
        assert channel.inbound(signed(content)) == ()

    @pytest.mark.parametrize(
        ("message", "text", "answered"),
        [
            ({"type": "text", "text": {"body": "TOLONG"}, "context": {"id": "wamid.9"}}, "TOLONG", "wamid.9"),
            ({"type": "text", "text": {"body": "aman"}}, "aman", ""),
            ({"type": "button", "button": {"text": "2", "payload": "x"}, "context": {"id": "wamid.9"}}, "2", "wamid.9"),
            ({"type": "interactive", "interactive": {"button_reply": {"title": "Aman"}}}, "Aman", ""),
            ({"type": "reaction", "reaction": {"message_id": "wamid.9", "emoji": "👍"}}, "👍", "wamid.9"),
            ({"type": "image", "image": {"id": "1", "caption": "x"}}, "", ""),
        ],
    )
    def test_what_people_write_is_read(self, message: dict[str, Any], text: str, answered: str) -> None:
        content = called({"messages": [{"from": PERSON.value[1:], "id": "wamid.3", **message}]})
        (inbound,) = self.channel().inbound(signed(content))
        assert inbound == Inbound("whatsapp", PERSON.value, text, "wamid.3", answered)
        assert PERSON.value not in repr(inbound)
        assert not text or text not in repr(inbound)
        assert self.channel().receipts(signed(content)) == ()

    def test_half_a_character_cannot_stop_what_keeps_it(self) -> None:
        content = called({"messages": [{"from": "628123456789", "type": "text", "text": {"body": "\ud800"}}]})
        (inbound,) = self.channel().inbound(signed(content))
        assert inbound.text.encode() == b"?"

    @given(
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.text(max_size=6) | st.just(PHONE),
            lambda inner: (
                st.lists(inner, max_size=3)
                | st.dictionaries(
                    st.sampled_from(
                        ["statuses", "messages", "status", "id", "errors", "code", "from", "type", "text", "context"]
                    ),
                    inner,
                    max_size=4,
                )
            ),
            max_leaves=20,
        )
    )
    def test_no_signed_call_brings_the_reading_down(self, value: Any) -> None:
        value = value if isinstance(value, dict) else {"statuses": value, "messages": value}
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("KENTONGAN_TEST_SECRET", SECRET)
            channel = self.channel()
        for content in (called(value), called({"statuses": [value], "messages": [value]}), value):
            channel.receipts(signed(content))
            channel.inbound(signed(content))

    def test_a_forged_call_is_refused_before_it_is_read(self) -> None:
        right = signed(called({"statuses": [status("read")]}))
        forged = replace(right, headers={"x-hub-signature-256": "sha256=" + "0" * 64})
        for request in (forged, replace(right, headers={}), replace(right, body=right.body + b" ")):
            with pytest.raises(Forged):
                self.channel().receipts(request)
            with pytest.raises(Forged):
                self.channel().inbound(request)

    def test_the_check_of_the_endpoint_is_answered(self) -> None:
        query = {"hub.mode": "subscribe", "hub.verify_token": SECRET, "hub.challenge": "42"}
        assert self.channel().handshake(Received("GET", "/receipts/wa", query, {}, b"")) == "42"
        with pytest.raises(Forged):
            self.channel().handshake(Received("GET", "/receipts/wa", {**query, "hub.verify_token": "other"}, {}, b""))

    # --- readiness -------------------------------------------------------------------------------------------

    async def ready(self, server: ScriptedServer, *answers: Reply) -> Any:
        server.script.extend(answers)
        async with self.opened(self.configured(server.base_url)) as channel:
            return await channel.ready()

    def number(self, **changes: Any) -> Reply:
        fields = {"id": PHONE, "status": "CONNECTED", "quality_rating": "GREEN"}
        return Reply.of({**fields, "whatsapp_business_manager_messaging_limit": "TIER_10K", **changes})

    def listed(self, **states: str) -> Reply:
        data = [{"name": f"warning_{kind}", "language": "id", "status": state} for kind, state in states.items()]
        return Reply.of({"data": data})

    async def test_a_number_with_approved_templates_is_ready(self, server: ScriptedServer) -> None:
        seen = await self.ready(server, self.number(), self.listed(alert="APPROVED", correction="APPROVED"))
        assert seen.ready
        assert seen.quota_left == 10_000
        assert [request.path for request in server.requests] == [
            f"/{VERSION}/{PHONE}",
            f"/{VERSION}/{ACCOUNT}/message_templates",
        ]

    @pytest.mark.parametrize("state", ["PAUSED", "REJECTED", "DISABLED", "PENDING"])
    async def test_templates_that_are_not_approved_are_named(self, server: ScriptedServer, state: str) -> None:
        only_other = await self.ready(server, self.number(), self.listed(alert="APPROVED", correction=state))
        assert only_other.ready
        assert f"template warning_correction (id) is {state.lower()}" in only_other.detail
        assert not (await self.ready(server, self.number(), self.listed(alert=state))).ready

    async def test_a_number_of_poor_standing_says_so(self, server: ScriptedServer) -> None:
        fine = self.listed(alert="APPROVED")
        seen = await self.ready(server, self.number(status="FLAGGED", quality_rating="RED"), fine)
        assert seen.ready
        assert "flagged" in seen.detail
        assert "red" in seen.detail
        assert not (await self.ready(server, self.number(status="BANNED"), fine)).ready

    @pytest.mark.parametrize(
        "answers",
        [(failed(190),), (Reply.of({"id": "999"}),), (Reply.of({}),), (Reply.of({"id": PHONE}), failed(200, 403))],
    )
    async def test_an_account_that_we_may_not_use_is_not_ready(
        self, server: ScriptedServer, answers: tuple[Reply, ...]
    ) -> None:
        assert not (await self.ready(server, *answers)).ready

    @pytest.mark.parametrize(
        ("changes", "says"),
        [
            ({"audience": None}, "goes to people"),
            ({"app_secret": None}, "stand together"),
            ({"templates": []}, "none for an alert"),
            ({"templates": [template("alert")]}, "no correction in id"),
            ({"templates": [template(body="{{1}} {{2}} x")]}, "begins or ends with a place"),
            ({"templates": [template(body="x {{1}} y")]}, "1 numbered places"),
            ({"templates": [template(body="x {{1}} {{3}} y")]}, "number the places"),
            ({"templates": [template(body="x {{1}} {{name}} {{2}} y")]}, "numbered places alone"),
            ({"templates": [template(body="x {{1}} y", parameters=["code"])]}, "no parameter message"),
            ({"templates": [template(body="x {{1}} y", parameters=["message"])]}, "no parameter code"),
            ({"templates": [template(body="x" * 1020 + "{{1}}{{2}}")]}, "longer than"),
            ({"templates": [template(name="Warning Alert")]}, "pattern"),
            ({"templates": [template(kind="warning")]}, "'alert'"),
        ],
    )
    def test_settings_that_could_not_work_say_why(self, changes: dict[str, Any], says: str) -> None:
        with pytest.raises(ValidationError, match=says):
            self.configured("https://graph.facebook.com", **changes)

    def test_a_drill_instance_refuses_a_template_without_a_mark(self) -> None:
        with pytest.raises(ValidationError, match="must begin and end with the drill mark"):
            self.configured("https://graph.facebook.com", Mode.DRILL, templates=templates())

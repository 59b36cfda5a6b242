from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar

import oauthlib.oauth1
import pytest
from pydantic import ValidationError

import channels
from kentongan.seam import (
    Absent,
    Accepted,
    Credential,
    InDoubt,
    Media,
    Outcome,
    Pending,
    Posted,
    Rejected,
    Retryable,
    Uploaded,
)
from tests.channels.contract import SINCE
from tests.channels.scripted import Hang, Reply, Request, ScriptedServer
from tests.channels.wire_contract import WireContract

ME = Reply.of({"data": {"id": "77", "username": "bpbd"}})


def problem(status: int, detail: str = "", type: str = "about:blank", **headers: str) -> Reply:
    return Reply.of({"type": type, "title": "Forbidden", "detail": detail, "status": status}, status, **headers)


def id_at(minutes: float) -> str:
    """A post's id as X makes it: the milliseconds since its own beginning, then 22 bits."""
    moment = (SINCE + timedelta(minutes=minutes)).timestamp()
    return str(int(moment * 1000 - 1_288_834_974_657) << 22)


def post(text: str, minutes: float = 1, **changes: Any) -> dict[str, Any]:
    return {"id": id_at(minutes), "text": text, "edit_history_tweet_ids": [id_at(minutes)], **changes}


def found_at(minutes: float) -> Accepted:
    return Accepted(id_at(minutes), f"https://x.com/i/web/status/{id_at(minutes)}")


def page(*posts: dict[str, Any], **meta: Any) -> Reply:
    return Reply.of({**({"data": list(posts)} if posts else {}), "meta": {"result_count": len(posts)} | meta})


class TestX(WireContract):
    kind = "x"
    settings: ClassVar[dict[str, Any]] = {"token": {"env": "KENTONGAN_TEST_SECRET"}}
    good = Reply.of({"data": {"id": "109", "text": "x"}}, 201)
    refused_403 = Credential
    retry_503 = False

    def sent_text(self, request: Request) -> str:
        return str(request.json["text"])

    async def test_a_post_carries_the_token_and_nothing_but_words(self, server: ScriptedServer) -> None:
        outcome = await self.send_once(server, None)
        (request,) = server.requests
        assert outcome == Accepted("109", "https://x.com/i/web/status/109")
        assert (request.method, request.path) == ("POST", "/2/tweets")
        assert request.headers["authorization"] == "Bearer s3cr3t-of-the-agency"
        assert request.headers["content-type"] == "application/json"
        assert request.json == {"text": self.message().text}

    async def test_a_token_in_a_file_is_used_as_it_stands_there_now(
        self, server: ScriptedServer, tmp_path: Path
    ) -> None:
        path = tmp_path / "token"
        path.write_text("first")
        async with self.opened(self.configured(server.base_url, token={"file": path})) as channel:
            for token in ("first", "second", ""):
                path.write_text(token)
                await channel.send(self.message(), [self.job()], None)
        sent = [request.headers["authorization"] for request in server.requests]
        assert sent == ["Bearer first", "Bearer second", "Bearer second"]

    async def test_with_keys_of_an_app_each_request_is_signed_for_itself(
        self, server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        named = {"consumer_key": "app", "consumer_secret": "app-s3cr3t", "token_secret": "user-s3cr3t"}
        sources = {}
        for field, value in named.items():
            monkeypatch.setenv(f"KENTONGAN_TEST_{field.upper()}", value)
            sources[field] = {"env": f"KENTONGAN_TEST_{field.upper()}"}
        server.script.extend([self.good, ME, page(), Reply.of({"data": {"deleted": True}}), Reply.of({"data": {}})])
        media = (Media("map.png", "image/png", b"\x89PNG"),)
        async with self.opened(self.configured(server.base_url, **sources)) as channel:
            await channel.send(self.message(), [self.job()], None)
            await channel.find(self.message(), self.job())
            await channel.delete(Posted("10/9"), self.job())
            await channel.advance(
                self.message(media=media),
                self.job(handle={"name": "map.png", "id": "7", "segment": "0", "step": "append"}),
            )
        assert [request.method for request in server.requests] == ["POST", "GET", "GET", "DELETE", "POST"]
        nonces = set()
        for request in server.requests:
            said = dict(re.findall(r'(oauth_\w+)="([^"]*)"', request.headers["authorization"]))
            assert (said["oauth_consumer_key"], said["oauth_token"]) == ("app", "s3cr3t-of-the-agency")
            nonces.add(said["oauth_nonce"])
            signer = oauthlib.oauth1.Client(
                "app",
                client_secret="app-s3cr3t",
                resource_owner_key="s3cr3t-of-the-agency",
                resource_owner_secret="user-s3cr3t",
                nonce=said["oauth_nonce"],
                timestamp=said["oauth_timestamp"],
            )
            _, signed, _ = signer.sign(server.base_url + request.target, request.method)
            assert signed["Authorization"].split('oauth_signature="')[1] == f'{said["oauth_signature"]}"'
            assert abs(int(said["oauth_timestamp"]) - datetime.now(UTC).timestamp()) < 60
            assert "app-s3cr3t" not in str(request.headers)
            assert "user-s3cr3t" not in str(request.headers)
        assert len(nonces) == len(server.requests)

    @pytest.mark.parametrize("absent", ["consumer_key", "consumer_secret", "token_secret"])
    def test_keys_of_an_app_stand_together(self, absent: str) -> None:
        source = {"env": "KENTONGAN_TEST_SECRET"}
        given = {name: source for name in ("consumer_key", "consumer_secret", "token_secret") if name != absent}
        with pytest.raises(ValidationError, match="stand together"):
            self.configured("https://api.x.com", **given)

    async def test_the_same_words_again_are_a_hint_that_they_are_out(self, server: ScriptedServer) -> None:
        detail = "You are not allowed to create a Tweet with duplicate content."
        assert isinstance(await self.send_once(server, None, problem(403, detail)), InDoubt)

    @pytest.mark.parametrize(
        "answer",
        [
            problem(403, "Used up", "https://api.x.com/2/problems/usage-capped"),
            problem(429, "Used up", "https://api.x.com/2/problems/usage-capped"),
            problem(402, "Your enrolled account does not have any credits to fulfill this request."),
            problem(403, "Not enrolled", "https://api.x.com/2/problems/client-forbidden"),
        ],
    )
    async def test_an_account_that_may_not_post_is_ours_to_mend(self, server: ScriptedServer, answer: Reply) -> None:
        assert isinstance(await self.send_once(server, None, answer), Credential)

    @pytest.mark.parametrize(("signed", "remedy"), [(True, "clock of this machine"), (False, "ends after two hours")])
    async def test_refused_keys_say_what_to_look_at(self, server: ScriptedServer, signed: bool, remedy: str) -> None:
        names = ("consumer_key", "consumer_secret", "token_secret") if signed else ()
        keys = {name: {"env": "KENTONGAN_TEST_SECRET"} for name in names}
        server.usual = problem(401, "Unauthorized")
        async with self.opened(self.configured(server.base_url, **keys)) as channel:
            (outcome,) = await channel.send(self.message(), [self.job()], None)
            seen = await channel.ready()
            taken_away = await channel.delete(Posted("109"), self.job())
        assert isinstance(outcome, Credential)
        assert isinstance(taken_away, Credential)
        assert not seen.ready
        for told in (outcome.reason, seen.detail, taken_away.reason):
            assert remedy in told

    async def test_a_throttle_ends_when_its_window_does(self, server: ScriptedServer) -> None:
        reset = int(datetime.now(UTC).timestamp()) + 600
        answer = problem(429, "Too Many Requests", x_rate_limit_reset=str(reset))
        outcome = await self.send_once(server, None, answer)
        assert isinstance(outcome, Retryable)
        assert outcome.after is not None
        assert 590 <= outcome.after <= 600

    @pytest.mark.parametrize("window", ["x_user_limit_24hour", "x_app_limit_24hour"])
    async def test_a_used_up_day_outlasts_the_quarter_of_an_hour(self, server: ScriptedServer, window: str) -> None:
        now = int(datetime.now(UTC).timestamp())
        quarter = {"x_rate_limit_remaining": "49", "x_rate_limit_reset": str(now + 600)}
        used_up = {f"{window}_remaining": "0", f"{window}_reset": str(now + 40_000)}
        left = {f"{window}_remaining": "3", f"{window}_reset": str(now + 40_000)}
        garbled = {f"{window}_remaining": "0", f"{window}_reset": "soon"}
        waits = []
        for day in (used_up, left, garbled):
            outcome = await self.send_once(server, None, problem(429, "Too Many Requests", **quarter, **day))
            assert isinstance(outcome, Retryable)
            waits.append(outcome.after)
        assert waits == [pytest.approx(40_000, abs=10), pytest.approx(600, abs=10), pytest.approx(600, abs=10)]

    # --- looking up ---------------------------------------------------------------------------------------

    @pytest.mark.parametrize(
        ("answer", "found"),
        [
            (page(post("Gempa &amp; K7Q4-ID https://t.co/1")), found_at(1)),
            (page(post("Gempa"), post("Lain K7Q4-ID", -0.9)), found_at(-0.9)),
            (page(), Absent()),
            (page(post("Gempa K7Q4-EN"), post("AK7Q4-ID"), post("K7Q4-IDN")), Absent()),
            (page(post("K7Q4-ID", -2)), Absent()),
            (page(post("Gempa"), next_token="more"), InDoubt("more posts since than one page shows")),
            (page(post("K7Q4-ID"), next_token="more"), found_at(1)),
            (page(post("K7Q4-ID", id="abc")), InDoubt("a post of ours cannot be read")),
            (page(post("K7Q4-ID", id="9" * 40)), InDoubt("a post of ours cannot be read")),
            (
                Reply.of({"data": [post("a")], "meta": {"result_count": 2}}),
                InDoubt("more posts since than one page shows"),
            ),
            (Reply.of({"data": [{"id": "1"}], "meta": {"result_count": 1}}), InDoubt("a post of ours cannot be read")),
            (Reply.of({"data": [7], "meta": {"result_count": 1}}), InDoubt("a post of ours cannot be read")),
            (Reply.of({"errors": [{"title": "x"}], "meta": {"result_count": 0}}), InDoubt("our posts cannot be read")),
            (Reply.of({}), InDoubt("our posts cannot be read")),
        ],
    )
    async def test_a_look_finds_the_whole_code_since_the_intent(
        self, server: ScriptedServer, answer: Reply, found: Outcome | Absent
    ) -> None:
        server.script.extend([ME, answer])
        async with self.opened(self.configured(server.base_url)) as channel:
            assert await channel.find(self.message(), self.job()) == found
        looked = server.requests[1]
        assert (looked.method, looked.path) == ("GET", "/2/users/77/tweets")
        assert looked.query["start_time"] == "2026-03-01T11:59:00Z"
        assert looked.query["max_results"] == "100"
        assert looked.query.keys() == {"start_time", "max_results"}

    async def test_a_known_account_is_not_asked_for_again(self, server: ScriptedServer) -> None:
        server.script.append(page())
        async with self.opened(self.configured(server.base_url, account="77")) as channel:
            assert await channel.find(self.message(), self.job()) == Absent()
        assert [request.path for request in server.requests] == ["/2/users/77/tweets"]

    @pytest.mark.parametrize("answer", [Reply(500), Reply(404), Reply(200, b"?"), Reply(429), Hang()])
    async def test_a_look_that_fails_proves_nothing(self, server: ScriptedServer, answer: Reply) -> None:
        async with self.opened(self.configured(server.base_url, deadline=0.3)) as channel:
            server.script.append(answer)
            assert isinstance(await channel.find(self.message(), self.job()), InDoubt)
            server.script.extend([ME, answer])
            assert isinstance(await channel.find(self.message(), self.job()), InDoubt)

    # --- editing and taking away ----------------------------------------------------------------------------

    async def test_an_account_edits_only_where_the_settings_say_that_it_may(self, server: ScriptedServer) -> None:
        async with self.opened(self.configured(server.base_url)) as channel:
            assert isinstance(await channel.edit(Posted("108"), self.message(), self.job()), Rejected)
        assert server.requests == []
        async with self.opened(self.configured(server.base_url, may_edit=True)) as channel:
            outcome = await channel.edit(Posted("108"), self.message(text="DITARIK"), self.job())
        assert outcome == Accepted("109", "https://x.com/i/web/status/109"), "an edit has an id of its own"
        (request,) = server.requests
        assert request.json == {"text": "DITARIK K7Q4-ID", "edit_options": {"previous_post_id": "108"}}

    async def test_deleting_what_is_gone_is_done(self, server: ScriptedServer) -> None:
        server.script.extend([Reply.of({"data": {"deleted": True}}), problem(404), Reply(500), Reply.of({"data": {}})])
        async with self.opened(self.configured(server.base_url)) as channel:
            outcomes = [await channel.delete(Posted("10/9"), self.job()) for _ in range(4)]
        assert [type(outcome) for outcome in outcomes] == [Accepted, Accepted, InDoubt, InDoubt]
        assert (server.requests[0].method, server.requests[0].target) == ("DELETE", "/2/tweets/10%2F9")

    # --- pictures -------------------------------------------------------------------------------------------

    async def test_a_picture_goes_in_steps_of_one_request_each(self, server: ScriptedServer) -> None:
        content = b"\x89PNG" + bytes(2 * 1024 * 1024)
        media = (Media("map.png", "image/png", content, "Peta"), Media("two.webp", "image/webp", b"RIFF"))
        message = self.message(media=media)
        processing = {"state": "in_progress", "check_after_secs": 3}
        server.script.extend(
            [
                Reply.of({"data": {"id": "1"}}),
                *[Reply.of({"data": {"expires_at": 9}})] * 3,
                Reply.of({"data": {"id": "1", "processing_info": processing}}),
                Reply.of({"data": {"id": "1", "processing_info": processing}}),
                Reply.of({"data": {"id": "1", "processing_info": {"state": "succeeded"}}}),
                Reply.of({"data": {"id": "1"}}),
                Reply.of({"data": {"id": "2"}}),
                Reply.of({"data": {}}),
                Reply.of({"data": {"id": "2"}}),
            ]
        )
        async with self.opened(self.configured(server.base_url)) as channel:
            step = await channel.upload(message)
            waits, count = [], 1
            while isinstance(step, Pending):
                assert not step.irreversible_next
                assert len(server.requests) <= count
                waits.append(step.check_after)
                step = await channel.advance(message, self.job(handle=step.handle))
                count += 1
            assert step == Uploaded({"map.png": "1", "two.webp": "2"})
            await channel.send(message, [self.job()], step)
        asked = [(request.method, request.path) for request in server.requests]
        assert asked == [
            ("POST", "/2/media/upload/initialize"),
            *[("POST", "/2/media/upload/1/append")] * 3,
            ("POST", "/2/media/upload/1/finalize"),
            *[("GET", "/2/media/upload")] * 2,
            ("POST", "/2/media/metadata"),
            ("POST", "/2/media/upload/initialize"),
            ("POST", "/2/media/upload/2/append"),
            ("POST", "/2/media/upload/2/finalize"),
            ("POST", "/2/tweets"),
        ]
        first, *_ = server.requests
        assert first.json == {"media_type": "image/png", "media_category": "tweet_image", "total_bytes": len(content)}
        assert waits.count(3.0) == 2
        assert server.requests[7].json == {"id": "1", "metadata": {"alt_text": {"text": "Peta"}}}
        assert server.requests[-1].json["media"] == {"media_ids": ["1", "2"]}

    async def test_a_step_of_a_picture_that_breaks_may_be_made_again(self, server: ScriptedServer) -> None:
        message = self.message(media=(Media("map.png", "image/png", b"\x89PNG", "Peta"),))
        known = {"name": "map.png", "id": "1", "segment": "0"}
        for fault in (Hang(), Reply(500), Reply(503), Reply(200, b"?")):
            server.usual = fault
            async with self.opened(self.configured(server.base_url, deadline=0.3)) as channel:
                assert isinstance(await channel.upload(message), Retryable)
                for step in ("append", "finalize", "status", "describe"):
                    if step in ("finalize", "status") or not isinstance(fault, Reply) or fault.status != 200:
                        outcome = await channel.advance(message, self.job(handle={**known, "step": step}))
                        assert isinstance(outcome, Retryable), (step, fault, outcome)

    async def test_a_picture_that_x_cannot_use_is_refused(self, server: ScriptedServer) -> None:
        message = self.message(media=(Media("map.png", "image/png", b"x", "Peta"),))
        server.script.append(Reply.of({"data": {"id": "1", "processing_info": {"state": "failed"}}}))
        handle = {"name": "map.png", "id": "1", "segment": "0", "step": "status"}
        async with self.opened(self.configured(server.base_url)) as channel:
            assert isinstance(await channel.advance(message, self.job(handle=handle)), Rejected)

    # --- settings -------------------------------------------------------------------------------------------

    def test_a_post_costs_what_the_settings_say(self) -> None:
        cost = channels.limits(self.configured("https://api.x.com")).cost
        assert cost is not None
        assert (cost.currency, cost.message, cost.with_link) == ("USD", 0.015, 0.20)
        dearer = channels.limits(self.configured("https://api.x.com", price_with_link=0.5)).cost
        assert dearer is not None
        assert dearer.with_link == 0.5

    @pytest.mark.parametrize("field", [{"account": "@bpbd"}, {"audience": "all"}, {"price": -1}])
    def test_settings_that_cannot_be_are_refused(self, field: dict[str, Any]) -> None:
        with pytest.raises(ValidationError, match=next(iter(field))):
            self.configured("https://api.x.com", **field)

    async def test_an_instance_whose_token_passes_is_ready(self, server: ScriptedServer) -> None:
        async with self.opened(self.configured(server.base_url)) as channel:
            server.usual = ME
            assert (await channel.ready()).ready
            server.usual = Reply.of({"errors": [{"title": "Not Found Error"}]})
            assert not (await channel.ready()).ready

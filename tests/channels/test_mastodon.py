from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any, ClassVar

import pytest
from pydantic import ValidationError

from kentongan.seam import (
    Absent,
    Accepted,
    Credential,
    InDoubt,
    Media,
    Mode,
    Pending,
    Posted,
    Rejected,
    Retryable,
    Uploaded,
)
from tests.channels.contract import SINCE, WORDS
from tests.channels.scripted import Hang, Reply, Request, ScriptedServer
from tests.channels.wire_contract import WireContract

ACCOUNT = Reply.of({"id": "11", "acct": "bpbd"})


def post(content: str, minutes: float = 1, identifier: str = "109") -> dict[str, Any]:
    created = (SINCE + timedelta(minutes=minutes)).isoformat().replace("+00:00", "Z")
    return {"id": identifier, "url": f"https://m.example/{identifier}", "created_at": created, "content": content}


class TestMastodon(WireContract):
    kind = "mastodon"
    settings: ClassVar[dict[str, Any]] = {"token": {"env": "KENTONGAN_TEST_SECRET"}}
    good = Reply.of({"id": "109", "url": "https://m.example/@bpbd/109"})
    refused_403 = Credential
    retry_503 = True

    def sent_text(self, request: Request) -> str:
        return str(request.json["status"])

    async def test_a_post_carries_key_token_language_and_visibility(self, server: ScriptedServer) -> None:
        outcome = await self.send_once(server, None)
        (request,) = server.requests
        assert outcome == Accepted("109", "https://m.example/@bpbd/109")
        assert (request.method, request.path) == ("POST", "/api/v1/statuses")
        assert request.headers["idempotency-key"] == "key-1"
        assert request.headers["authorization"] == "Bearer s3cr3t-of-the-agency"
        assert (request.json["language"], request.json["visibility"]) == ("id", "public")

    async def test_another_key_is_another_header(self, server: ScriptedServer) -> None:
        async with self.opened(self.configured(server.base_url)) as channel:
            for key in ("a", "b"):
                await channel.send(self.message(), [self.job(key)], None)
        assert [request.headers["idempotency-key"] for request in server.requests] == ["a", "b"]

    async def test_every_post_has_a_connection_of_its_own(self, server: ScriptedServer) -> None:
        async with self.opened(self.configured(server.base_url)) as channel:
            for _ in range(3):
                await channel.send(self.message(), [self.job()], None)
        assert server.connections == 3

    def test_a_live_instance_cannot_hide_its_posts(self) -> None:
        for visibility in ("unlisted", "private", "direct"):
            with pytest.raises(ValidationError, match="public"):
                self.configured("https://m.example", visibility=visibility)
            assert self.configured("https://m.example", Mode.DRILL, visibility=visibility)

    def test_a_token_does_not_travel_in_the_clear(self) -> None:
        with pytest.raises(ValidationError, match="https://"):
            self.configured("http://m.example")
        assert self.configured("http://m.example", sandbox=True)

    async def test_media_are_uploaded_one_request_a_step_and_waited_for(self, server: ScriptedServer) -> None:
        media = (Media("map.png", "image/png", b"\x89PNG", "Peta"), Media("two.png", "image/png", b"\x89", "Dua"))
        message = self.message(media=media)
        server.script.extend(
            [
                Reply.of({"id": "m1", "url": None}, 202),
                Reply.of({"id": "m1", "url": None}, 206),
                Reply.of({"id": "m1", "url": None}, 206),
                Reply.of({"id": "m1", "url": "https://m.example/m1"}),
                Reply.of({"id": "m2", "url": "https://m.example/m2"}),
            ]
        )
        async with self.opened(self.configured(server.base_url)) as channel:
            step = await channel.upload(message)
            steps = [step]
            while isinstance(step, Pending):
                assert not step.irreversible_next
                assert len(server.requests) == len(steps)
                step = await channel.advance(message, self.job(handle=step.handle))
                steps.append(step)
            assert step == Uploaded({"map.png": "m1", "two.png": "m2"})
            await channel.send(message, [self.job()], step)
        asked = [(request.method, request.path) for request in server.requests]
        assert asked == [
            ("POST", "/api/v2/media"),
            *[("GET", "/api/v1/media/m1")] * 3,
            ("POST", "/api/v2/media"),
            ("POST", "/api/v1/statuses"),
        ]
        assert b"Peta" in server.requests[0].body
        assert b"\x89PNG" in server.requests[0].body
        assert server.requests[-1].json["media_ids"] == ["m1", "m2"]

    async def test_an_upload_that_breaks_may_be_made_again(self, server: ScriptedServer) -> None:
        message = self.message(media=(Media("map.png", "image/png", b"\x89PNG"),))
        waiting = self.job(handle={"medium:map.png": "m1", "waiting": "map.png"})
        for fault in (Hang(), Reply(500), Reply(200, b"?")):
            server.usual = fault
            async with self.opened(self.configured(server.base_url, deadline=0.3)) as channel:
                assert isinstance(await channel.upload(message), Retryable)
                if not isinstance(fault, Reply) or fault.status != 200:
                    assert isinstance(await channel.advance(message, waiting), Retryable)

    async def test_a_bad_file_is_refused(self, server: ScriptedServer) -> None:
        server.usual = Reply.of({"error": "Validation failed"}, 422)
        message = self.message(media=(Media("map.png", "image/png", b"x"),))
        async with self.opened(self.configured(server.base_url)) as channel:
            assert isinstance(await channel.upload(message), Rejected)

    @pytest.mark.parametrize(
        ("posts", "found"),
        [
            ([post("<p>Gempa</p><p>K7Q4-ID</p>")], Accepted("109", "https://m.example/109")),
            ([post("<p>Gempa K7Q4-ID</p><p>Next</p>", -0.5)], Accepted("109", "https://m.example/109")),
            ([], Absent()),
            ([post("<p>Gempa</p>")], Absent()),
            ([post("<p>AK7Q4-ID</p>"), post("<p>K7Q4-IDN</p>"), post("<p>K7Q4-EN</p>")], Absent()),
            ([post("<p>K7Q4-ID</p>", -2)], Absent()),
            ([post(f"<p>{WORDS}</p>")] * 40, InDoubt("more posts since than one page shows")),
            ([*[post("<p>x</p>")] * 39, post("<p>old</p>", -60)], Absent()),
            ([{"id": "1"}], InDoubt("a post of ours cannot be read")),
            ([[]], InDoubt("a post of ours cannot be read")),
            ({"error": "x"}, InDoubt("our posts cannot be read")),
        ],
    )
    async def test_a_look_finds_the_whole_code_since_the_intent(
        self, server: ScriptedServer, posts: Any, found: object
    ) -> None:
        server.script.extend([ACCOUNT, Reply.of(posts)])
        async with self.opened(self.configured(server.base_url)) as channel:
            assert await channel.find(self.message(), self.job()) == found
        assert server.requests[1].path == "/api/v1/accounts/11/statuses"

    @pytest.mark.parametrize("answer", [Reply(500), Reply(404), Reply(200, b"?"), Reply(429), Hang()])
    async def test_a_look_that_fails_proves_nothing(self, server: ScriptedServer, answer: Reply) -> None:
        async with self.opened(self.configured(server.base_url, deadline=0.3)) as channel:
            server.script.append(answer)
            assert isinstance(await channel.find(self.message(), self.job()), InDoubt)
            server.script.extend([ACCOUNT, answer])
            assert isinstance(await channel.find(self.message(), self.job()), InDoubt)

    async def test_an_edit_replaces_the_words_and_takes_the_pictures_away(self, server: ScriptedServer) -> None:
        async with self.opened(self.configured(server.base_url)) as channel:
            outcome = await channel.edit(Posted("109"), self.message(text="DITARIK"), self.job())
        (request,) = server.requests
        assert isinstance(outcome, Accepted)
        assert (request.method, request.path) == ("PUT", "/api/v1/statuses/109")
        assert request.json["status"] == "DITARIK K7Q4-ID"
        assert request.json["media_ids"] == [], "a server that keeps what is not named would keep the map"

    async def test_deleting_what_is_gone_is_done(self, server: ScriptedServer) -> None:
        server.script.extend([Reply.of({"id": "109"}), Reply.of({"error": "Record not found"}, 404), Reply(500)])
        async with self.opened(self.configured(server.base_url)) as channel:
            outcomes = [await channel.delete(Posted("109"), self.job()) for _ in range(3)]
        assert [type(outcome) for outcome in outcomes] == [Accepted, Accepted, InDoubt]
        assert server.requests[0].method == "DELETE"

    async def test_an_instance_whose_token_passes_is_ready(self, server: ScriptedServer) -> None:
        server.usual = ACCOUNT
        async with self.opened(self.configured(server.base_url)) as channel:
            assert (await channel.ready()).ready

    async def test_a_text_that_cannot_be_encoded_never_left(self, server: ScriptedServer) -> None:
        message = self.message(text="\ud800")
        async with self.opened(self.configured(server.base_url)) as channel:
            (outcome,) = await channel.send(message, [self.job()], None)
        assert isinstance(outcome, Rejected)
        assert server.requests == []

    async def test_a_drill_account_posts_as_the_drill_needs(self, server: ScriptedServer) -> None:
        settings = self.configured(server.base_url, Mode.DRILL, visibility="unlisted")
        async with self.opened(settings) as channel:
            await channel.send(replace(self.message(Mode.DRILL)), [self.job()], None)
        assert server.requests[0].json["visibility"] == "unlisted"

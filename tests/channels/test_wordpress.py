from __future__ import annotations

import base64
import html
import re
from datetime import timedelta
from typing import Any, ClassVar

import pytest
from pydantic import ValidationError

from channels._visible import visible_text
from kentongan.seam import (
    Absent,
    Accepted,
    Credential,
    InDoubt,
    Media,
    Mode,
    Outcome,
    Pending,
    Posted,
    Rejected,
    Retryable,
    Uploaded,
)
from tests.channels.contract import MARK, SECRET, SINCE, WORDS
from tests.channels.scripted import Hang, Reply, Request, ScriptedServer
from tests.channels.wire_contract import WireContract

LINK = "https://siaga.example/k7q4-id/"


def error(status: int, code: str) -> Reply:
    return Reply.of({"code": code, "message": "Sorry.", "data": {"status": status}}, status)


def post(content: str = "<p>Gempa K7Q4-ID</p>", minutes: float = 1, **changes: Any) -> dict[str, Any]:
    created = (SINCE + timedelta(minutes=minutes)).strftime("%Y-%m-%dT%H:%M:%S")
    fields = {"id": 7, "link": LINK, "slug": "k7q4-id", "status": "publish", "date_gmt": created}
    return {**fields, "modified_gmt": created, "content": {"raw": content, "rendered": content}, **changes}


class TestWordPress(WireContract):
    kind = "wordpress"
    settings: ClassVar[dict[str, Any]] = {
        "username": "kentongan",
        "password": {"env": "KENTONGAN_TEST_SECRET"},
        "categories": [3],
    }
    good = Reply.of({"id": 7, "link": LINK, "slug": "k7q4-id"}, 201)
    refused_403 = Credential
    retry_503 = False

    def sent_text(self, request: Request) -> str:
        return visible_text(request.json["content"])

    async def test_a_post_has_a_slug_of_its_own_and_stands_in_its_category(self, server: ScriptedServer) -> None:
        outcome = await self.send_once(server, None)
        (request,) = server.requests
        assert outcome == Accepted("7", LINK)
        assert (request.method, request.path) == ("POST", "/wp-json/wp/v2/posts")
        assert request.headers["authorization"] == f"Basic {base64.b64encode(f'kentongan:{SECRET}'.encode()).decode()}"
        assert (request.json["slug"], request.json["status"]) == ("k7q4-id", "publish")
        assert request.json["categories"] == [3]
        assert "featured_media" not in request.json

    async def test_words_are_never_markup(self, server: ScriptedServer) -> None:
        message = self.message(text="<script>x</script>\n\n& <b>", title="<i>Gempa & Tsunami</i>")
        async with self.opened(self.configured(server.base_url)) as channel:
            await channel.send(message, [self.job()], None)
        (request,) = server.requests
        assert set(re.findall(r"<[^>]*>", request.json["content"])) == {"<p>", "</p>"}
        assert "<" not in request.json["title"]
        assert html.unescape(request.json["title"]) == message.title

    async def test_a_post_that_the_blog_keeps_back_is_not_taken_for_published(self, server: ScriptedServer) -> None:
        kept = Reply.of({"id": 7, "link": LINK, "status": "pending"}, 201)
        assert isinstance(await self.send_once(server, None, kept), InDoubt)
        out = Reply.of({"id": 7, "link": LINK, "status": "publish"}, 201)
        assert await self.send_once(server, None, out) == Accepted("7", LINK)

    @pytest.mark.parametrize(
        "answer",
        [error(404, "rest_no_route"), error(401, "rest_cannot_create"), error(400, "rest_cannot_publish")],
    )
    async def test_a_blog_that_does_not_let_us_is_ours_to_mend(self, server: ScriptedServer, answer: Reply) -> None:
        assert isinstance(await self.send_once(server, None, answer), Credential)

    @pytest.mark.parametrize("code", ["rest_not_logged_in", "rest_cannot_create", "incorrect_password"])
    async def test_an_unknown_user_or_password_is_named_as_that(self, server: ScriptedServer, code: str) -> None:
        outcome = await self.send_once(server, None, error(401, code))
        assert isinstance(outcome, Credential)
        assert "user or its application password" in outcome.reason

    # --- looking up ---------------------------------------------------------------------------------------

    @pytest.mark.parametrize(
        ("posts", "found"),
        [
            ([post()], Accepted("7", LINK)),
            ([post(minutes=-0.5)], Accepted("7", LINK)),
            ([], Absent()),
            ([post(slug="k7q4-id-2")], Absent()),
            ([post(minutes=-2)], InDoubt("another post has our place on the blog already")),
            ([post("<p>K7Q4-EN</p>")], InDoubt("another post has our place on the blog already")),
            ([post(status="pending")], InDoubt("our post is on the blog and not as it should be; look there")),
            ([{"id": 7}], InDoubt("a post of the blog cannot be read")),
            ([post(id=True)], InDoubt("a post of the blog cannot be read")),
            ([7], InDoubt("a post of the blog cannot be read")),
            ({"code": "x"}, InDoubt("the blog's posts cannot be read")),
        ],
    )
    async def test_a_look_goes_by_the_slug(self, server: ScriptedServer, posts: Any, found: Outcome | Absent) -> None:
        server.script.append(Reply.of(posts))
        async with self.opened(self.configured(server.base_url)) as channel:
            assert await channel.find(self.message(), self.job()) == found
        (request,) = server.requests
        assert (request.method, request.path) == ("GET", "/wp-json/wp/v2/posts")
        assert (request.query["slug"], request.query["status"]) == ("k7q4-id", "any")

    async def test_a_draft_without_a_date_is_found(self, server: ScriptedServer) -> None:
        server.script.append(Reply.of([post(status="draft", date_gmt=None)]))
        async with self.opened(self.configured(server.base_url, Mode.DRILL, status="draft")) as channel:
            assert await channel.find(self.message(Mode.DRILL), self.job()) == Accepted("7", LINK)

    @pytest.mark.parametrize("answer", [Reply(500), Reply(404), Reply(200, b"?"), Reply(429), Hang()])
    async def test_a_look_that_fails_proves_nothing(self, server: ScriptedServer, answer: Reply) -> None:
        server.script.append(answer)
        async with self.opened(self.configured(server.base_url, deadline=0.3)) as channel:
            assert isinstance(await channel.find(self.message(), self.job()), InDoubt)

    # --- editing and taking away ----------------------------------------------------------------------------

    async def test_an_edit_replaces_the_words_and_takes_the_picture_away(self, server: ScriptedServer) -> None:
        server.usual = Reply.of({"id": 7, "link": LINK})
        async with self.opened(self.configured(server.base_url)) as channel:
            outcome = await channel.edit(Posted("7"), self.message(text="DITARIK"), self.job())
            assert isinstance(await channel.edit(Posted("7/x"), self.message(), self.job()), Rejected)
        (request,) = server.requests
        assert outcome == Accepted("7", LINK)
        assert (request.method, request.path) == ("POST", "/wp-json/wp/v2/posts/7")
        assert visible_text(request.json["content"]) == "DITARIK K7Q4-ID"
        assert request.json["featured_media"] == 0
        assert "slug" not in request.json, "the address that people have been given must hold"

    async def test_a_post_goes_into_the_trash_and_what_is_gone_is_done(self, server: ScriptedServer) -> None:
        gone = [error(410, "rest_already_trashed"), error(404, "rest_post_invalid_id")]
        server.script.extend([Reply.of({"id": 7, "status": "trash"}), *gone, Reply(404, b"<html>"), Reply(500)])
        async with self.opened(self.configured(server.base_url)) as channel:
            outcomes = [await channel.delete(Posted("7"), self.job()) for _ in range(5)]
        assert [type(outcome) for outcome in outcomes] == [Accepted, Accepted, Accepted, Rejected, InDoubt]
        assert (server.requests[0].method, server.requests[0].target) == ("DELETE", "/wp-json/wp/v2/posts/7")

    async def test_a_post_in_the_trash_is_not_edited_again_and_again(self, server: ScriptedServer) -> None:
        server.script.extend([Reply.of({"id": 7, "link": LINK, "status": status}) for status in ("trash", "private")])
        async with self.opened(self.configured(server.base_url)) as channel:
            trashed = await channel.edit(Posted("7"), self.message(), self.job())
            hidden = await channel.edit(Posted("7"), self.message(), self.job())
        assert isinstance(trashed, Rejected)
        assert "trash" in trashed.reason
        assert hidden == Accepted("7", LINK), "whoever sees it sees the new words"

    async def test_a_blog_without_a_trash_is_left_to_its_owner(self, server: ScriptedServer) -> None:
        server.script.append(error(501, "rest_trash_not_supported"))
        async with self.opened(self.configured(server.base_url)) as channel:
            outcome = await channel.delete(Posted("7"), self.job())
        assert isinstance(outcome, Rejected)
        assert "no trash" in outcome.reason
        assert "force" not in server.requests[0].target

    # --- pictures -------------------------------------------------------------------------------------------

    async def test_a_picture_that_the_blog_refuses_keeps_no_words_waiting(self, server: ScriptedServer) -> None:
        message = self.message(media=(Media("map.webp", "image/webp", b"RIFF", "Peta"),))
        server.script.append(error(500, "rest_upload_sideload_error"))
        async with self.opened(self.configured(server.base_url)) as channel:
            assert isinstance(await channel.upload(message), Rejected)

    async def test_the_first_picture_heads_the_post_and_each_has_its_text(self, server: ScriptedServer) -> None:
        media = (
            Media("peta gempa.png", "image/png", b"\x89PNG", 'Peta "guncangan"'),
            Media("two.jpg", "image/jpeg", b"\xff\xd8", "Foto <retak>"),
        )
        message = self.message(media=media)
        server.script.extend(
            [
                Reply.of({"id": 11, "source_url": "https://siaga.example/1.png"}, 201),
                Reply.of({"id": 11}),
                Reply.of({"id": 12, "source_url": "https://siaga.example/2.jpg"}, 201),
                Reply.of({"id": 12}),
            ]
        )
        async with self.opened(self.configured(server.base_url)) as channel:
            step = await channel.upload(message)
            while isinstance(step, Pending):
                assert not step.irreversible_next
                step = await channel.advance(message, self.job(handle=step.handle))
            assert isinstance(step, Uploaded)
            await channel.send(message, [self.job()], step)
        raw, described, _, _, sent = server.requests
        assert [request.path for request in server.requests[:2]] == ["/wp-json/wp/v2/media", "/wp-json/wp/v2/media/11"]
        assert (raw.body, raw.headers["content-type"]) == (b"\x89PNG", "image/png")
        assert raw.headers["content-disposition"] == 'attachment; filename="k7q4-id-peta-gempa.png"'
        assert described.json == {"alt_text": 'Peta "guncangan"'}
        assert sent.json["featured_media"] == 11
        assert '<img src="https://siaga.example/2.jpg" alt="Foto &lt;retak&gt;">' in sent.json["content"]
        assert visible_text(sent.json["content"]) == message.text, "a picture is no words"

    async def test_a_drill_with_pictures_keeps_its_mark_last(self, server: ScriptedServer) -> None:
        media = (Media("a.png", "image/png", b"\x89PNG", "Peta"), Media("b.png", "image/png", b"\x89PNG", "Dua"))
        uploaded = Uploaded({"a.png": "1 https://siaga.example/a.png", "b.png": "2 https://siaga.example/b.png"})
        async with self.opened(self.configured(server.base_url, Mode.DRILL)) as channel:
            await channel.send(self.message(Mode.DRILL, media=media), [self.job()], uploaded)
        seen = visible_text(server.requests[0].json["content"])
        assert seen.startswith(MARK)
        assert seen.endswith(MARK)
        assert WORDS in seen

    async def test_an_upload_that_breaks_may_be_made_again(self, server: ScriptedServer) -> None:
        message = self.message(media=(Media("map.png", "image/png", b"\x89PNG", "Peta"),))
        describing = self.job(handle={"medium:map.png": "11 https://siaga.example/1.png", "describing": "map.png"})
        for fault in (Hang(), Reply(500), Reply(503)):
            server.usual = fault
            async with self.opened(self.configured(server.base_url, deadline=0.3)) as channel:
                assert isinstance(await channel.upload(message), Retryable)
                assert isinstance(await channel.advance(message, describing), Retryable)
        server.usual = Reply(201, b"?")
        async with self.opened(self.configured(server.base_url)) as channel:
            assert isinstance(await channel.upload(message), Retryable)

    # --- settings and readiness -----------------------------------------------------------------------------

    @pytest.mark.parametrize(
        "field", [{"username": "a:b"}, {"audience": "all"}, {"status": "draft"}, {"status": "future"}]
    )
    def test_settings_that_cannot_be_are_refused(self, field: dict[str, Any]) -> None:
        with pytest.raises(ValidationError, match=next(iter(field))):
            self.configured("https://siaga.example", **field)

    def test_a_password_does_not_travel_in_the_clear(self) -> None:
        with pytest.raises(ValidationError, match="https://"):
            self.configured("http://siaga.example")

    async def test_only_a_user_who_may_publish_is_ready(self, server: ScriptedServer) -> None:
        able = {"publish_posts": True, "upload_files": True}
        for capabilities, ready in ((able, True), ({"upload_files": True}, False), ([], False)):
            server.usual = Reply.of({"id": 1, "capabilities": capabilities})
            async with self.opened(self.configured(server.base_url)) as channel:
                assert (await channel.ready()).ready is ready
        assert server.requests[0].query == {"context": "edit"}

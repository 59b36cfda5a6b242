from __future__ import annotations

import email.parser
import email.policy
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

import pytest
from pydantic import ValidationError

from channels._graph import VERSION
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
    Rendered,
    Retryable,
    Uploaded,
)
from tests.channels.contract import MARK, SECRET, SINCE
from tests.channels.scripted import Hang, Reply, Request, Reset, ScriptedServer
from tests.channels.wire_contract import WireContract

PAGE = "123456"
MAP = Media("map.png", "image/png", b"\x89PNG\r\n\x1a\n one", "Map of the coast")
CHART = Media("chart.jpg", "image/jpeg", b"\xff\xd8\xff two", "")
LINK = "https://siaga.example/K7Q4"


def failed(code: int, status: int = 400, subcode: int = 0) -> Reply:
    return Reply.of({"error": {"message": "no", "code": code, "error_subcode": subcode}}, status)


def parts(request: Request) -> dict[str, bytes]:
    head = f"Content-Type: {request.headers['content-type']}\r\n\r\n".encode()
    message = email.parser.BytesParser(policy=email.policy.HTTP).parsebytes(head + request.body)
    found = {}
    for part in message.iter_parts():
        payload = part.get_payload(decode=True)
        assert isinstance(payload, bytes)
        found[str(part.get_param("name", header="content-disposition"))] = payload
    return found


def post(text: str, created: datetime, id: str = "123456_1") -> dict[str, Any]:
    when = created.strftime("%Y-%m-%dT%H:%M:%S+0000")
    return {"id": id, "message": text, "created_time": when, "permalink_url": f"https://facebook.example/{id}"}


class TestFacebook(WireContract):
    kind = "facebook"
    settings: ClassVar[dict[str, Any]] = {"token": {"env": "KENTONGAN_TEST_SECRET"}, "page": PAGE}
    good = Reply.of({"id": "123456_789"})
    refused_403 = Credential
    retry_503 = False

    def sent_text(self, request: Request) -> str:
        return str(request.json["message"])

    async def test_words_are_posted_with_their_link_under_the_token(self, server: ScriptedServer) -> None:
        async with self.opened(self.configured(server.base_url)) as channel:
            (outcome,) = await channel.send(self.message(link=LINK), [self.job()], None)
        (request,) = server.requests
        assert outcome == Accepted("123456_789", "https://www.facebook.com/123456_789")
        assert (request.method, request.target) == ("POST", f"/{VERSION}/{PAGE}/feed")
        assert request.headers["authorization"] == f"Bearer {SECRET}"
        assert request.json == {"message": self.message().text, "link": LINK}

    async def test_one_picture_is_posted_with_its_words_in_one_request(self, server: ScriptedServer) -> None:
        server.usual = Reply.of({"id": "55", "post_id": "123456_9"})
        message = self.message(media=(MAP,), link=LINK)
        async with self.opened(self.configured(server.base_url)) as channel:
            uploaded = await channel.upload(message)
            assert server.requests == []
            (outcome,) = await channel.send(message, [self.job()], uploaded)
        (request,) = server.requests
        assert outcome == Accepted("123456_9", "https://www.facebook.com/123456_9")
        assert request.path == f"/{VERSION}/{PAGE}/photos"
        sent = parts(request)
        assert sent["caption"].decode() == message.text
        assert sent["alt_text_custom"] == b"Map of the coast"
        assert sent["source"] == MAP.content
        assert "published" not in sent

    async def test_several_pictures_are_uploaded_unpublished_and_posted_together(self, server: ScriptedServer) -> None:
        message = self.message(media=(MAP, CHART), link=LINK)
        server.script.extend([Reply.of({"id": "55"}), Reply.of({"id": "56"}), self.good])
        async with self.opened(self.configured(server.base_url)) as channel:
            first = await channel.upload(message)
            assert isinstance(first, Pending)
            assert not first.irreversible_next
            uploaded = await channel.advance(message, self.job(handle=first.handle))
            assert uploaded == Uploaded({"map.png": "55", "chart.jpg": "56"})
            (outcome,) = await channel.send(message, [self.job()], uploaded)
        assert isinstance(outcome, Accepted)
        assert [parts(request)["published"] for request in server.requests[:2]] == [b"false", b"false"]
        assert "alt_text_custom" not in parts(server.requests[1])
        assert server.requests[2].json == {
            "message": message.text,
            "attached_media": [{"media_fbid": "55"}, {"media_fbid": "56"}],
        }

    @pytest.mark.parametrize("refusal", [failed(100, subcode=1366046), failed(324), failed(100), Reply(413)])
    async def test_a_refused_picture_among_several_is_left_out_and_the_words_still_go(
        self, server: ScriptedServer, refusal: Reply
    ) -> None:
        message = self.message(media=(MAP, CHART))
        server.script.extend([refusal, Reply.of({"id": "56"})])
        async with self.opened(self.configured(server.base_url)) as channel:
            first = await channel.upload(message)
            assert await channel.advance(message, self.job(handle=first.handle)) == Uploaded({"chart.jpg": "56"})

    @pytest.mark.parametrize("fault", [Reset(), Hang(), Reply(500), Reply.of({}), failed(80001)])
    async def test_an_upload_without_an_answer_is_simply_repeated(self, server: ScriptedServer, fault: Any) -> None:
        server.script.append(fault)
        async with self.opened(self.configured(server.base_url, deadline=0.3)) as channel:
            assert isinstance(await channel.upload(self.message(media=(MAP, CHART))), Retryable)

    @pytest.mark.parametrize("refusal", [failed(100, subcode=1366046), failed(324)])
    async def test_words_are_posted_alone_where_their_picture_is_refused(
        self, server: ScriptedServer, refusal: Reply
    ) -> None:
        message = self.message(media=(MAP,), link=LINK)
        server.script.extend([refusal, failed(1609005), self.good])
        async with self.opened(self.configured(server.base_url)) as channel:
            (step,) = await channel.send(message, [self.job()], None)
            assert isinstance(step, Pending)
            assert step.irreversible_next
            again = await channel.advance(message, self.job(handle=step.handle))
            assert isinstance(again, Pending)
            outcome = await channel.advance(message, self.job(handle=again.handle))
        assert isinstance(outcome, Accepted)
        assert server.requests[1].json == {"message": message.text, "link": LINK}
        assert server.requests[2].json == {"message": message.text}

    async def test_words_are_posted_alone_where_the_page_behind_the_link_is_down(self, server: ScriptedServer) -> None:
        server.script.extend([failed(1609005), self.good])
        message = self.message(link=LINK)
        async with self.opened(self.configured(server.base_url)) as channel:
            (step,) = await channel.send(message, [self.job()], None)
            assert isinstance(step, Pending)
            assert step.irreversible_next
            assert isinstance(await channel.advance(message, self.job(handle=step.handle)), Accepted)
        assert server.requests[1].json == {"message": message.text}

    async def test_the_step_without_its_link_refuses_what_the_first_would_refuse(self, server: ScriptedServer) -> None:
        handle = {"without": "link"}
        async with self.opened(self.configured(server.base_url, Mode.DRILL)) as channel:
            live = await channel.advance(self.message(), self.job(handle=handle))
            unmarked = replace(self.message(Mode.DRILL), text=f"Ini {MARK}")
            bare = await channel.advance(unmarked, self.job(handle=handle))
        assert isinstance(live, Rejected)
        assert isinstance(bare, Rejected)
        assert server.requests == []

    async def test_the_same_text_standing_there_already_is_a_reason_to_look(self, server: ScriptedServer) -> None:
        assert isinstance(await self.send_once(server, None, failed(506)), InDoubt)

    @pytest.mark.parametrize(("code", "kind"), [(190, Credential), (200, Credential), (80001, Retryable)])
    async def test_a_code_beats_the_status(self, server: ScriptedServer, code: int, kind: type[Any]) -> None:
        assert isinstance(await self.send_once(server, None, failed(code, 400)), kind)

    def look(self, *posts: Any, more: bool = False, rest: Any = ()) -> list[Reply]:
        cursors = {"paging": {"cursors": {"after": "place"}, "next": "https://graph.facebook.com/next"}}
        return [
            Reply.of({"data": list(posts), **(cursors if more else {})}),
            *([Reply.of({"data": list(rest)})] if more else []),
        ]

    async def found(self, server: ScriptedServer, message: Rendered | None = None) -> Any:
        async with self.opened(self.configured(server.base_url)) as channel:
            return await channel.find(message or self.message(), self.job())

    async def test_our_post_is_found_by_the_whole_code(self, server: ScriptedServer) -> None:
        theirs = post("XK7Q4-ID and K7Q4-IDX", SINCE, "1")
        server.script.extend(self.look(theirs, post("Gempa. Kode: K7Q4-ID", SINCE, "2"), more=False))
        assert await self.found(server) == Accepted("2", "https://facebook.example/2")
        (request,) = server.requests
        assert request.path == f"/{VERSION}/{PAGE}/published_posts"
        assert request.query["since"] == str(int((SINCE - timedelta(seconds=60)).timestamp()))

    async def test_an_older_post_of_the_same_code_is_not_ours(self, server: ScriptedServer) -> None:
        server.script.extend(self.look(post("K7Q4-ID", SINCE - timedelta(seconds=61))))
        assert isinstance(await self.found(server), Absent)

    async def test_a_post_without_words_is_passed_over(self, server: ScriptedServer) -> None:
        wordless = {"id": "1", "created_time": "2026-03-01T12:00:00+0000"}
        server.script.extend(self.look(wordless))
        assert isinstance(await self.found(server), Absent)

    async def test_a_next_page_that_is_empty_proves_absence(self, server: ScriptedServer) -> None:
        server.script.extend(self.look(post("Other", SINCE), more=True))
        assert isinstance(await self.found(server), Absent)
        assert server.requests[1].query["after"] == "place"

    @pytest.mark.parametrize(
        "answers",
        [
            [Reply(500)],
            [Reply.of({})],
            [Reply.of({"data": {}})],
            [Reply.of({"data": [{"id": "1"}]})],
            [Reply.of({"data": [1]})],
            [Reply.of({"data": [{"id": "1", "created_time": "soon"}]})],
            [failed(190)],
        ],
    )
    async def test_posts_that_cannot_be_read_prove_nothing(self, server: ScriptedServer, answers: list[Reply]) -> None:
        server.script.extend(answers)
        assert isinstance(await self.found(server), InDoubt)

    async def test_more_posts_than_two_answers_show_prove_nothing(self, server: ScriptedServer) -> None:
        server.script.extend(self.look(post("Other", SINCE), more=True, rest=[post("Another", SINCE)]))
        assert isinstance(await self.found(server), InDoubt)

    async def test_an_edit_changes_the_words_and_a_lost_post_holds_nothing_up(self, server: ScriptedServer) -> None:
        server.script.extend([Reply.of({"success": True}), Reply.of({"success": False}), failed(100, subcode=33)])
        async with self.opened(self.configured(server.base_url)) as channel:
            outcomes = [await channel.edit(Posted("123456_7"), self.message(), self.job()) for _ in range(3)]
        assert [type(outcome) for outcome in outcomes] == [Accepted, InDoubt, Rejected]
        assert server.requests[0].path == f"/{VERSION}/123456_7"
        assert server.requests[0].json == {"message": self.message().text}

    async def test_an_id_from_outside_cannot_leave_its_place_in_the_path(self, server: ScriptedServer) -> None:
        server.usual = Reply.of({"success": True})
        async with self.opened(self.configured(server.base_url)) as channel:
            await channel.delete(Posted("../me/accounts?x=1"), self.job())
        assert server.requests[0].target == f"/{VERSION}/..%2Fme%2Faccounts%3Fx%3D1"

    async def test_a_post_is_deleted(self, server: ScriptedServer) -> None:
        server.script.extend([Reply.of({"success": True}), Reply.of({}), Reply(502)])
        async with self.opened(self.configured(server.base_url)) as channel:
            outcomes = [await channel.delete(Posted("123456_7"), self.job()) for _ in range(3)]
        assert [type(outcome) for outcome in outcomes] == [Accepted, InDoubt, InDoubt]
        assert server.requests[0].method == "DELETE"

    async def ready(self, server: ScriptedServer, *answers: Reply) -> Any:
        server.script.extend(answers)
        async with self.opened(self.configured(server.base_url)) as channel:
            return await channel.ready()

    async def test_a_token_of_our_page_is_ready_and_says_when_it_ends(self, server: ScriptedServer) -> None:
        data = {"is_valid": True, "expires_at": 1_800_000_000, "scopes": ["pages_manage_posts"]}
        mine = Reply.of({"id": PAGE}, X_App_Usage='{"call_count": 91}')
        seen = await self.ready(server, mine, Reply.of({"data": data}))
        assert seen.ready
        assert seen.expires_at == datetime.fromtimestamp(1_800_000_000, UTC)
        assert "2027-01-15" in seen.detail
        assert "91 %" in seen.detail

    @pytest.mark.parametrize("second", [failed(100), Reply.of({}), Reply.of({"data": {"expires_at": 0}}), Reply(500)])
    async def test_a_token_that_meta_does_not_describe_is_ready_all_the_same(
        self, server: ScriptedServer, second: Reply
    ) -> None:
        seen = await self.ready(server, Reply.of({"id": PAGE}), second)
        assert seen.ready
        assert seen.expires_at is None

    @pytest.mark.parametrize(
        "answers",
        [
            (Reply.of({"id": "999"}),),
            (Reply.of({}),),
            (failed(190),),
            (Reply.of({"id": PAGE}), Reply.of({"data": {"is_valid": False}})),
            (Reply.of({"id": PAGE}), Reply.of({"data": {"is_valid": True, "scopes": ["pages_show_list"]}})),
        ],
        ids=["another page", "nobody", "expired", "invalid", "no right"],
    )
    async def test_a_token_that_could_not_post_is_not_ready(
        self, server: ScriptedServer, answers: tuple[Reply, ...]
    ) -> None:
        assert not (await self.ready(server, *answers)).ready

    @pytest.mark.parametrize("changes", [{"audience": "all"}, {"page": "me"}, {"page": "1/2"}])
    def test_a_page_is_public_and_named_by_its_number(self, changes: dict[str, Any]) -> None:
        with pytest.raises(ValidationError):
            self.configured("https://graph.facebook.com", **changes)

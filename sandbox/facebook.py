"""A Facebook page: posts with a link or pictures, edits, deletions, the list of its posts, and its token.

Rules from developers.facebook.com, Pages API "Posts", Graph API "Page photos" and "Debug token". The same text twice in
a row is refused with code 506, whether we know of the first or not; otherwise a repeat is a second post.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, ClassVar

from sandbox import forms
from sandbox.graph import INVALID, Failure, GraphStandIn, guarded
from sandbox.stand_in import BadSetting, Call, Clock, Message
from sandbox.wire import Request

PAGE = "100000000000001"
"""Id of the page, whatever the instance."""
MAX_TEXT = 63_206
MAX_PHOTO = 4 * 1024 * 1024
_PICTURES = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff")
_LASTS = 60 * 86_400
_PICTURE_REFUSED = 1366046


def token(instance: str) -> str:
    """The page's access token."""
    return "sandbox-facebook-token" + ("" if instance == "default" else f"-{instance}")


class Facebook(GraphStandIn):
    """One page and its readers."""

    kind: ClassVar[str] = "facebook"
    title: ClassVar[str] = "Facebook"
    throttle_code = 80001

    def __init__(self, instance: str, *, now: Clock = time.time) -> None:
        super().__init__(instance, now=now)
        self.token = token(instance)
        self._photos: dict[str, tuple[str, bool]] = {}
        self._unreadable_links = False

    def configure(self, settings: Mapping[str, Any]) -> None:
        """Takes `unreadable_links`: whether Meta cannot read the pages that links name. Raises BadSetting."""
        for name, value in settings.items():
            if name != "unreadable_links":
                raise BadSetting(f"{name!r} is no setting of facebook; known is unreadable_links")
            if not isinstance(value, bool):
                raise BadSetting("unreadable_links is true or false")
            self._unreadable_links = value

    def forget(self) -> None:
        """Forgets posts and pictures."""
        super().forget()
        self._photos.clear()

    def read(self, request: Request, path: str) -> Call:
        """Understands a request to `/v<version>/…`."""
        called = self.called(request, path)
        if isinstance(called, Call):
            return called
        place, form = called
        match request.method, place:
            case "GET", "me":
                return Call(guarded(lambda: {"id": PAGE, "name": "Sandbox"}))
            case "GET", "debug_token":
                return Call(guarded(lambda: {"data": self._described(form)}))
            case "GET", edge if edge == f"{PAGE}/published_posts":
                return Call(guarded(lambda: self._list(form)))
            case "POST", edge if edge == f"{PAGE}/feed":
                return Call(guarded(lambda: self._post(form)), "public", form.text("message"), sends=True)
            case "POST", edge if edge == f"{PAGE}/photos":
                shown = form.text("published", "true") != "false"
                words = form.text("caption") or form.text("message")
                act = guarded(lambda: self._photo(form, words, shown))
                return Call(act, "public", words, sends=True) if shown else Call(act)
            case "POST", id:
                return Call(guarded(lambda: self._edit(id, form)))
            case "DELETE", id:
                return Call(guarded(lambda: self._delete(id)))
        return Call(guarded(lambda: self._post_of(place)))

    def _described(self, form: forms.Form) -> dict[str, Any]:
        known = form.text("input_token") == self.token
        rights = ["pages_manage_posts", "pages_read_engagement", "pages_show_list"]
        expires = int(self.now()) + _LASTS
        return {"is_valid": known, "type": "PAGE", "profile_id": PAGE, "expires_at": expires, "scopes": rights}

    def _post(self, form: forms.Form) -> dict[str, str]:
        text, link, attached = form.text("message"), form.text("link"), _attached(form)
        if not (text or link or attached):
            raise Failure(INVALID, "The post is empty")
        self._check(text)
        for photo in attached:
            if photo not in self._photos or self._photos[photo][1]:
                raise Failure(INVALID, "attached_media names no unpublished photo")
        if link and (self._unreadable_links or not link.startswith(("http://", "https://"))):
            raise Failure(1609005, "The link cannot be scraped")
        message = self._taken(text)
        for photo in attached:
            description, _ = self._photos[photo]
            self._photos[photo] = description, True
            message.notes.append(f"picture: {description or 'without a description'}")
        if link:
            message.notes.append(f"link: {link}")
        return {"id": message.id}

    def _photo(self, form: forms.Form, words: str, shown: bool) -> dict[str, str]:
        file = form.files.get("source")
        if file is None and not form.text("url"):
            raise Failure(324, "Missing or invalid image file")
        if file is not None and (len(file.content) > MAX_PHOTO or not file.content.startswith(_PICTURES)):
            raise Failure(INVALID, "Photos should be under 4 MB and saved as JPG or PNG", subcode=_PICTURE_REFUSED)
        description = form.text("alt_text_custom")
        id = str(700_000_000_000_000 + len(self._photos) + 1)
        if not shown:
            self._photos[id] = description, False
            return {"id": id}
        self._check(words)
        self._photos[id] = description, True
        message = self._taken(words)
        message.notes.append(f"picture: {description or 'without a description'}")
        return {"id": id, "post_id": message.id}

    def _check(self, text: str) -> None:
        if len(text) > MAX_TEXT:
            raise Failure(INVALID, "The message is too long")
        standing = [message for message in self.messages if not message.deleted]
        if text and standing and standing[-1].text == text:
            self.repeats += 1
            raise Failure(506, "Duplicate status message")

    def _taken(self, text: str) -> Message:
        return self.take(id=f"{PAGE}_{800_000_000_000_000 + len(self.messages) + 1}", recipient="public", text=text)

    def _list(self, form: forms.Form) -> dict[str, Any]:
        since, limit = _number(form, "since", 0), min(_number(form, "limit", 25), 100)
        behind = _number(form, "after", 0)
        found = [m for m in reversed(self.messages) if not m.deleted and m.taken_at >= since][behind:]
        shown = found[:limit]
        fields = form.text("fields", "id,message,created_time").split(",")
        # A page that holds anything names a next one, whether there is more behind it or not.
        paging: dict[str, Any] = {"cursors": {"before": str(behind), "after": str(behind + len(shown))}}
        if shown:
            paging["next"] = f"https://graph.facebook.com/{PAGE}/published_posts?after={behind + len(shown)}"
        return {"data": [_view(message, fields) for message in shown], **({"paging": paging} if shown else {})}

    def _edit(self, id: str, form: forms.Form) -> dict[str, bool]:
        message, text = self._message(id), form.text("message")
        if not text or len(text) > MAX_TEXT:
            raise Failure(INVALID, "The message is empty or too long")
        message.earlier.append(message.text)
        message.text = text
        return {"success": True}

    def _delete(self, id: str) -> dict[str, bool]:
        self._message(id).deleted = True
        return {"success": True}

    def _post_of(self, id: str) -> dict[str, Any]:
        return _view(self._message(id), ["id", "message", "created_time", "permalink_url"])

    def _message(self, id: str) -> Message:
        found = next((message for message in self.messages if message.id == id and not message.deleted), None)
        if found is None:
            raise Failure(INVALID, "Object does not exist, or cannot be loaded due to missing permissions", subcode=33)
        return found


def _attached(form: forms.Form) -> list[str]:
    """Ids of photos given as attached_media, a list of objects in JSON or `attached_media[0]` in a form."""
    given: list[Any] = list(form.values.get("attached_media") or [])
    given += [value for name, value in form.values.items() if name.startswith("attached_media[")]
    found = []
    for each in given:
        try:
            found.append(str((json.loads(each) if isinstance(each, str) else each)["media_fbid"]))
        except (ValueError, KeyError, TypeError):
            raise Failure(INVALID, "attached_media is a list of {media_fbid}") from None
    return found


def _number(form: forms.Form, name: str, default: int) -> int:
    value = form.text(name)
    return int(value) if value.isdecimal() else default


def _view(message: Message, fields: list[str]) -> dict[str, Any]:
    created = datetime.fromtimestamp(message.taken_at, UTC).strftime("%Y-%m-%dT%H:%M:%S+0000")
    everything = {
        "id": message.id,
        "message": message.text,
        "created_time": created,
        "permalink_url": f"https://www.facebook.com/{message.id.replace('_', '/posts/')}",
    }
    # A post without words has no `message`.
    return {name: value for name, value in everything.items() if name in (*fields, "id") and value}

"""A WordPress site: wp/v2 as far as posts, their pictures and their trash go, for one user who is an author.

Rules from developer.wordpress.org/rest-api: reference/posts, reference/media, reference/users,
using-the-rest-api/authentication, using-the-rest-api/global-parameters.
"""

from __future__ import annotations

import base64
import html
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, ClassVar
from urllib.parse import parse_qsl

from sandbox.stand_in import BadSetting, Call, Clock, Message, StandIn
from sandbox.wire import Answer, Request
from sandbox.wordpress_text import body, filtered, raw, sanitized, seen

USERNAME = "sandbox"
STATUSES = ("publish", "future", "draft", "pending", "private")
_IMAGES = {
    "image/png": b"\x89PNG\r\n\x1a\n",
    "image/jpeg": b"\xff\xd8\xff",
    "image/webp": b"RIFF",
    "image/gif": b"GIF8",
}
_DISPOSITION = re.compile(r'attachment;\s*filename="([^"/\\]+)"')


def password(instance: str) -> str:
    """The application password of a stand-in's user, in groups as WordPress shows it."""
    return "sand boxw ordp ress pass word" + ("" if instance == "default" else f" {instance}")


@dataclass
class _Post:
    message: Message
    number: int
    slug: str
    title: str
    content: str
    status: str
    at: float
    categories: list[int]
    featured: int
    modified: float
    trashed: bool = False


@dataclass
class _Media:
    number: int
    name: str
    media_type: str
    description: str = ""


class WordPress(StandIn):
    """One site; what it publishes stands on the wall."""

    kind: ClassVar[str] = "wordpress"
    title: ClassVar[str] = "Blog"

    def __init__(self, instance: str, *, now: Clock = time.time) -> None:
        super().__init__(instance, now=now)
        self._posts: dict[int, _Post] = {}
        self._media: dict[int, _Media] = {}
        self._last = 0
        self._role = "author"

    def configure(self, settings: Mapping[str, Any]) -> None:
        """Takes `role`: author, contributor (may not publish or upload) or subscriber; raises BadSetting."""
        for name, value in settings.items():
            if name != "role":
                raise BadSetting(f"{name!r} is no setting of wordpress; known is role")
            if value not in ("author", "contributor", "subscriber"):
                raise BadSetting("role is author, contributor or subscriber")
            self._role = value

    def forget(self) -> None:
        """Forgets posts and pictures."""
        super().forget()
        self._posts.clear()
        self._media.clear()

    # --- what the caller may be told instead --------------------------------------------------------------

    def throttled(self, seconds: float) -> Answer:
        """429, as hosts in front of WordPress say it."""
        page = "<html><h1>429 Too Many Requests</h1></html>"
        return Answer(429, page.encode(), "text/html", (("retry-after", f"{seconds:g}"),))

    def unavailable(self) -> Answer:
        """503, as WordPress says it while it is being updated."""
        return Answer.text(503, "Briefly unavailable for scheduled maintenance. Check back in a minute.", "text/html")

    def broken(self) -> Answer:
        """500."""
        return _error(500, "internal_server_error", "There has been a critical error on this website.")

    def refused(self) -> Answer:
        """401."""
        return _error(401, "incorrect_password", "The provided password is an invalid application password.")

    # --- requests -----------------------------------------------------------------------------------------

    def read(self, request: Request, path: str) -> Call:
        """Understands a request to `/wp-json/wp/v2/…`."""
        query = dict(parse_qsl(request.query, keep_blank_values=True))
        fields = body(request)
        origin = f"http://{request.headers.get('host', 'localhost')}"
        parts = path.strip("/").split("/")
        if parts[:3] != ["wp-json", "wp", "v2"]:
            return Call(lambda: _error(404, "rest_no_route", "No route was found matching the URL and request method."))
        if fields is None:
            return Call(lambda: _error(400, "rest_invalid_json", "Invalid JSON body passed."))
        act = self._route(request, parts[3:], {**query, **fields}, origin)
        if act is None:
            return Call(lambda: _error(404, "rest_no_route", "No route was found matching the URL and request method."))
        creates = request.method == "POST" and parts[3:] == ["posts"]
        return Call(
            act if self._authorised(request) else self.refused,
            recipient="public" if creates else "",
            text=seen(raw(fields.get("content"))) if creates else "",
            sends=creates,
        )

    def _authorised(self, request: Request) -> bool:
        scheme, _, credentials = request.headers.get("authorization", "").partition(" ")
        try:
            name, _, word = base64.b64decode(credentials, validate=True).decode().partition(":")
        except ValueError:
            return False
        # WordPress takes the spaces that it shows for ease of reading out again.
        given, known = word.replace(" ", ""), password(self.instance).replace(" ", "")
        return scheme.lower() == "basic" and (name, given) == (USERNAME, known)

    def _route(
        self, request: Request, parts: list[str], given: dict[str, Any], origin: str
    ) -> Callable[[], Answer] | None:
        match request.method, parts:
            case "GET", ["posts"]:
                return lambda: self._list(given, origin)
            case "POST", ["posts"]:
                return lambda: self._create(given, origin)
            case (("POST" | "PUT" | "PATCH"), ["posts", number]):
                return lambda: self._update(number, given, origin)
            case "GET", ["posts", number]:
                return lambda: self._one(number, given, origin)
            case "DELETE", ["posts", number]:
                return lambda: self._trash(number, given, origin)
            case "POST", ["media"]:
                return lambda: self._upload(request, origin)
            case "POST", ["media", number]:
                return lambda: self._describe(number, given, origin)
            case "GET", ["users", "me"]:
                return lambda: self._me(given)
            case _:
                return None

    # --- posts ----------------------------------------------------------------------------------------------

    def _create(self, given: Mapping[str, Any], origin: str) -> Answer:
        if self._role == "subscriber":
            return _error(403, "rest_cannot_create", "Sorry, you are not allowed to create posts as this user.")
        fault = self._fault_of(given)
        if fault is not None:
            return fault
        title, content = filtered(raw(given.get("title"))), filtered(raw(given.get("content")))
        if not title and not content:
            return _error(400, "empty_content", "Content, title, and excerpt are empty.")
        self._last += 1
        place = sanitized(str(given.get("slug") or "")) or f"post-{self._last}"
        text = "\n\n".join(part for part in (html.unescape(title), seen(content)) if part)
        message = self.take(id=str(self._last), recipient="public", text=text)
        post = _Post(
            message=message,
            number=self._last,
            slug=self._free(place),
            title=title,
            content=content,
            status=given.get("status", "draft"),
            at=self.now(),
            categories=given.get("categories") or [1],
            featured=given.get("featured_media") or 0,
            modified=self.now(),
        )
        self._posts[post.number] = post
        if post.status != "publish":
            message.notes.append(f"status: {post.status}")
        if post.featured:
            message.notes.append(f"picture: {self._media[post.featured].description or 'without a description'}")
        return Answer.of(201, self._view(post, origin, "edit"))

    def _free(self, slug: str) -> str:
        """The slug, or as WordPress does the first of slug-2, slug-3 … that no post has."""
        taken = {post.slug for post in self._posts.values()}
        numbered = (f"{slug}-{number}" for number in range(2, len(taken) + 3))
        return slug if slug not in taken else next(other for other in numbered if other not in taken)

    def _fault_of(self, given: Mapping[str, Any]) -> Answer | None:
        status, featured, categories = given.get("status"), given.get("featured_media"), given.get("categories")
        if status is not None and status not in STATUSES:
            return _error(400, "rest_invalid_param", "Invalid parameter(s): status")
        if status in ("publish", "private", "future") and self._role != "author":
            return _error(403, "rest_cannot_publish", "Sorry, you are not allowed to publish posts in this post type.")
        if featured and featured not in self._media:
            return _error(400, "rest_invalid_featured_media", "Invalid featured media ID.")
        if categories is not None and (
            not isinstance(categories, list) or any(not isinstance(one, int) for one in categories)
        ):
            return _error(400, "rest_invalid_param", "Invalid parameter(s): categories")
        return None

    def _found(self, number: str) -> _Post | None:
        return self._posts.get(int(number)) if number.isdigit() else None

    def _update(self, number: str, given: Mapping[str, Any], origin: str) -> Answer:
        post = self._found(number)
        if post is None:
            return _error(404, "rest_post_invalid_id", "Invalid post ID.")
        if self._role == "subscriber":
            return _error(403, "rest_cannot_edit", "Sorry, you are not allowed to edit this post.")
        fault = self._fault_of(given)
        if fault is not None:
            return fault
        post.title = filtered(raw(given["title"])) if "title" in given else post.title
        post.content = filtered(raw(given["content"])) if "content" in given else post.content
        post.status = given.get("status", post.status)
        post.featured = given.get("featured_media", post.featured)
        post.modified = self.now()
        text = "\n\n".join(part for part in (html.unescape(post.title), seen(post.content)) if part)
        if text != post.message.text:
            post.message.earlier.append(post.message.text)
            post.message.text = text
        return Answer.of(200, self._view(post, origin, "edit"))

    def _trash(self, number: str, given: Mapping[str, Any], origin: str) -> Answer:
        post = self._found(number)
        if post is None:
            return _error(404, "rest_post_invalid_id", "Invalid post ID.")
        if post.trashed:
            return _error(410, "rest_already_trashed", "The post has already been deleted.")
        previous = self._view(post, origin, "view")
        post.message.deleted = True
        if str(given.get("force", "")).lower() in ("true", "1"):
            del self._posts[post.number]
            return Answer.of(200, {"deleted": True, "previous": previous})
        post.trashed, post.slug, post.status = True, f"{post.slug}__trashed", "trash"
        return Answer.of(200, self._view(post, origin, "view"))

    def _one(self, number: str, given: Mapping[str, Any], origin: str) -> Answer:
        post = self._found(number)
        if post is None:
            return _error(404, "rest_post_invalid_id", "Invalid post ID.")
        return Answer.of(200, self._view(post, origin, str(given.get("context", "view"))))

    def _list(self, given: Mapping[str, Any], origin: str) -> Answer:
        status = given.get("status", "publish")
        if status != "any" and status not in STATUSES:
            return _error(400, "rest_invalid_param", "Invalid parameter(s): status")
        wanted = [post for post in self._posts.values() if not post.trashed and status in ("any", post.status)]
        if "slug" in given:
            slugs = str(given["slug"]).split(",")
            wanted = [post for post in wanted if post.slug in slugs]
        wanted.reverse()
        views = [self._view(post, origin, str(given.get("context", "view"))) for post in wanted[:10]]
        if given.get("_fields"):
            names = str(given["_fields"]).split(",")
            views = [{name: view[name] for name in names if name in view} for view in views]
        return Answer.of(
            200, views, (("x-wp-total", str(len(wanted))), ("x-wp-totalpages", str(-(-len(wanted) // 10))))
        )

    def _view(self, post: _Post, origin: str, context: str) -> dict[str, Any]:
        edits = context == "edit"
        return {
            "id": post.number,
            # A draft floats: it has a date only once it is published.
            "date_gmt": None if post.status in ("draft", "pending") else _stamp(post.at),
            "modified_gmt": _stamp(post.modified),
            "slug": post.slug,
            "status": post.status,
            "link": f"{origin}/#{self.kind}-{self.instance}-{post.number}",
            "title": {"rendered": post.title, **({"raw": post.title} if edits else {})},
            "content": {"rendered": post.content, "protected": False, **({"raw": post.content} if edits else {})},
            "featured_media": post.featured,
            "categories": post.categories,
        }

    # --- pictures and the user ------------------------------------------------------------------------------

    def _upload(self, request: Request, origin: str) -> Answer:
        if self._role != "author":
            return _error(403, "rest_cannot_create", "Sorry, you are not allowed to upload media on this site.")
        named = _DISPOSITION.fullmatch(request.headers.get("content-disposition", ""))
        if named is None:
            return _error(400, "rest_upload_no_content_disposition", "No Content-Disposition supplied.")
        signature = _IMAGES.get(request.media_type)
        if signature is None or not request.body.startswith(signature):
            return _error(500, "rest_upload_sideload_error", "Sorry, you are not allowed to upload this file type.")
        self._last += 1
        media = _Media(self._last, named.group(1), request.media_type)
        self._media[media.number] = media
        return Answer.of(201, self._media_view(media, origin))

    def _describe(self, number: str, given: Mapping[str, Any], origin: str) -> Answer:
        media = self._media.get(int(number)) if number.isdigit() else None
        if media is None:
            return _error(404, "rest_post_invalid_id", "Invalid post ID.")
        media.description = str(given.get("alt_text", media.description))
        return Answer.of(200, self._media_view(media, origin))

    def _media_view(self, media: _Media, origin: str) -> dict[str, Any]:
        return {
            "id": media.number,
            "status": "inherit",
            "mime_type": media.media_type,
            "alt_text": media.description,
            "source_url": f"{origin}/wp-content/uploads/{media.name}",
        }

    def _me(self, given: Mapping[str, Any]) -> Answer:
        view: dict[str, Any] = {"id": 1, "name": USERNAME, "slug": USERNAME}
        if given.get("context") == "edit":
            author = self._role == "author"
            capabilities = {"read": True, "edit_posts": self._role != "subscriber"}
            view["capabilities"] = {**capabilities, **({"publish_posts": True, "upload_files": True} if author else {})}
        return Answer.of(200, view)


def _stamp(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def _error(status: int, code: str, message: str) -> Answer:
    return Answer.of(status, {"code": code, "message": message, "data": {"status": status}})

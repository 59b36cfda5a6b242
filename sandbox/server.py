"""All stand-ins behind one loopback port, the calls that steer them, and the wall."""

from __future__ import annotations

import errno
import json
import re
import time
from collections.abc import Sequence
from types import TracebackType
from typing import Any

from sandbox import facebook, graph, kannel, mastodon, smtp, telegram, wall, webhook, whatsapp, wordpress, x
from sandbox.faults import BadRule, Rule
from sandbox.mail_wire import MailWire
from sandbox.reports import Reports
from sandbox.stand_in import BadSetting, Clock, StandIn
from sandbox.wire import Answer, Reply, Request, Wire

KINDS = ("mastodon", "x", "facebook", "telegram", "whatsapp", "kannel", "smtp", "wordpress", "webhook")
_INSTANCE_LIMIT = 64
# A path below /<kind> that begins so belongs to the default instance; else its first part is an instance's name.
_BEGINS = {
    "mastodon": re.compile("api/"),
    "facebook": graph.BEGINS,
    "telegram": re.compile(r"bot\d"),
    "whatsapp": graph.BEGINS,
    "kannel": re.compile("cgi-bin/"),
    "wordpress": re.compile("wp-json/"),
    "x": re.compile("2/"),
    "smtp": re.compile("(?!)"),
    "webhook": re.compile("(?!)"),
}


class CannotListen(OSError):
    """The port cannot be had; the message is one sentence that says what to do."""


class Sandbox:
    """The stand-ins while an `async with` lasts. An instance is there as soon as it is spoken to or asked for.

    Port 0 takes a free one; mail is taken on the next port, or on another free one. Only loopback is listened on.
    """

    def __init__(self, *, port: int = 0, now: Clock = time.time) -> None:
        self._wanted = port
        self._now = now
        self._wire = Wire(self._handle)
        self._mail = MailWire(self._mail_account)
        self._instances: dict[tuple[str, str], StandIn] = {}
        self.reports = Reports()
        self.port = 0
        self.mail_port = 0

    async def __aenter__(self) -> Sandbox:
        self.port = await self._listen(self._wire, self._wanted)
        try:
            self.mail_port = await self._listen(self._mail, self._wanted + 1 if self._wanted else 0)
        except CannotListen:
            await self._wire.close()
            raise
        return self

    async def _listen(self, wire: Wire | MailWire, port: int) -> int:
        try:
            return await wire.listen("127.0.0.1", port)
        except (OSError, OverflowError) as error:
            taken = isinstance(error, OSError) and error.errno == errno.EADDRINUSE
            told = (isinstance(error, OSError) and error.strerror) or "no such port"
            why = "is in use by another program" if taken else f"cannot be listened on ({told})"
            raise CannotListen(f"port {port} on 127.0.0.1 {why}; choose another with --port") from None

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.reports.close()
        await self._mail.close()
        await self._wire.close()

    @property
    def url(self) -> str:
        """Where the wall is."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def requests(self) -> int:
        """How many requests arrived whole, for whomever."""
        return self._wire.requests

    def base_url(self, kind: str, instance: str = "default") -> str:
        """The address to give an adapter as its `base_url`."""
        self.stand_in(kind, instance)
        if kind == "smtp":  # which of them is spoken to shows at login
            return f"smtp://127.0.0.1:{self.mail_port}"
        return f"{self.url}/{kind}" + ("" if instance == "default" else f"/{instance}")

    def stand_in(self, kind: str, instance: str = "default") -> StandIn:
        """The stand-in itself; raises KeyError for an unknown kind or when there are too many instances."""
        if (kind, instance) not in self._instances:
            self._instances[kind, instance] = self._make(kind, instance)
        return self._instances[kind, instance]

    def stand_ins(self) -> Sequence[StandIn]:
        """All instances that were spoken to or asked for so far, in the order of their kinds."""
        return [self._instances[key] for key in sorted(self._instances, key=lambda k: (KINDS.index(k[0]), k[1]))]

    def counts(self) -> dict[str, Any]:
        """What every instance took, by name (see `StandIn.counts`)."""
        return {each.name: each.counts() for each in self.stand_ins()}

    def add_faults(self, kind: str, rules: Sequence[Rule], instance: str = "default") -> None:
        """Puts faults at the end of an instance's queue."""
        self.stand_in(kind, instance).faults.add(rules)

    def forget(self) -> None:
        """Forgets messages, counts and faults of all instances."""
        for each in self.stand_ins():
            each.forget()

    # --- requests -----------------------------------------------------------------------------------------

    def _make(self, kind: str, instance: str) -> StandIn:
        if kind not in KINDS or not instance.replace("-", "").replace("_", "").isalnum():
            raise KeyError(f"{kind}/{instance}")
        if len(self._instances) >= _INSTANCE_LIMIT:
            raise KeyError(f"more than {_INSTANCE_LIMIT} instances")
        match kind:
            case "mastodon":
                return mastodon.Mastodon(instance, now=self._now)
            case "wordpress":
                return wordpress.WordPress(instance, now=self._now)
            case "x":
                return x.X(instance, now=self._now)
            case "smtp":
                return smtp.Smtp(instance, now=self._now)
            case "webhook":
                return webhook.Webhook(instance, now=self._now)
            case "telegram":
                return telegram.Telegram(instance, now=self._now)
            case "facebook":
                return facebook.Facebook(instance, now=self._now)
            case "whatsapp":
                return whatsapp.WhatsApp(instance, report=self.reports.report, now=self._now)
            case _:
                return kannel.Kannel(instance, report=self.reports.report, now=self._now)

    def _mail_account(self, instance: str) -> smtp.Smtp | None:
        try:
            stand_in = self.stand_in("smtp", instance)
        except KeyError:
            return None
        assert isinstance(stand_in, smtp.Smtp)
        return stand_in

    def _handle(self, request: Request) -> Reply:
        kind, _, rest = request.path.lstrip("/").partition("/")
        if kind in KINDS:
            instance = "default"
            if rest and not _BEGINS[kind].match(rest):
                instance, _, rest = rest.partition("/")
            try:
                stand_in = self.stand_in(kind, instance)
            except KeyError:
                return Reply(_error(404, "no such instance"))
            return stand_in.reply(request, f"/{rest}")
        if kind == "_sandbox":
            return Reply(self._steer(request, rest))
        if request.path == "/" and request.method in ("GET", "HEAD"):
            page = wall.page(self.stand_ins(), now=self._now(), refresh=0 if "refresh=0" in request.query else 3)
            # No page of another site may read or frame it, and it loads nothing.
            policy = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"
            headers = (("content-security-policy", policy), ("cache-control", "no-store"))
            return Reply(Answer(200, page.encode(), "text/html; charset=utf-8", headers))
        return Reply(_error(404, "the sandbox has /, /_sandbox/… and one path for each stand-in"))

    def _steer(self, request: Request, rest: str) -> Answer:
        if "origin" in request.headers:
            # A page in a browser on this machine is not who steers the sandbox.
            return _error(403, "not from a browser")
        name, _, verb = rest.rpartition("/")
        try:
            match request.method, name, verb:
                case "GET", "", "counts":
                    return Answer.of(200, self.counts())
                case "GET", "", "messages":
                    return Answer.of(200, {s.name: [m.view() for m in s.messages] for s in self.stand_ins()})
                case "GET", "", "wall":
                    return Answer.of(200, wall.content(self.stand_ins()))
                case "DELETE", "", "messages":
                    self.forget()
                    return Answer.of(200, {})
            stand_in = self.stand_in(*(name.split("/") if "/" in name else (name, "default")))
            match request.method, verb:
                case "GET", "counts":
                    return Answer.of(200, stand_in.counts())
                case "GET", "moments":
                    return Answer.of(200, stand_in.moments())
                case "GET", "messages":
                    return Answer.of(200, [m.view() for m in stand_in.messages])
                case "DELETE", "messages":
                    stand_in.forget()
                case "POST", "faults":
                    stand_in.faults.add([Rule.read(each) for each in _list(request)])
                case "DELETE", "faults":
                    stand_in.faults.clear()
                case "POST", "recipients":
                    stand_in.script(_list(request))
                case "POST", "settings":
                    stand_in.configure(_json(request, dict))
                case _:
                    return _error(404, f"{request.method} {request.path} is nothing that the sandbox knows")
        except (KeyError, TypeError):
            return _error(404, f"{name!r} is no stand-in; the kinds are {', '.join(KINDS)}")
        except (BadRule, BadSetting) as error:
            return _error(422, str(error))
        return Answer.of(200, {})


def _json(request: Request, wanted: type[Any]) -> Any:
    try:
        content = json.loads(request.body)
    except ValueError:
        raise BadSetting("the body must be JSON") from None
    if not isinstance(content, wanted):
        raise BadSetting("the body must be a list" if wanted is list else "the body must be an object")
    return content


def _list(request: Request) -> list[Any]:
    content: list[Any] = _json(request, list)
    return content


def _error(status: int, sentence: str) -> Answer:
    return Answer.of(status, {"error": sentence})

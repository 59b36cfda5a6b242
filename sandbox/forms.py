"""Bodies as providers accept them: form, multipart or JSON, read alike."""

from __future__ import annotations

import email.parser
import email.policy
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

from sandbox.wire import Request


class Unreadable(ValueError):
    """A body is not what its media type says."""


@dataclass(frozen=True, slots=True)
class File:
    """One uploaded file."""

    name: str
    media_type: str
    content: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Form:
    """The parameters of a request, query and body together; a name that ends in [] has a list."""

    values: Mapping[str, Any]
    files: Mapping[str, File]

    def text(self, name: str, default: str = "") -> str:
        """Returns one value as text; `default` where it is absent or null."""
        value = self.values.get(name)
        if isinstance(value, bool):
            return str(value).lower()
        return default if value is None else str(value)

    def flag(self, name: str) -> bool:
        """Whether a value says yes, in any of the ways that forms and JSON say it."""
        return self.text(name).lower() in ("true", "1", "t", "on", "yes")

    def texts(self, name: str) -> list[str]:
        """Returns a list given as `name[]` in a form or as `name` in JSON."""
        value = self.values.get(f"{name}[]", self.values.get(name))
        if value is None:
            return []
        return [str(each) for each in value] if isinstance(value, list) else [str(value)]


def read(request: Request) -> Form:
    """Reads query and body; raises Unreadable."""
    values: dict[str, Any] = {}
    files: dict[str, File] = {}
    if request.query:
        _put(values, parse_qsl(request.query, keep_blank_values=True))
    if request.body:
        match request.media_type:
            case "application/json":
                try:
                    content = json.loads(request.body)
                except ValueError as error:
                    raise Unreadable("the body is no JSON") from error
                if not isinstance(content, dict):
                    raise Unreadable("the body is no JSON object")
                values.update(content)
            case "multipart/form-data":
                _multipart(request, values, files)
            case "application/x-www-form-urlencoded" | "":
                try:
                    pairs = parse_qsl(request.body.decode("utf-8"), keep_blank_values=True)
                except UnicodeDecodeError as error:
                    raise Unreadable("the body is not UTF-8") from error
                _put(values, pairs)
            case other:
                raise Unreadable(f"a body of type {other} is not understood")
    return Form(values, files)


def _put(values: dict[str, Any], pairs: list[tuple[str, str]]) -> None:
    for name, value in pairs:
        if name.endswith("[]"):
            values.setdefault(name, []).append(value)
        else:
            values[name] = value


def _multipart(request: Request, values: dict[str, Any], files: dict[str, File]) -> None:
    head = f"Content-Type: {request.headers['content-type']}\r\n\r\n".encode()
    message = email.parser.BytesParser(policy=email.policy.HTTP).parsebytes(head + request.body)
    if not message.is_multipart():
        raise Unreadable("the body is no multipart form")
    pairs = []
    for part in message.iter_parts():
        name = part.get_param("name", header="content-disposition")
        payload = part.get_payload(decode=True)
        if not isinstance(name, str) or not isinstance(payload, bytes):
            raise Unreadable("a part of the form has no name")
        filename = part.get_filename()
        if filename is None:
            pairs.append((name, payload.decode("utf-8", "replace")))
        else:
            files[name] = File(filename, part.get_content_type(), payload)
    _put(values, pairs)

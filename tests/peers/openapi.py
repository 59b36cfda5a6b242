"""A third party's OpenAPI 3.0 document, asked what is wrong with a request; strict: what it does not name is wrong."""

from __future__ import annotations

import email.parser
import email.policy
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import parse_qsl, unquote

import jsonschema

from tests.channels.scripted import Request

_METHODS = ("get", "put", "post", "delete", "options", "head", "patch", "trace")


class OpenApi:
    """One document. `newer` are fields and queries, by path, that the provider has added since it was written."""

    def __init__(self, document: Mapping[str, Any], newer: Mapping[str, frozenset[str]] | None = None) -> None:
        self._document = document
        self._newer = newer or {}

    def faults(self, request: Request, path: str | None = None) -> list[str]:
        """Everything that is wrong with the shape of a request; `path` is its path below the server's address."""
        template, values = self._matching(path or request.path)
        operations = self._document["paths"].get(template, {})
        operation = operations.get(request.method.lower())
        if operation is None:
            return [f"{request.method} {path or request.path}: no such operation"]
        named = (*operations.get("parameters", ()), *operation.get("parameters", ()))
        parameters = [self._resolved(each) for each in named]
        return [
            *self._parameters(parameters, "path", {name: unquote(value) for name, value in values.items()}),
            *self._parameters(parameters, "query", request.query, self._newer.get(template, frozenset())),
            *self._security(operation, request),
            *self._body(template, operation, request),
        ]

    def names(self, template: str) -> frozenset[str]:
        """The fields and queries that a path's operations may have."""
        found: set[str] = set()
        for method, operation in self._document["paths"].get(template, {}).items():
            if method not in _METHODS:
                continue
            found |= {self._resolved(each)["name"] for each in operation.get("parameters", ())}
            content = operation.get("requestBody", {}).get("content", {})
            for each in content.values():
                found |= set(self._resolved(each["schema"]).get("properties", {}))
        return frozenset(found)

    def knows(self, template: str, method: str = "") -> bool:
        """Whether there is such a path, and such an operation on it."""
        return template in self._document["paths"] and (not method or method in self._document["paths"][template])

    def _matching(self, path: str) -> tuple[str, dict[str, str]]:
        # A path without a parameter wins over one that has one in the same place.
        for template in sorted(self._document["paths"], key=lambda each: each.count("{")):
            pattern = re.sub(r"\\\{(\w+)\\\}", r"(?P<\1>[^/]+)", re.escape(template))
            if match := re.fullmatch(pattern, path):
                return template, match.groupdict()
        return "", {}

    def _resolved(self, part: Mapping[str, Any]) -> Mapping[str, Any]:
        while "$ref" in part:
            target: Any = self._document
            for step in part["$ref"].removeprefix("#/").split("/"):
                target = target[step]
            part = target
        return part

    def _parameters(
        self,
        parameters: list[Mapping[str, Any]],
        place: str,
        given: Mapping[str, str],
        newer: frozenset[str] = frozenset(),
    ) -> Iterator[str]:
        known = {each["name"]: each for each in parameters if each["in"] == place}
        for name in given.keys() - known.keys() - newer:
            yield f"{place} {name}: not known"
        for name, parameter in known.items():
            if name in given:
                schema = parameter["schema"]
                yield from self._against(schema, _typed(self._resolved(schema), given[name]), f"{place} {name}")
            elif parameter.get("required"):
                yield f"{place} {name}: missing"

    def _security(self, operation: Mapping[str, Any], request: Request) -> Iterator[str]:
        wanted = operation.get("security", self._document.get("security", []))
        schemes = self._document.get("components", {}).get("securitySchemes", {})
        named = {schemes[name].get("scheme", "bearer").lower() for each in wanted for name in each}
        if named and request.headers.get("authorization", "").partition(" ")[0].lower() not in named:
            yield f"header authorization: wanted {' or '.join(sorted(named))}"

    def _body(self, template: str, operation: Mapping[str, Any], request: Request) -> Iterator[str]:
        body = self._resolved(operation.get("requestBody", {}))
        if not body:
            if request.body not in (b"", b"{}"):
                yield "body: none is wanted"
            return
        media_type = request.headers.get("content-type", "").partition(";")[0]
        if media_type not in body["content"]:
            yield f"header content-type: {media_type or 'missing'}, wanted {', '.join(body['content'])}"
            return
        schema = body["content"][media_type]["schema"]
        given = _fields(media_type, request)
        if not isinstance(given, dict):
            yield "body: cannot be read"
            return
        newer = self._newer.get(template, frozenset())
        for name in given.keys() - self._resolved(schema).get("properties", {}).keys() - newer:
            yield f"body {name}: not known"
        yield from self._against(schema, {name: value for name, value in given.items() if name not in newer}, "body")

    def _against(self, schema: Mapping[str, Any], value: Any, place: str) -> Iterator[str]:
        # OpenAPI 3.0 has the exclusive bounds of JSON Schema draft 4.
        whole = {"allOf": [schema], "components": self._document.get("components", {})}
        for error in jsonschema.Draft4Validator(whole).iter_errors(value):
            yield f"{place} {'.'.join(map(str, error.absolute_path))}: {error.message[:120]}"


def _typed(schema: Mapping[str, Any], text: str) -> Any:
    match schema.get("type"):
        case "integer" | "number":
            return int(text) if re.fullmatch(r"-?\d+", text) else text
        case "boolean":
            return {"true": True, "false": False}.get(text, text)
        case "array":
            return text.split(",")
        case _:
            return text


def _fields(media_type: str, request: Request) -> Any:
    if media_type == "application/json":
        try:
            return json.loads(request.body)
        except ValueError:
            return None
    if media_type == "multipart/form-data":
        head = f"Content-Type: {request.headers['content-type']}\r\n\r\n".encode()
        parts = email.parser.BytesParser(policy=email.policy.HTTP).parsebytes(head + request.body).iter_parts()
        return {str(part.get_param("name", header="content-disposition")): part.get_content() for part in parts}
    return dict(parse_qsl(request.body.decode()))

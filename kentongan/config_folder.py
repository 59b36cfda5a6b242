"""Reading the config folder: its YAML, and every fault in it as a sentence with file, field and remedy."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar, get_args

import yaml
from pydantic import ValidationError

from kentongan import paging, quick_yaml, route_faults
from kentongan.config_model import NAME, Model
from kentongan.drills import Drills
from kentongan.errors import BadConfig
from kentongan.paging import Paging
from kentongan.routes import Routes
from kentongan.settings import Agency, Audience, InstanceSettings, Policy, Service, Settings

_M = TypeVar("_M", bound=Model)


def load(folder: Path, kinds: Mapping[str, type[InstanceSettings]]) -> Settings:
    """Reads the config in `folder`; raises BadConfig with every fault found, a sentence a line."""
    faults: list[str] = []

    def read(name: str, required: bool) -> dict[str, Any]:
        path = folder / name
        try:
            if not path.is_file():
                if required:
                    faults.append(f"{path}: is missing; `kentongan check` lists what a config needs")
                return {}
            content = _load(path.read_text("utf-8"))
        except OSError as error:
            raise BadConfig(
                f"{path}: cannot be read: {error.strerror}; give this user the right to it and its folder"
            ) from None
        except _Twice as error:
            faults.append(f"{path}: {error}")
            return {}
        except (yaml.YAMLError, ValueError, RecursionError) as error:
            mark = getattr(error, "problem_mark", None)
            where = f" line {mark.line + 1}" if mark is not None else ""
            faults.append(f"{path}:{where} is not readable as YAML; mend the indentation or quoting there")
            return {}
        if content is None:
            return {}
        if not isinstance(content, dict):
            faults.append(f"{path}: must hold fields with values, one a line")
            return {}
        return content

    def named(name: str, field: str) -> dict[str, Any]:
        """What stands in a file under its one field, by name."""
        content = read(name, False)
        faults.extend(
            f"{folder / name}: {other}: no such field; known are {field}" for other in content if other != field
        )
        entries = content.get(field)
        if entries is None:
            return {}
        if not isinstance(entries, dict):
            faults.append(f"{folder / name}: {field}: must hold names, each with its fields below")
            return {}
        sound = {}
        for key, value in entries.items():
            if not NAME.fullmatch(str(key)):
                told = "is no name; use letters, digits and . - _"
            elif not isinstance(value, dict | None):
                told = "must hold fields with values, one a line"
            else:
                sound[str(key)] = value or {}
                continue
            faults.append(f"{folder / name}: {field}.{key}: {told}")
        return sound

    def build(model: type[_M], content: Any, path: Path, prefix: str = "") -> _M | None:
        try:
            return model.model_validate(content)
        except ValidationError as error:
            faults.extend(_sentences(error, model, path, prefix))
            return None

    agency = build(Agency, read("agency.yaml", True), folder / "agency.yaml")
    policy = build(Policy, read("policy.yaml", False), folder / "policy.yaml")

    audiences: dict[str, Audience] = {}
    path = folder / "audiences.yaml"
    for name, content in named("audiences.yaml", "audiences").items():
        audience = build(Audience, content, path, f"audiences.{name}")
        if audience is not None:
            audiences[name] = audience

    instances: dict[str, InstanceSettings] = {}
    path = folder / "channels.yaml"
    for name, content in named("channels.yaml", "channels").items():
        place = f"channels.{name}"
        kind = content.get("kind")
        if not isinstance(kind, str) or kind not in kinds:
            known = ", ".join(sorted(kinds))
            faults.append(f"{path}: {place}.kind: {kind!r} is no channel; known are {known}")
            continue
        instance = build(kinds[kind], content, path, place)
        if instance is None:
            continue
        if instance.audience is not None and instance.audience not in audiences:
            faults.append(f"{path}: {place}.audience: {instance.audience!r} stands not in audiences.yaml; add it there")
            continue
        instances[name] = instance

    routes = build(Routes, read("routes.yaml", False), folder / "routes.yaml")
    if routes is not None and not faults:
        public = {name: instance.audience is None for name, instance in instances.items()}
        faults.extend(f"{folder / 'routes.yaml'}: {fault}" for fault in route_faults.faults(routes, public))

    pages = build(Paging, read("paging.yaml", False), folder / "paging.yaml")
    if pages is not None and not faults:
        public = {name: instance.audience is None for name, instance in instances.items()}
        faults.extend(f"{folder / 'paging.yaml'}: {fault}" for fault in paging.faults(pages, public))
    rehearsed = build(Drills, read("drills.yaml", False), folder / "drills.yaml")
    if rehearsed is not None:
        faults.extend(
            f"{folder / 'drills.yaml'}: scenarios.{name}: is no name; use letters, digits and . - _"
            for name in rehearsed.scenarios
            if not NAME.fullmatch(name)
        )
    service = build(Service, read("service.yaml", False), folder / "service.yaml")

    if faults:
        raise BadConfig("\n".join(faults))
    assert agency is not None
    assert pages is not None
    assert service is not None
    assert rehearsed is not None
    assert policy is not None
    assert routes is not None
    return Settings(
        source=folder,
        agency=agency,
        channels=instances,
        audiences=audiences,
        policy=policy,
        routes=routes,
        paging=pages,
        service=service,
        drills=rehearsed,
    )


class _Twice(ValueError):
    """One name stands twice in a mapping; YAML would take the last and say nothing."""


class _Strict:
    """Refuses a name that stands twice and takes every name of a field as it is written."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """Builds one mapping."""
        seen: set[str] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.tag == "tag:yaml.org,2002:bool":
                # YAML 1.1 reads the field `on` as true.
                key.tag = "tag:yaml.org,2002:str"
            if isinstance(key, yaml.ScalarNode) and key.tag != "tag:yaml.org,2002:merge":
                if key.value in seen:
                    raise _Twice(f"line {key.start_mark.line + 1}: {key.value!r} stands there twice; keep one")
                seen.add(key.value)
        mapping: Any = super()
        return dict(mapping.construct_mapping(node, deep=deep))


class _Patient(_Strict, yaml.SafeLoader):
    """The strict loader for texts of any length."""


class _Quick(_Strict, quick_yaml.QUICK):  # type: ignore[misc]  # which of the two it is, is known when it runs
    """The strict loader for texts that cannot nest too deep."""


def _load(text: str) -> Any:
    return quick_yaml.load(text, quick=_Quick, patient=_Patient)


def _fields(model: type[Model], place: Sequence[int | str]) -> list[str]:
    """The fields known at a place inside a model; none where it is no single model there."""
    annotation: Any = model
    for part in place:
        if isinstance(part, int):
            continue
        field = annotation.model_fields.get(part)
        if field is None:
            return []
        found = list(_models(field.annotation))
        if len(found) != 1:
            return []
        annotation = found[0]
    return [field.alias or name for name, field in annotation.model_fields.items()]


def _models(annotation: Any) -> Iterator[type[Model]]:
    """The models that stand in an annotation."""
    if isinstance(annotation, type) and issubclass(annotation, Model):
        yield annotation
    for inner in get_args(annotation):
        yield from _models(inner)


def _sentences(error: ValidationError, model: type[Model], path: Path, prefix: str) -> list[str]:
    result = []
    for fault in error.errors(include_url=False, include_input=False, include_context=False):
        place = ".".join([p for p in (prefix, *map(str, fault["loc"])) if p]) or "(whole file)"
        message = fault["msg"].removeprefix("Value error, ")
        if fault["type"] == "extra_forbidden":
            known = _fields(model, fault["loc"][:-1])
            message = "no such field; known are " + ", ".join(known) if known else "no such field; take it out"
        elif fault["type"] == "missing":
            message = "is missing; add it"
        result.append(f"{path}: {place}: {message}")
    return result

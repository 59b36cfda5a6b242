"""What an officer signs on their own machine is what they were shown, whatever the service claims."""

from __future__ import annotations

import base64
import copy
import hashlib
import json
from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import ValidationError

from kentongan.desk import subjects
from kentongan.errors import BadInput, KentonganError, Refused
from kentongan.ledger import renderings
from kentongan.shown import Shown, messages_of, picture, record, subject_of
from kentongan.stored import to_json
from kentongan.subject import subject_digest
from tests.kentongan.desk.scenes import Scene, scene


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    with scene(tmp_path_factory.mktemp("shown") / "desk") as made:
        yield made


@pytest.fixture(scope="module")
def answer(desk: Scene) -> dict[str, Any]:
    """What the service answers, as JSON, with the digest that the ledger has."""
    stored = desk.submitted()
    correction = desk.ledger.read(lambda read: subjects.prepared_correction(read, stored.id))
    assert correction is not None
    subject = desk.ledger.read(lambda read: subjects.current(read, stored.id))
    shown = Shown(
        subject=to_json(subject),
        alert=desk.ledger.read(lambda read: record(read, stored.id)),
        correction=desk.ledger.read(lambda read: record(read, correction.id)),
        submitted_by="siti",
        people=4,
        people_by_instance={},
    )
    return {"digest": subject_digest(subject), "shown": json.loads(shown.model_dump_json())}


def digest(shown: Any) -> str:
    return subject_digest(subject_of(Shown.model_validate(shown)))


def test_the_digest_is_the_ledgers_own(desk: Scene, answer: dict[str, Any]) -> None:
    assert digest(answer["shown"]) == answer["digest"]
    messages = messages_of(Shown.model_validate(answer["shown"]).alert)
    assert any("Manna" in message.text for message in messages)
    assert len(messages) == len(
        desk.ledger.read(lambda read: renderings.of(read, answer["shown"]["subject"]["alert_id"]))
    )


def leaves(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if isinstance(value, dict) and value:
        for name, each in value.items():
            yield from leaves(each, (*path, name))
    elif isinstance(value, list) and value:
        for number, each in enumerate(value):
            yield from leaves(each, (*path, number))
    else:
        yield path


NOT_SIGNED = ("pictures", "people", "people_by_instance", "submitted_by", "warnings", "timezone")
MOVING = ("state", "epoch", "expires_at", "digest")


def others(value: Any) -> list[Any]:
    """What a lying service might put in the place of a value."""
    changed = [f"{value}x", value[:-1], value.upper()] if isinstance(value, str) else []
    return [each for each in (None, 0, 7, "", "x", True, False, [], {}, *changed) if each != value]


def test_whatever_the_service_changes_is_refused_or_signed_as_what_it_is(answer: dict[str, Any]) -> None:
    tried = 0
    for path in leaves(answer["shown"]):
        shown = copy.deepcopy(answer["shown"])
        place = shown
        for step in path[:-1]:
            place = place[step]
        genuine = place[path[-1]]
        for other in others(genuine):
            place[path[-1]] = other
            tried += 1
            try:
                found = digest(shown)
            except (KentonganError, ValidationError):
                continue
            # Not refused: then it is no part of what is signed, or another digest is, which the ledger will refuse.
            free = path[0] in NOT_SIGNED or (len(path) == 3 and path[1] == "row" and path[2] in MOVING)
            assert free or found != answer["digest"], (path, other)
    assert tried > 500


def test_words_that_are_not_those_of_the_digest_are_refused(answer: dict[str, Any]) -> None:
    shown = copy.deepcopy(answer["shown"])
    first = shown["alert"]["renderings"][0]
    first["content"] = first["content"].replace("Manna", "Mannb")
    with pytest.raises(Refused, match="sign nothing"):
        digest(shown)


def test_a_message_that_is_shown_twice_or_left_out_is_refused(answer: dict[str, Any]) -> None:
    twice = copy.deepcopy(answer["shown"])
    twice["alert"]["renderings"].insert(0, twice["alert"]["renderings"][0])
    with pytest.raises(Refused, match="twice"):
        digest(twice)
    fewer = copy.deepcopy(answer["shown"])
    fewer["alert"]["renderings"].pop()
    with pytest.raises(Refused):
        digest(fewer)


def test_a_correction_that_is_hidden_is_refused(answer: dict[str, Any]) -> None:
    with pytest.raises(Refused, match="correction"):
        digest({**answer["shown"], "correction": None})


def test_a_picture_is_the_one_that_its_digest_names(answer: dict[str, Any]) -> None:
    digest_ = hashlib.sha256(b"a picture").hexdigest()
    seen = {**answer["shown"], "pictures": {digest_: base64.b64encode(b"a picture").decode()}}
    assert picture(Shown.model_validate(seen), digest_) == b"a picture"
    for content in ("", "!", base64.b64encode(b"another").decode()):
        with pytest.raises(Refused, match="sign nothing"):
            picture(Shown.model_validate({**seen, "pictures": {digest_: content}}), digest_)
    with pytest.raises(Refused, match="not shown"):
        picture(Shown.model_validate(answer["shown"]), digest_)


def test_a_newer_services_columns_are_named(answer: dict[str, Any]) -> None:
    shown = copy.deepcopy(answer["shown"])
    del shown["alert"]["row"]["content"]
    with pytest.raises(BadInput, match="update Kentongan"):
        digest(shown)

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from kentongan.alert import Kind
from kentongan.cap.model import Resource, Scope, Status
from kentongan.cap.reading import read
from kentongan.cap.writing import write as write_cap
from kentongan.desk import composing, drafts, illustrating
from kentongan.desk.illustrating import Illustrated
from kentongan.errors import BadInput
from kentongan.ledger import renderings
from kentongan.ledger.alerts import StoredAlert
from kentongan.seam import Rendered
from tests.kentongan.desk.scenes import NOW, QUAKE, Scene, document
from tests.kentongan.pictures.made import exif, jpeg, png, segment

SHOWS = "Peta guncangan gempa di sekitar Manna"


def illustrated(*files: tuple[str, bytes, str]) -> Illustrated:
    return illustrating.from_files(files or [("Peta.png", png(), SHOWS)])


def drafted(desk: Scene, shown: Illustrated, *, status: Status = Status.EXERCISE) -> StoredAlert:
    return drafts.from_fields(desk.desk, "earthquake", QUAKE, status=status, by="siti", illustrated=shown).alert


def composed(desk: Scene, stored: StoredAlert) -> composing.Composed:
    return composing.compose(desk.desk, stored, correction_code="W9MN")


def stored_messages(desk: Scene, stored: StoredAlert, messages: Sequence[Rendered]) -> Mapping[str, Rendered]:
    desk.ledger.write(lambda write: renderings.put(write, stored.id, messages))
    kept = desk.ledger.read(lambda snapshot: renderings.of(snapshot, stored.id))
    return {message.instance: message for message in kept}


def test_a_picture_goes_with_the_message_where_the_channel_carries_one(desk: Scene) -> None:
    stored = drafted(desk, illustrated())
    kept = stored_messages(desk, stored, composed(desk, stored).alert.messages)
    for instance in ("toots-drill", "feed-drill"):
        (media,) = kept[instance].media
        assert (media.name, media.media_type, media.content) == ("peta.png", "image/png", png())
        assert media.description.endswith(SHOWS)
        assert media.description.startswith(kept[instance].mark), "a drill's picture says so itself"
    assert kept["sms-drill"].media == ()


def test_the_page_shows_the_picture_with_its_text(desk: Scene) -> None:
    stored = drafted(desk, illustrated(("Peta.png", png(), 'Peta <guncangan> "Manna"')))
    (page,) = (
        document.text
        for message in composed(desk, stored).alert.messages
        for document in message.documents
        if document.media_type == "text/html"
    )
    assert '<img src="peta.png" alt="' in page
    assert "Peta &lt;guncangan&gt; &#34;Manna&#34;" in page


def test_what_withdraws_an_alert_carries_no_picture(desk: Scene) -> None:
    stored = drafted(desk, illustrated())
    made = composed(desk, stored)
    assert any(message.media for message in made.alert.messages)
    assert not any(message.media for message in made.correction.messages)
    assert not any("<img" in document.text for message in made.correction.messages for document in message.documents)


def test_officers_sign_the_picture(desk: Scene) -> None:
    def digests(content: bytes, shows: str) -> dict[str, str]:
        stored = drafted(desk, illustrated(("Peta.png", content, shows)))
        messages = composed(desk, stored).alert.messages
        # Rendering is the same whatever the alert's own code and time, but for those.
        return {m.instance: renderings.rendered_to_json(m) for m in messages if m.media}

    assert digests(png(), SHOWS).keys() == {"toots-drill", "feed-drill"}
    first, other = illustrated().pictures[0], illustrated(("Peta.png", png(65), SHOWS)).pictures[0]
    for instance, content in digests(png(), SHOWS).items():
        assert first.digest in content, instance
        assert other.digest in digests(png(65), SHOWS)[instance]
        assert "base64" not in content
        assert len(content) < 60_000, "the picture itself is kept apart"


def test_a_picture_is_kept_once(desk: Scene) -> None:
    for _ in range(3):
        drafted(desk, illustrated())
    rows = desk.ledger.read(lambda snapshot: snapshot.sql("SELECT digest, content FROM picture").all())
    assert [bytes(row.content) for row in rows] == [png()]


@pytest.mark.parametrize(
    "harm", ["DELETE FROM picture", "UPDATE picture SET content = X'00'", "UPDATE picture SET content = 'a'"]
)
def test_words_go_without_a_picture_that_is_not_as_it_was_approved(
    desk: Scene, harm: str, caplog: pytest.LogCaptureFixture
) -> None:
    stored = drafted(desk, illustrated())
    messages = composed(desk, stored).alert.messages
    desk.change(harm)
    kept = stored_messages(desk, stored, messages)
    assert kept["toots-drill"].media == ()
    assert kept["toots-drill"].text
    assert "picture is not in the ledger as it was approved" in caplog.messages


def test_a_channel_that_cannot_carry_it_goes_with_its_words_and_says_so(desk: Scene) -> None:
    stored = drafted(desk, illustrated())
    limits = desk.desk.kinds.limits
    allowed = limits(desk.desk.settings.channels["toots-drill"]).pictures
    assert allowed is not None

    def smaller(settings: Any) -> Any:
        from dataclasses import replace

        found = limits(settings)
        return replace(found, pictures=replace(allowed, size=10)) if settings.kind == "mastodon" else found

    each = {name: smaller(settings) for name, settings in desk.desk.settings.channels.items()}
    found = illustrating.findings(Kind.ALERT, stored.draft, each)
    assert {finding.severity.value for finding in found} == {"warn"}
    assert {finding.sentence.split()[0] for finding in found} == {"toots-live", "toots-drill"}
    assert "peta.png" in found[0].sentence
    assert illustrating.findings(Kind.CORRECTION, stored.draft, each) == []


# --- pictures of CAP documents ---


def resource(content: bytes | None, desc: str = SHOWS, uri: str | None = None, mime: str = "image/png") -> Resource:
    inline = base64.b64encode(content).decode() if content is not None else None
    return Resource(resource_desc=desc, mime_type=mime, uri=uri, deref_uri=inline)


def relay(*resources: Resource) -> bytes:
    alert = read(document(Status.EXERCISE, Scope.PUBLIC), zone=NOW.tzinfo, now=NOW).alert  # type: ignore[arg-type]
    (info,) = alert.infos
    return write_cap(alert.model_copy(update={"infos": (info.model_copy(update={"resources": resources}),)}))


def from_cap(desk: Scene, content: bytes, shown: Illustrated = illustrating.NONE) -> drafts.Drafted:
    return drafts.from_cap(desk.desk, [drafts.Document("a.xml", content)], by="siti", illustrated=shown)


def test_a_picture_inside_a_cap_document_comes_along(desk: Scene) -> None:
    photo = jpeg(more=segment(0xE1, b"Exif\0\0" + exif(located=True)))
    drafted = from_cap(desk, relay(resource(photo, uri="https://bmkg.example/peta.jpg?v=1", mime="image/jpeg")))
    (picture,) = drafted.alert.draft.pictures
    assert (picture.name, picture.description) == ("peta.jpg", SHOWS)
    assert any("where it was taken" in warning for warning in drafted.warnings)
    assert from_cap(desk, relay(resource(photo, uri="https://bmkg.example/peta.jpg?v=1", mime="image/jpeg"))).known


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (resource(None, uri="https://bmkg.example/peta.png"), "was not fetched"),
        (resource(b"no picture"), "is no JPEG"),
        (resource(png(), desc="PETA GUNCANGAN"), "capitals"),
        (resource(png()).model_copy(update={"deref_uri": "%%%"}), "cannot be decoded"),
    ],
)
def test_a_picture_that_cannot_be_shown_is_named_and_bars_nothing(desk: Scene, given: Resource, said: str) -> None:
    drafted = from_cap(desk, relay(given))
    assert drafted.alert.draft.pictures == ()
    assert any(said in warning for warning in drafted.warnings), drafted.warnings


def test_what_is_no_picture_is_passed_over(desk: Scene) -> None:
    drafted = from_cap(desk, relay(resource(b"%PDF", mime="application/pdf")))
    assert drafted.alert.draft.pictures == ()
    assert not any("PDF" in warning for warning in drafted.warnings)


def test_the_same_document_with_another_picture_is_another_draft(desk: Scene) -> None:
    content = relay()
    plain, first = from_cap(desk, content), from_cap(desk, content, illustrated())
    second = from_cap(desk, content, illustrated(("Peta.png", png(65), SHOWS)))
    assert len({plain.alert.id, first.alert.id, second.alert.id}) == 3
    assert from_cap(desk, content, illustrated()).alert.id == first.alert.id


def test_more_pictures_than_an_alert_carries_are_refused(desk: Scene) -> None:
    with pytest.raises(BadInput, match="at most 4"):
        illustrated(*[("a.png", png(64 + number), SHOWS) for number in range(5)])
    four = illustrated(*[("a.png", png(64 + number), SHOWS) for number in range(4)])
    assert [picture.name for picture in four.pictures] == ["a.png", "a-2.png", "a-3.png", "a-4.png"]
    with pytest.raises(BadInput, match="at most 4"):
        from_cap(desk, relay(resource(png(80))), four)

from __future__ import annotations

import contextlib
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kentongan.errors import BadInput
from kentongan.pictures import LARGEST, MOST, Picture, digest_of, named_apart, read, unfit
from kentongan.pictures.formats import NoPicture, still
from kentongan.seam import Pictures
from tests.kentongan.pictures.made import chunk, exif, jpeg, png, riff, segment, webp

WHOLE = {"image/png": png(), "image/jpeg": jpeg(), "image/webp": webp()}
SHOWS = "Peta guncangan gempa di sekitar Manna"


@pytest.mark.parametrize("media_type", WHOLE)
def test_a_whole_picture_is_known_by_what_it_is(media_type: str) -> None:
    found = still(WHOLE[media_type])
    assert (found.media_type, found.width, found.height, found.located) == (media_type, 64, 80, False)
    assert still(found.content) == found, "what is freed of metadata stays as it is"


@pytest.mark.parametrize("interlaced", [False, True])
@given(st.integers(1, 40), st.integers(1, 40))
def test_every_pixel_of_a_png_is_counted(interlaced: bool, width: int, height: int) -> None:
    assert (still(png(width, height, interlaced=interlaced)).width) == width
    with pytest.raises(NoPicture, match="damaged"):
        still(png(width, height, interlaced=interlaced, short=1))


@pytest.mark.parametrize("media_type", WHOLE)
def test_a_picture_that_is_cut_short_is_none(media_type: str) -> None:
    content = WHOLE[media_type]
    for length in range(len(content)):
        with pytest.raises(NoPicture):
            still(content[:length])


@given(st.sampled_from(sorted(WHOLE)), st.data())
def test_any_bytes_are_a_picture_or_none_and_nothing_else(media_type: str, data: st.DataObject) -> None:
    content = bytearray(WHOLE[media_type])
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(NoPicture):
        assert still(bytes(content)).width > 0


@given(st.binary(max_size=300), st.sampled_from([b"", b"\x89PNG\r\n\x1a\n", b"\xff\xd8", b"RIFF\xff\0\0\0WEBP"]))
def test_what_only_begins_like_a_picture_is_none(content: bytes, begins: bytes) -> None:
    with pytest.raises(NoPicture):
        still(begins + content)


def test_a_bomb_is_found_before_it_goes_off() -> None:
    bomb = png(64, 64).replace(struct.pack(">II", 64, 64), struct.pack(">II", 64, 1))
    with pytest.raises(NoPicture):
        still(bomb)
    small = png(2000, 2000)
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 8, 8, 8, 0, 0, 0, 0))
    with pytest.raises(NoPicture):
        still(small[:8] + header + small[8 + len(header) :])


@pytest.mark.parametrize("little", [False, True])
@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
@pytest.mark.parametrize("media_type", WHOLE)
def test_where_it_was_taken_goes_and_which_way_is_up_stays(media_type: str, orientation: int, little: bool) -> None:
    said = exif(orientation=orientation, located=True, little=little)
    told = {
        "image/png": png(more=chunk(b"eXIf", said) + chunk(b"tEXt", b"Author\0Siti")),
        "image/jpeg": jpeg(
            more=segment(0xE1, b"Exif\0\0" + said)
            + segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0Siti")
            + segment(0xED, b"Photoshop Siti")
            + segment(0xFE, b"Siti"),
            after=b"Siti",
        ),
        "image/webp": webp(64, 80, (b"EXIF", said), (b"XMP ", b"Siti"), flags=0x0C),
    }[media_type]
    found = still(told)
    assert found.located
    assert b"4 deg 27 S" not in found.content
    assert b"Siti" not in found.content
    again = still(found.content)
    assert (again.width, again.height) == (found.width, found.height) == ((80, 64) if orientation > 4 else (64, 80))
    assert not again.located


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (webp(64, 80, (b"ANIM", b"\0" * 6)), "moves"),
        (b"GIF89a", "is no JPEG"),
        (b"", "is no JPEG"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "is no JPEG"),
        (png(more=chunk(b"NEWX", b"")), "newer kind"),
        (riff((b"ALPH", b"")), "damaged"),
    ],
)
def test_what_is_no_still_picture_is_refused_with_the_remedy(content: bytes, why: str) -> None:
    with pytest.raises(BadInput, match=rf"map\.png.*{why}.*; save it anew"):
        read("map.png", content, SHOWS)


def test_a_picture_is_named_for_every_provider_and_by_what_it_is() -> None:
    picture, content, warnings = read("Peta Gempa (baru)é.PNG", jpeg(), f"  {SHOWS}\n")
    assert picture == Picture(
        name="peta-gempa-baru.jpg",
        media_type="image/jpeg",
        digest=digest_of(content),
        size=len(content),
        width=64,
        height=80,
        description=SHOWS,
    )
    assert warnings == ()
    assert read("地震.png", png(), SHOWS)[0].name == "picture.png"


def test_an_officer_hears_that_a_place_was_taken_out() -> None:
    _, _, (warning,) = read("a.jpg", jpeg(more=segment(0xE1, b"Exif\0\0" + exif(located=True))), SHOWS)
    assert "where it was taken" in warning


@pytest.mark.parametrize(
    ("description", "why"),
    [
        ("", "no alternative text"),
        (" \n\u200b", "no alternative text"),
        ("12.5 %", "no alternative text"),
        ("PETA GUNCANGAN GEMPA", "capitals"),
        ("map.png", "file name"),
        ("Map", "file name"),
        ("x" * 901, "at most 900"),
    ],
)
def test_a_description_that_describes_nothing_is_refused(description: str, why: str) -> None:
    with pytest.raises(BadInput, match=why):
        read("map.png", png(), description)


@pytest.mark.parametrize(("width", "height"), [(63, 64), (64, 63), (8193, 64)])
def test_a_picture_too_small_or_too_wide_is_refused(width: int, height: int) -> None:
    with pytest.raises(BadInput, match="pixels"):
        read("map.png", png(width, height), SHOWS)


def test_a_file_too_large_is_refused_unread() -> None:
    with pytest.raises(BadInput, match="larger than"):
        read("map.png", b"x" * (LARGEST + 1), SHOWS)


def pictured(name: str, number: int) -> Picture:
    content = {"media_type": "image/png", "size": 9, "width": 64, "height": 64, "description": SHOWS}
    return Picture.model_validate({"name": name, "digest": str(number), **content})


def test_each_picture_has_a_name_of_its_own_and_stands_once() -> None:
    names = [each.name for each in named_apart([pictured("a.png", n) for n in (1, 2, 1, 3)])]
    assert names == ["a.png", "a-2.png", "a-3.png"]
    with pytest.raises(BadInput, match=f"at most {MOST}"):
        named_apart([pictured("a.png", number) for number in range(MOST + 1)])


@pytest.mark.parametrize(
    ("limits", "why"),
    [
        (Pictures(most=1, size=9), ""),
        (Pictures(most=1, size=8), "9 bytes"),
        (Pictures(most=1, size=9, types=("image/jpeg",)), "image/png"),
        (Pictures(most=1, size=9, description=9), "characters"),
    ],
)
def test_a_channel_says_what_it_cannot_carry(limits: Pictures, why: str) -> None:
    said = unfit(pictured("a.png", 1), limits)
    assert why in said
    assert bool(said) == bool(why)

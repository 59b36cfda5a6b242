"""The page parses, loads nothing, escapes everything, and says what the values say."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import cache
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lxml import etree
from lxml import html as parser

from kentongan import report
from kentongan.overview import Cause
from kentongan.report import Report
from kentongan.report.remedies import Remedy, remedy
from kentongan.report.shapes import Damaged, DrillScore, Failure, Image, Target
from tests.kentongan.desk.scenes import Scene
from tests.kentongan.report.nights import broken_glass

ZONE = "Asia/Jakarta"
# Every element that can load something or run something.
LOADING = ("script", "link", "img", "iframe", "object", "embed", "video", "audio", "base", "form", "use", "image")


def page(told: Report, **more: str) -> str:
    return report.html(told, timezone=ZONE, **more)


def parsed(text: str) -> parser.HtmlElement:
    return parser.document_fromstring(text)


def words(element: parser.HtmlElement) -> str:
    return " ".join(element.text_content().split())


def test_the_page_is_well_formed(told: Report) -> None:
    # What is no HTML fault but for elements that lxml's older parser does not know.
    log = etree.HTMLParser(recover=True)
    etree.fromstring(page(told), log)
    known = ("svg", "nav", "main", "section", "header", "footer", "figure", "figcaption", "details", "summary")
    inside = ("title", "path", "rect", "pattern", "circle", "ellipse", "line", "text", "tspan", "clippath", "g", "desc")
    faults = [f for f in log.error_log if not any(f"Tag {name} invalid" in f.message for name in (*known, *inside))]
    assert [str(fault) for fault in faults] == []


def test_every_id_is_there_once_and_every_inner_link_leads_somewhere(told: Report) -> None:
    tree = parsed(page(told))
    ids = [each.get("id") for each in tree.xpath("//*[@id]")]
    assert len(ids) == len(set(ids))
    for name in ("aria-labelledby", "aria-describedby"):
        for element in tree.xpath(f"//*[@{name}]"):
            assert set(element.get(name).split()) <= set(ids)
    assert {a.get("href")[1:] for a in tree.xpath("//a[@href]")} <= set(ids)
    assert set(re.findall(r"url\(#([^)]+)\)", page(told))) <= set(ids)


def test_the_page_loads_nothing_and_runs_nothing(told: Report) -> None:
    text = page(told)
    tree = parsed(text)
    for name in LOADING:
        assert not tree.xpath(f"//{name}"), name
    for element in tree.iter():
        for attribute, value in element.attrib.items():
            assert not attribute.startswith("on"), attribute
            if attribute in ("href", "src", "xlink:href", "data", "action", "poster", "srcset"):
                assert value.startswith("#"), (element.tag, attribute)
    assert not re.search(r"@import|url\((?!#)", text)
    (policy,) = tree.xpath("//meta[@http-equiv='Content-Security-Policy']")
    assert policy.get("content").startswith("default-src 'none'")


def test_headings_go_down_one_level_at_a_time(told: Report) -> None:
    levels = [int(each.tag[1]) for each in parsed(page(told)).xpath("//h1|//h2|//h3|//h4")]
    assert levels[0] == 1
    assert levels.count(1) == 1
    # A message's own title may stand under the heading of its section.
    assert all(after <= before + 1 for before, after in pairwise(levels))


def test_every_picture_has_its_words(told: Report) -> None:
    pictures = parsed(page(told)).xpath("//svg")
    assert len(pictures) > 10
    for each in pictures:
        if each.get("aria-hidden") != "true":
            assert each.get("role") == "img"
            assert each.get("aria-label") or each.get("aria-labelledby")


def test_all_messages_stand_word_for_word(told: Report) -> None:
    shown = [each.text_content() for each in parsed(page(told)).xpath("//div[@class='said']")]
    assert shown == [message.text for part in told.parts for message in part.messages]
    languages = [each.get("lang") for each in parsed(page(told)).xpath("//div[@class='said']")]
    assert set(languages) == {"id", "en", None}


def test_figures_on_the_page_are_those_of_the_report(told: Report) -> None:
    text = words(parsed(page(told)))
    for part in told.parts:
        for channel in part.standing.channels:
            for name, count in channel.words.items():
                assert f"{count:,} {name.replace('_', ' ')}" in text
        for failure in part.failures:
            assert failure.remedy.cause in text
            assert failure.remedy.action.replace("`", "") in text
        for doubt in part.doubts:
            assert doubt.how in text
        for moment in part.timeline:
            assert " ".join(moment.what.split()) in text
    for link in told.chains:
        assert link.digest in text
    assert f"{told.persons:,}, each counted once" in text


def test_drill_stands_first_and_last(told: Report) -> None:
    body = parsed(page(told)).body
    banners = [words(each) for each in body.xpath(".//p[contains(@class, 'banner')]")]
    assert banners[0].startswith("DRILL")
    assert banners[-1].startswith("DRILL")
    text = words(body)
    assert text.startswith("DRILL")
    assert text.endswith(banners[-1])
    marked = report.markdown(told, timezone=ZONE)
    assert marked.splitlines()[2].startswith("**DRILL")
    assert marked.rstrip().splitlines()[-1].startswith("**DRILL")


def test_a_sandbox_is_named_first_and_last(told: Report) -> None:
    sandboxed = replace(
        told, parts=tuple(replace(part, standing=replace(part.standing, sandbox=True)) for part in told.parts)
    )
    text = words(parsed(page(sandboxed)).body)
    assert text.startswith("SANDBOX - NOBODY WAS WARNED")
    assert text.count("SANDBOX - NOBODY WAS WARNED") == 2
    assert report.document(sandboxed)["nobody_was_warned"] is True


def test_broken_glass_is_the_first_thing_that_is_seen(desk: Scene) -> None:
    stored = broken_glass(desk, "Gelombang sudah <b>terlihat</b>")
    told = desk.ledger.read(lambda read: report.read(read, stored.id))
    tree = parsed(page(told))
    header = words(tree.xpath("//header")[0])
    assert "BREAK-GLASS - one officer sent this alone" in header
    assert "Gelombang sudah <b>terlihat</b>" in header
    assert not tree.xpath("//b")
    assert "REVIEW NOT DONE" in words(tree)


def test_a_drill_score_stands_with_its_plot(told: Report) -> None:
    target = Target("First acceptance", "10 s", "12 s", met=False)
    score = DrillScore("gempa", "done", "", 72, (target,), ((1_700_000_000_000, 55), (1_702_000_000_000, 72)))
    first = replace(told.parts[0], drill=score)
    text = page(replace(told, parts=(first, *told.parts[1:])))
    assert "72 of 100" in text
    assert "Scores out of 100. 2023-11-15: 55, 2023-12-08: 72" in text
    assert "72 of 100" in report.markdown(replace(told, parts=(first,)), timezone=ZONE)
    assert "NOT MET" in text


HOSTILE = st.one_of(
    st.text(max_size=60),
    st.sampled_from(
        [
            "<script>alert(1)</script>",
            '"><img src=x onerror=alert(1)>',
            "'\"--></style></title><svg/onload=alert(1)>",
            "{{ 7 * 7 }}{% raw %}",
            "]]><![CDATA[",
            "\x00\x1b[2J\u202e\ufffe\ud800",
            '=HYPERLINK("http://x")',
            "```\n| a | b |",
        ]
    ),
)


class Quiet:
    """The report with a short name, which hypothesis writes down."""

    def __init__(self, told: Report) -> None:
        self.told = told

    def __repr__(self) -> str:
        return "the report"


@pytest.fixture
def quietly(told: Report) -> Quiet:
    return Quiet(told)


@cache
def _canary() -> re.Pattern[str]:
    return re.compile(r"(?<!\\)<[a-z!/]", re.IGNORECASE)


@given(hostile=HOSTILE)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_text_from_outside_becomes_markup(quietly: Quiet, hostile: str) -> None:
    told = quietly.told
    part = told.parts[0]
    cause = Cause(hostile, hostile, hostile, 3)
    standing = replace(
        part.standing,
        break_glass=hostile or "x",
        reason=hostile,
        channels=tuple(replace(each, name=f"{each.name}{hostile}", held=hostile) for each in part.standing.channels),
    )
    attacked = replace(
        part,
        standing=standing,
        title=hostile,
        places=(hostile,),
        decisions=tuple(replace(each, who=hostile, act=hostile, reason=hostile) for each in part.decisions),
        messages=tuple(
            replace(each, channel=hostile, title=hostile, text=hostile, images=(Image(hostile, hostile, hostile),))
            for each in part.messages[:2]
        ),
        posts=tuple(replace(each, url=hostile) for each in part.posts),
        spans=tuple(replace(each, channel=hostile) for each in part.spans),
        timeline=tuple(replace(each, what=hostile, channel=hostile, marked=True) for each in part.timeline[:3]),
        retries=tuple(replace(each, reason=hostile) for each in part.retries),
        failures=(Failure(remedy(cause), (cause,)),),
    )
    attacked_report = replace(told, parts=(attacked,), damaged=(Damaged(hostile, hostile),))
    text = page(attacked_report, agency=hostile)
    tree = parsed(text.encode())
    for name in LOADING:
        assert not tree.xpath(f"//{name}")
    plain = parsed(page(told).encode())
    assert {element.tag for element in tree.iter() if isinstance(element.tag, str)} <= {
        element.tag for element in plain.iter() if isinstance(element.tag, str)
    } | {"strong", "p", "ol", "li"}
    for element in tree.iter():
        assert not any(name.startswith("on") for name in element.attrib)
    marked = report.markdown(attacked_report, timezone=ZONE)
    outside = re.sub(r"^(`{3,})text\n.*?^\1$", "", marked, flags=re.MULTILINE | re.DOTALL)
    assert not _canary().search(outside)


def test_contrast_is_enough_to_read_by() -> None:
    """WCAG 2.2, success criterion 1.4.3: 4.5 to 1 for text; 1.4.11: 3 to 1 for what a picture needs."""
    style = Path(__file__).parents[3].joinpath("templates/report/style.css").read_text("utf-8")
    blocks = re.findall(r":root \{(.*?)\n? *\}", style, re.DOTALL)
    assert len(blocks) == 3
    light = dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{3,6})", blocks[0]))
    assert len(light) > 15
    for block in blocks:
        colours = light | dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{3,6})", block))
        for ink, paper in (
            ("ink", "paper"),
            ("soft", "paper"),
            ("soft", "panel"),
            ("ink", "panel"),
            ("link", "paper"),
            ("alarm", "paper"),
            ("alarm", "alarm-paper"),
            ("drill", "paper"),
            ("drill", "drill-paper"),
            ("ink", "calm-paper"),
        ):
            assert contrast(colours[ink], colours[paper]) >= 4.5, (ink, paper, block[:40])
        for shape in ("out", "ink", "alarm"):
            assert contrast(colours[shape], colours["paper"]) >= 3, (shape, block[:40])
        for kind in ("sent", "doubt", "missed"):
            assert contrast(colours[f"{kind}-ink"], colours[kind]) >= 3, (kind, block[:40])


def contrast(one: str, other: str) -> float:
    lighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def luminance(colour: str) -> float:
    digits = colour.lstrip("#")
    digits = "".join(2 * digit for digit in digits) if len(digits) == 3 else digits
    parts = [int(digits[at : at + 2], 16) / 255 for at in (0, 2, 4)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("each", list(Remedy))
def test_every_remedy_says_what_lies_behind_and_what_to_do(each: Remedy) -> None:
    assert each.cause
    assert each.action.endswith(".")

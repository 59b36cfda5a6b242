"""What each version of CAP lets stand where: element order, occurrence and types, as tables.

Written from the specifications (CAP 1.0, 1.1 and 1.2, sections 3.2 and 3.4 of each) and the element declarations
that they print. `GRAMMAR[version]` is the content of <alert>.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import StrEnum

from kentongan.cap import lexical
from kentongan.cap.model import (
    NAMESPACES,
    Category,
    Certainty,
    MsgType,
    ResponseType,
    Scope,
    Severity,
    Status,
    Urgency,
)
from kentongan.cap.uri import is_any_uri
from kentongan.quick_dataclass import dataclass

SIGNATURE = "http://www.w3.org/2000/09/xmldsig#"


@dataclass(frozen=True, slots=True)
class Text:
    """An element that holds text only.

    `name` is the XML Schema type where it has one of its own ("" where the schema restricts one: such an element can
    carry no xsi:type); `choices` are the only values allowed; `form` says in words what is expected; with `default`
    an empty element stands for a value.
    """

    name: str
    accepts: Callable[[str], bool]
    form: str
    choices: tuple[str, ...] = ()
    default: bool = False


@dataclass(frozen=True, slots=True)
class Child:
    """One place in a sequence; `most` None is without bound."""

    name: str
    type: Text | Group
    least: int = 1
    most: int | None = 1


@dataclass(frozen=True, slots=True)
class Group:
    """An element that holds elements only, in this order; `signed` ones may end in XML signatures.

    The last child of a signed group must be optional and without bound.
    """

    children: tuple[Child, ...]
    signed: bool = False


STRING = Text("string", lexical.is_string, "text")
URI = Text("anyURI", is_any_uri, "an address such as https://example.org/page")
INTEGER = Text("integer", lexical.is_integer, "a whole number")
DECIMAL = Text("decimal", lexical.is_decimal, "a number such as 120 or 0.5")
LANGUAGE = Text("language", lexical.is_language, "a language code such as id-ID", default=True)
DATE_TIME = Text("dateTime", lexical.is_date_time, "a time such as 2030-01-31T09:00:00+07:00")
CAP_1_2_DATE_TIME = Text(
    "", lexical.is_cap_1_2_date_time, "a time such as 2030-01-31T09:00:00+07:00 (no fraction of a second, no Z)"
)
LIST = Text("", lexical.is_string, "words set apart by spaces")


def _one_of(choices: type[StrEnum], *, without: tuple[StrEnum, ...] = (), more: tuple[str, ...] = ()) -> Text:
    values = (*more, *(choice.value for choice in choices if choice not in without))
    return Text("", frozenset(values).__contains__, "one of " + ", ".join(values), choices=values)


def _optional(name: str, kind: Text | Group) -> Child:
    return Child(name, kind, least=0)


def _any_number(name: str, kind: Text | Group, *, least: int = 0) -> Child:
    return Child(name, kind, least=least, most=None)


def _alert(version: str) -> Group:
    first, last = version == "1.0", version == "1.2"
    time = CAP_1_2_DATE_TIME if last else DATE_TIME
    words = LIST if first else STRING
    pair = STRING if first else Group((Child("valueName", STRING), Child("value", STRING)))
    height = DECIMAL if last else STRING

    resource = [Child("resourceDesc", STRING), Child("mimeType", STRING, least=int(last))]
    resource += [_optional("size", INTEGER), _optional("uri", URI)]
    resource += [] if first else [_optional("derefUri", STRING)]
    resource += [_optional("digest", STRING)]

    area = [Child("areaDesc", STRING), _any_number("polygon", words), _any_number("circle", words)]
    area += [_any_number("geocode", pair), _optional("altitude", height), _optional("ceiling", height)]

    categories = _one_of(Category, without=(Category.CBRNE,)) if first else _one_of(Category)
    responses = _one_of(ResponseType, without=() if last else (ResponseType.AVOID, ResponseType.ALL_CLEAR))
    certainties = (
        _one_of(Certainty, without=(Certainty.OBSERVED,), more=("Very Likely",)) if first else _one_of(Certainty)
    )
    info = [_optional("language", LANGUAGE), _any_number("category", categories, least=int(not first))]
    info += [Child("event", STRING)]
    info += [] if first else [_any_number("responseType", responses)]
    info += [Child("urgency", _one_of(Urgency)), Child("severity", _one_of(Severity)), Child("certainty", certainties)]
    info += [_optional("audience", STRING), _any_number("eventCode", pair)]
    info += [_optional(name, time) for name in ("effective", "onset", "expires")]
    info += [_optional(name, STRING) for name in ("senderName", "headline", "description", "instruction")]
    info += [_optional("web", URI), _optional("contact", STRING), _any_number("parameter", pair)]
    info += [_any_number("resource", Group(tuple(resource))), _any_number("area", Group(tuple(area)))]

    alert = [Child("identifier", STRING), Child("sender", STRING), Child("sent", time)]
    alert += [Child("status", _one_of(Status, without=(Status.DRAFT,) if first else ()))]
    alert += [Child("msgType", _one_of(MsgType))]
    alert += [_optional("password", STRING)] if first else []
    alert += [_optional("source", STRING), Child("scope", _one_of(Scope), least=int(not first))]
    alert += [_optional("restriction", STRING), _optional("addresses", STRING), _any_number("code", STRING)]
    alert += [_optional("note", STRING), _optional("references", words), _optional("incidents", words)]
    alert += [_any_number("info", Group(tuple(info)))]
    return Group(tuple(alert), signed=last)


GRAMMAR: Mapping[str, Group] = {version: _alert(version) for version in NAMESPACES}

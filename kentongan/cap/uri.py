"""Whether a text is an xs:anyURI: a URI reference of RFC 3986 after the escaping that XML Schema prescribes.

Follows the grammar of RFC 3986 appendix A the way libxml2 walks it, one rule a method, because that is what decides
elsewhere whether an alert is valid: it reads anything between the brackets of an IP literal, takes brackets in a
fragment, and wants a port that is there to be a number.
"""

from __future__ import annotations

import re

from kentongan.cap.lexical import collapse

_ESCAPED = re.compile(r"[^!-~]|[<>\"{}|\\^`]")
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")
_PERCENT = r"%[0-9A-Fa-f]{2}"
_UNRESERVED = r"A-Za-z0-9._~\-"
_SUB_DELIMS = r"!$&'()*+,;="
_USER = re.compile(rf"(?:[{_UNRESERVED}{_SUB_DELIMS}:]|{_PERCENT})*@")
_LITERAL = re.compile(r"\[[^\]]*\]")
_NAME = re.compile(rf"(?:[{_UNRESERVED}{_SUB_DELIMS}]|{_PERCENT})*")
_PORT = re.compile(r":0*([0-9]{1,10})(?![0-9])")
_GREATEST_PORT = 2**31 - 1
_PCHAR = rf"(?:[{_UNRESERVED}{_SUB_DELIMS}:@]|{_PERCENT})"
_PCHAR_WITHOUT_COLON = rf"(?:[{_UNRESERVED}{_SUB_DELIMS}@]|{_PERCENT})"
_PATH_ABEMPTY = re.compile(rf"(?:/{_PCHAR}*)*")
_PATH_ABSOLUTE = re.compile(rf"/(?:{_PCHAR}+(?:/{_PCHAR}*)*)?")
_PATH_ROOTLESS = re.compile(rf"(?:{_PCHAR}+(?:/{_PCHAR}*)*)?")
_PATH_NOSCHEME = re.compile(rf"(?:{_PCHAR_WITHOUT_COLON}+(?:/{_PCHAR}*)*)?")
_TAIL = re.compile(rf"(?:\?(?:{_PCHAR}|[/?])*)?(?:#(?:{_PCHAR}|[/?\[\]])*)?")


def is_any_uri(value: str) -> bool:
    """xs:anyURI: empty, absolute or relative; characters that a URI must escape count as escaped."""
    text = _ESCAPED.sub("_", collapse(value))
    scheme = _SCHEME.match(text)
    if scheme is not None and _hierarchy_ends(text, scheme.end(), _PATH_ROOTLESS):
        return True
    return _hierarchy_ends(text, 0, _PATH_NOSCHEME)


def _hierarchy_ends(text: str, at: int, first: re.Pattern[str]) -> bool:
    """Whether the rest of `text` from `at` is a hierarchical part, query and fragment, up to its end."""
    if text.startswith("//", at):
        authority = _authority(text, at + 2)
        if authority is None:
            return False
        at, path = authority, _PATH_ABEMPTY
    else:
        path = _PATH_ABSOLUTE if text.startswith("/", at) else first
    match = path.match(text, at)
    assert match is not None
    return _TAIL.fullmatch(text, match.end()) is not None


def _authority(text: str, at: int) -> int | None:
    user = _USER.match(text, at)
    if user is not None:
        at = user.end()
    host = (_LITERAL if text.startswith("[", at) else _NAME).match(text, at)
    if host is None:
        return None
    at = host.end()
    if not text.startswith(":", at):
        return at
    port = _PORT.match(text, at)
    return port.end() if port is not None and int(port.group(1)) <= _GREATEST_PORT else None

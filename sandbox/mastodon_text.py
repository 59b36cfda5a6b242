"""How Mastodon counts a post's characters and what HTML it makes of it."""

from __future__ import annotations

import html
import re

_LINK = re.compile(r"https?://[^\s<>\"]*[^\s<>\".,;:!?)\]']")
_MENTION = re.compile(r"(?<![\w/])@(\w+)@[\w.-]*\w")
_HASHTAG = re.compile(r"(?<![\w/&])#(\w*[^\W\d]\w*)")
_SHOWN = 30
"""Characters of a link that are shown; the rest is there but hidden."""


def length_of(text: str, per_link: int) -> int:
    """Counts characters: a link as `per_link`, of a mention on another server only the local part."""
    text = _LINK.sub("x" * per_link, text)
    return len(_MENTION.sub(r"@\1", text))


def html_of(text: str) -> str:
    """Makes the `content` of a status: paragraphs, breaks, hashtags, and links cut into shown and hidden parts."""
    paragraphs = re.split(r"\n{2,}", text.strip())
    return "".join(f"<p>{_line(paragraph).replace(chr(10), '<br />')}</p>" for paragraph in paragraphs)


def _line(text: str) -> str:
    result, end = [], 0
    for match in _LINK.finditer(text):
        result.append(_hashtags(text[end : match.start()]))
        result.append(_link(match.group()))
        end = match.end()
    return "".join([*result, _hashtags(text[end:])])


def _hashtags(text: str) -> str:
    def tag(match: re.Match[str]) -> str:
        name = match.group(1)
        return f'<a href="/tags/{name.lower()}" class="mention hashtag" rel="tag">#<span>{name}</span></a>'

    return _HASHTAG.sub(tag, html.escape(text, quote=False))


def _link(url: str) -> str:
    scheme = re.match(r"https?://(www\.)?", url)
    prefix = scheme.group() if scheme else ""
    shown, rest = url[len(prefix) :][:_SHOWN], url[len(prefix) + _SHOWN :]
    kind = "ellipsis" if rest else ""
    return (
        f'<a href="{html.escape(url)}" rel="nofollow noopener" target="_blank">'
        f'<span class="invisible">{prefix}</span>'
        f'<span class="{kind}">{html.escape(shown)}</span>'
        f'<span class="invisible">{html.escape(rest)}</span></a>'
    )

"""The search for the fullest message that still fits."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Protocol, TypeVar

from kentongan.words.shortening import Budget

_LEAST_CHARACTERS = 60
_SOME_NAMES = 3
_LAST_RESORTS = (
    Budget(1, 20),
    Budget(0, 20),
    Budget(_SOME_NAMES, _LEAST_CHARACTERS, plain=True),
    Budget(0, 20, plain=True),
)


class Measured(Protocol):
    """A message made within a budget, with the longest list and quoted text that it could have said.

    `spared`: it has details that may be left out.
    """

    @property
    def most_names(self) -> int: ...  # noqa: D102
    @property
    def most_characters(self) -> int: ...  # noqa: D102
    @property
    def spared(self) -> bool: ...  # noqa: D102
    @property
    def fits(self) -> bool: ...  # noqa: D102


_M = TypeVar("_M", bound=Measured)


def fullest(make: Callable[[str, Budget], _M], forms: Sequence[str], *, last_resort: bool = False) -> _M | None:
    """Returns the fullest message that fits: in the first form that can be made to fit, with what can be spared, then
    the most names, then the longest quoted texts; None where nothing fits.

    A form is left for the next shorter one when not even one name of a list and a sentence of a quoted text fit.
    `last_resort` goes further down: a list is only counted, a text cut to a few words, strange letters given up.
    """
    for form in forms:
        full = make(form, Budget(spare=True))
        if full.fits:
            return full
        if full.spared:
            full = make(form, Budget())
            if full.fits:
                return full
        best = _fewer_names(make, form, full.most_names)
        if best is not None:
            return best
        for budget in (Budget(_SOME_NAMES, _LEAST_CHARACTERS), Budget(1, _LEAST_CHARACTERS)):
            best = _longer_texts(make, form, budget, full.most_characters)
            if best is not None:
                return best
        if last_resort and form == forms[-1]:
            for budget in _LAST_RESORTS:
                best = _longer_texts(make, form, budget, full.most_characters)
                if best is not None:
                    return best
    return None


def _fewer_names(make: Callable[[str, Budget], _M], form: str, longest: int) -> _M | None:
    def with_names(names: int) -> _M:
        return make(form, Budget(names=names))

    return _most(with_names, 1, longest - 1) if longest > 1 else None


def _longer_texts(make: Callable[[str, Budget], _M], form: str, least: Budget, longest: int) -> _M | None:
    def with_characters(characters: int) -> _M:
        return make(form, replace(least, characters=characters))

    floor = least.characters or 0
    return _most(with_characters, floor, max(floor, longest))


def _most(make: Callable[[int], _M], least: int, most: int) -> _M | None:
    """The message of the greatest number from `least` to `most` that fits; more is taken to be longer."""
    best = make(least)
    if not best.fits:
        return None
    while least < most:
        middle = (least + most + 1) // 2
        tried = make(middle)
        if tried.fits:
            least, best = middle, tried
        else:
            most = middle - 1
    return best

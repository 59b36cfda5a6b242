"""A frozen dataclass with slots is the standard library's in all that anybody can see of it."""

from __future__ import annotations

import copy
import dataclasses
import inspect
import pickle
import re
from collections.abc import Mapping
from dataclasses import field
from typing import Any, ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kentongan.quick_dataclass import dataclass


def _three() -> type[Any]:
    class Three:
        """Three fields."""

        known: ClassVar[int] = 3
        number: float
        secret: str = field(default="s", repr=False)
        more: dict[str, int] = field(default_factory=dict, compare=False)

        def double(self) -> float:
            return 2 * self.number

    return Three


def _with_methods() -> type[Any]:
    class Hashed:
        one: object
        two: object = field(default=2, hash=False)

        def __repr__(self) -> str:
            return "itself"

    return Hashed


def _empty() -> type[Any]:
    class Empty:
        """No field."""

    return Empty


@dataclass(frozen=True, slots=True)
class Kept:
    """Found by its name, so that it can be pickled."""

    number: float
    names: tuple[str, ...] = ()


_Ours = dataclass(frozen=True, slots=True)(_three())
_Theirs = dataclasses.dataclass(frozen=True, slots=True)(_three())
# Whether one NaN equals itself in two objects depends on the version of the standard library.
_VALUES = st.one_of(st.floats(allow_nan=False), st.integers(), st.text(max_size=3))


def _say(act: Any) -> object:
    """What an act gives, or what it raises."""
    try:
        return act()
    except Exception as error:
        return type(error), str(error)


@given(one=_VALUES, other=_VALUES, texts=st.lists(st.text(max_size=2), min_size=2, max_size=2))
def test_it_says_compares_and_counts_as_the_standard_library_has_it(one: Any, other: Any, texts: list[str]) -> None:
    ours, theirs = _Ours(one, texts[0], {"a": 1}), _Theirs(one, texts[0], {"a": 1})
    also_ours, also_theirs = _Ours(other, secret=texts[1]), _Theirs(other, secret=texts[1])
    assert repr(ours) == repr(theirs)
    assert "secret" not in repr(ours)
    assert (ours == also_ours) is (theirs == also_theirs)
    assert hash(ours) == hash(theirs)
    assert ours != theirs
    assert dataclasses.asdict(ours) == dataclasses.asdict(theirs) or one != one
    assert dataclasses.replace(ours, number=7) == _Ours(7, texts[0])
    assert copy.copy(ours) == ours == copy.deepcopy(ours) or one != one
    assert also_ours.more == {}
    assert also_ours.more is not _Ours(other).more


@pytest.mark.parametrize(
    "act",
    [
        lambda cls: cls(),
        lambda cls: cls(1, 2, {}, 4),
        lambda cls: cls(1, other=2),
        lambda cls: setattr(cls(1), "number", 2),
        lambda cls: delattr(cls(1), "secret"),
        lambda cls: vars(cls(1)),
        lambda cls: cls(1) < cls(2),
        lambda cls: hash(cls([])),
        lambda cls: cls(3).double(),
        lambda cls: (cls.__match_args__, cls.__slots__, cls.__doc__, cls.known, str(inspect.signature(cls))[:30]),
        lambda cls: [str(one)[:40] for one in dataclasses.fields(cls)],
    ],
)
def test_it_takes_and_refuses_what_the_standard_library_does(act: Any) -> None:
    ours, theirs = (_say(lambda cls=cls: act(cls)) for cls in (_Ours, _Theirs))
    assert re.sub(r"0x\w+", "", str(ours)) == re.sub(r"0x\w+", "", str(theirs))


@pytest.mark.parametrize(("made", "given"), [(_with_methods, {"one": 1}), (_empty, {})])
def test_methods_of_its_own_and_fields_that_are_left_out_stay_so(made: Any, given: Mapping[str, Any]) -> None:
    ours, theirs = dataclass(frozen=True, slots=True)(made()), dataclasses.dataclass(frozen=True, slots=True)(made())
    assert repr(ours(**given)) == repr(theirs(**given))
    assert hash(ours(**given)) == hash(theirs(**given))
    assert ours(**given) == ours(**given)


def test_it_can_be_pickled() -> None:
    assert pickle.loads(pickle.dumps(Kept(1.5, ("a", "b")))) == Kept(1.5, ("a", "b"))


def test_what_it_would_not_make_as_the_standard_library_does_is_refused() -> None:
    class Inheriting(Kept):
        number: int

    class Behind:
        number: int

        def __post_init__(self) -> None:
            raise AssertionError

    class Apart:
        number: int = field(kw_only=True)

    for cls in (Inheriting, Behind, Apart):
        with pytest.raises(TypeError, match="take the standard library's"):
            dataclass(frozen=True, slots=True)(cls)


def test_every_other_kind_is_the_standard_librarys_own() -> None:
    @dataclass(slots=True)
    class Open:
        number: int

    opened = Open(1)
    opened.number = 2
    assert opened == Open(2)

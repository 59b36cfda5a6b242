"""The standard library's `dataclass`, quicker to make where it is frozen with slots, which nearly all of ours are.

The standard library writes eight methods of such a class as text and compiles each: half a millisecond a class, a sixth
of what `kentongan send` takes before its first request. Here one is compiled, `__init__`; the others differ from class
to class in the names of fields alone. They do the same, but for what no class of ours needs and what is refused: such a
class inherits from none, each of its fields stands in `__init__` by place, and nothing runs behind that.
"""

from __future__ import annotations

import dataclasses
import operator
import reprlib
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

_FROZEN_WITH_SLOTS = {"frozen": True, "slots": True}


def _dataclass(cls: type[Any] | None = None, /, **options: Any) -> Any:
    """Makes a class a dataclass; takes what the standard library's own takes."""
    if cls is None and options == _FROZEN_WITH_SLOTS:
        return _quick
    return dataclasses.dataclass(cls, **options)


if TYPE_CHECKING:
    # What it makes is a dataclass for whoever checks types, too.
    from dataclasses import dataclass as dataclass
else:
    dataclass = _dataclass


def _quick(cls: type[Any]) -> type[Any]:
    """What `dataclasses.dataclass(frozen=True, slots=True)` makes of a class; raises TypeError where it cannot."""
    written = {name for name, method in vars(cls).items() if method is not None}
    if cls.__bases__ != (object,) or not written.isdisjoint({"__post_init__", "__setattr__", "__delattr__"}):
        raise TypeError(f"{cls.__qualname__} inherits or sets fields; take the standard library's dataclass for it")
    # To a class without a docstring the standard library gives its signature, which takes longer than all the rest.
    cls.__doc__ = cls.__doc__ or cls.__name__
    made = dataclasses.dataclass(init=False, repr=False, eq=False, slots=True)(cls)
    fields = dataclasses.fields(made)
    if not all(one.init and not one.kw_only for one in fields):
        raise TypeError(f"{cls.__qualname__} has fields apart; take the standard library's dataclass for it")
    methods = {**_init(fields), **_repr(fields), **_comparing(made, fields), **_frozen(made, fields), **_state(fields)}
    for name in methods.keys() - written:
        method = methods[name]
        method.__qualname__ = f"{made.__qualname__}.{name}"
        method.__module__ = made.__module__
        setattr(made, name, method)
    return made


_Fields = Sequence[dataclasses.Field[Any]]
_Methods = Mapping[str, Callable[..., Any]]


def _init(fields: _Fields) -> _Methods:
    known: dict[str, Any] = {"_set_": object.__setattr__, "_anew_": object()}
    parameters, lines = [], ["pass"]
    for one in fields:
        name, value = one.name, one.name
        if one.default_factory is not dataclasses.MISSING:
            known[f"_factory_{name}_"] = one.default_factory
            parameters.append(f"{name}=_anew_")
            value = f"_factory_{name}_() if {name} is _anew_ else {name}"
        elif one.default is not dataclasses.MISSING:
            known[f"_default_{name}_"] = one.default
            parameters.append(f"{name}=_default_{name}_")
        else:
            parameters.append(name)
        lines.append(f"_set_(self, {name!r}, {value})")
    body = "\n    ".join(lines)
    exec(f"def __init__(self, {', '.join(parameters)}):\n    {body}", known)  # noqa: S102 (names of our own fields)
    init: Callable[..., Any] = known["__init__"]
    init.__annotations__ = {**{one.name: one.type for one in fields}, "return": None}
    return {"__init__": init}


def _repr(fields: _Fields) -> _Methods:
    names = [one.name for one in fields if one.repr]

    @reprlib.recursive_repr()
    def __repr__(self: Any) -> str:
        shown = ", ".join(f"{name}={getattr(self, name)!r}" for name in names)
        return f"{type(self).__qualname__}({shown})"

    return {"__repr__": __repr__}


def _values(names: Sequence[str]) -> Callable[[Any], tuple[Any, ...]]:
    """What gives the values of these attributes of an object."""
    if len(names) > 1:
        return operator.attrgetter(*names)
    return lambda value: tuple(getattr(value, name) for name in names)


def _comparing(cls: type[Any], fields: _Fields) -> _Methods:
    compared = _values([one.name for one in fields if one.compare])
    hashed = _values([one.name for one in fields if (one.compare if one.hash is None else one.hash)])

    def __eq__(self: Any, other: object) -> Any:
        return compared(self) == compared(other) if type(other) is type(self) else NotImplemented

    def __hash__(self: Any) -> int:
        return hash(hashed(self))

    return {"__eq__": __eq__, "__hash__": __hash__}


def _frozen(cls: type[Any], fields: _Fields) -> _Methods:
    names = frozenset(one.name for one in fields)

    def __setattr__(self: Any, name: str, value: object) -> None:
        if type(self) is cls or name in names:
            raise dataclasses.FrozenInstanceError(f"cannot assign to field {name!r}")
        super(cls, self).__setattr__(name, value)

    def __delattr__(self: Any, name: str) -> None:
        if type(self) is cls or name in names:
            raise dataclasses.FrozenInstanceError(f"cannot delete field {name!r}")
        super(cls, self).__delattr__(name)

    return {"__setattr__": __setattr__, "__delattr__": __delattr__}


def _state(fields: _Fields) -> _Methods:
    """What copies and pickles an object whose attributes cannot be set."""
    names = [one.name for one in fields]

    def __getstate__(self: Any) -> list[Any]:
        return [getattr(self, name) for name in names]

    def __setstate__(self: Any, state: Sequence[Any]) -> None:
        for name, value in zip(names, state, strict=True):
            object.__setattr__(self, name, value)

    return {"__getstate__": __getstate__, "__setstate__": __setstate__}

"""The channels an agency can own: one module a kind, found by listing this folder.

Listing kinds, their traits, settings and limits imports no network library; opening instances does.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from kentongan.errors import BadConfig
from kentongan.seam import Mode

if TYPE_CHECKING:
    import httpx

    from channels._adapter import Adapter, ChannelSettings
    from kentongan.seam import Channel, Limits, Traits
    from kentongan.settings import InstanceSettings, Settings


def kinds() -> tuple[str, ...]:
    """Every kind of channel that is there, by name."""
    return tuple(sorted(module.name for module in pkgutil.iter_modules(__path__) if not module.name.startswith("_")))


class _Models(Mapping[str, "type[InstanceSettings]"]):
    """Settings models by kind; a kind is imported when its model is asked for."""

    def __init__(self) -> None:
        self._kinds = kinds()

    def __getitem__(self, kind: str) -> type[InstanceSettings]:
        """The model of a kind that is there."""
        if kind not in self._kinds:
            raise KeyError(kind)
        return settings_model(kind)

    def __contains__(self, kind: object) -> bool:
        return kind in self._kinds

    def __iter__(self) -> Iterator[str]:
        return iter(self._kinds)

    def __len__(self) -> int:
        return len(self._kinds)


def settings_models() -> Mapping[str, type[InstanceSettings]]:
    """The settings model of every kind, for `kentongan.config_folder.load`, which imports those that it asks for."""
    return _Models()


def settings_model(kind: str) -> type[ChannelSettings]:
    """The settings model of one kind."""
    model: type[ChannelSettings] = importlib.import_module(f"channels.{kind}").Settings
    return model


def adapter(kind: str) -> type[Adapter]:
    """The adapter of one kind, a `kentongan.seam.Channel` once built."""
    model: type[Adapter] = importlib.import_module(f"channels.{kind}").Adapter
    return model


def traits(kind: str) -> Traits:
    """What channels of this kind can do."""
    return adapter(kind).traits


def limits(settings: InstanceSettings) -> Limits:
    """What one configured instance allows; needs neither its secrets nor a network library.

    Raises TypeError for settings that no adapter of this package defined.
    """
    from channels._adapter import ChannelSettings

    if not isinstance(settings, ChannelSettings):
        raise TypeError(f"settings of kind {settings.kind!r} are not of that kind's own model")
    return settings.limits()


def default_limits(kind: str) -> Limits:
    """What an instance of this kind allows whose config sets no limits of its own."""
    # A kind's own limits need none of the fields that only a config can give.
    model: type[Any] = settings_model(kind)
    found: Limits = model.model_construct(kind=kind, mode=Mode.LIVE).limits()
    return found


def open(  # the word of the design: `channels.open(settings)`
    settings: Settings,
    *,
    names: Collection[str] | None = None,
    transport: httpx.AsyncBaseTransport | None = None,
) -> dict[str, Channel]:
    """Builds the configured instances, all or those in `names`, by name; nothing is sent and nobody is asked.

    Each keeps to the event loop that first uses it. `transport` replaces the own one of every instance that
    speaks HTTP; the caller closes it. Raises BadConfig with every absent secret, a sentence a line.
    """
    from channels._adapter import ChannelSettings

    wanted = settings.channels if names is None else {n: s for n, s in settings.channels.items() if n in names}
    opened: dict[str, Channel] = {}
    faults: list[str] = []
    for name, instance in wanted.items():
        if not isinstance(instance, ChannelSettings):
            raise TypeError(f"settings of kind {instance.kind!r} are not of that kind's own model")
        try:
            opened[name] = adapter(instance.kind)(name, instance, transport=transport)
        except BadConfig as error:
            place = f"{settings.source / 'channels.yaml'}: " if settings.source is not None else ""
            faults.append(f"{place}{error}")
    if faults:
        raise BadConfig("\n".join(faults))
    return opened


async def prepare(opened: Iterable[Channel]) -> None:
    """Does beforehand what the first message of these instances would wait for, above all to import a library.

    For a process that waits for alerts; nothing is sent and nobody is asked.
    """
    from channels._adapter import Adapter

    for channel in opened:
        if isinstance(channel, Adapter):
            await channel.prepare()

"""What every process needs: the config, the ledger, the keys, the channels, and a dispatcher over them."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import os
import random
import secrets
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import channels
from kentongan import config_folder, config_place
from kentongan.clock import Clock, SystemClock, network_offset
from kentongan.errors import BadConfig
from kentongan.keys import StateKeys
from kentongan.quick_dataclass import dataclass
from kentongan.settings import Policy
from kentongan.state import SPARE_VARIABLE, State

if TYPE_CHECKING:
    from kentongan.desk import Desk
    from kentongan.dispatcher import Dispatcher
    from kentongan.ledger import Ledger, Read, Write
    from kentongan.seam import Address, Channel, Inbound
    from kentongan.settings import Settings

CONSOLE = "console"
"""The role of a process that sends nothing."""

Vouch = Callable[["Read", str], "str | None"]


@dataclass(frozen=True, slots=True)
class House:
    """One process's hold on an installation; `settings` is None where no config was named or found.

    `sender` is this process's name in the record, "" for one that sends nothing; `folder` is the config's. Made
    by `open`; close it.
    """

    state: State
    settings: Settings | None
    ledger: Ledger
    keys: StateKeys
    clock: Clock
    role: str
    sender: str
    folder: Path | None = None

    @classmethod
    def open(cls, config: Path | None, state: Path | None, *, role: str = CONSOLE, spool: Path | None = None) -> House:
        """Opens what `config` and `state` name, else what the environment does; `spool` stands in for the ledger.

        `role` tells officers what this process is ("service", "send", "flow"); all but CONSOLE may send, and keep a
        chain of their own in the record. Without the key of people's data, or with another's, all goes on that needs
        no address, and the rest raises PeopleKeyAway. Raises BadConfig, BadInput, LedgerUnavailable.
        """
        # Late: the help of a command must not pay for it.
        from kentongan.ledger import Ledger
        from kentongan.ledger.opening import open_keys

        folder = config_place.find_config(config)
        settings = config_folder.load(folder, channels.settings_models()) if folder is not None else None
        place = dataclasses.replace(State.find(state), spool=spool)
        keys = open_keys(place, people_may_be_away=True)
        clock = SystemClock()
        sender = "" if role == CONSOLE else secrets.token_hex(8)
        house = cls(
            state=place,
            settings=settings,
            ledger=Ledger.open(place.place, clock=clock, chain=sender or CONSOLE),
            keys=keys,
            clock=clock,
            role=role,
            sender=sender,
            folder=folder,
        )
        house._have_keys_tried()
        if sender:
            house.keys.people_key_away()
        return house

    def _have_keys_tried(self) -> None:
        """Lets no key of people's data be used that is not the one that the ledger was written with."""

        def trial(keys: StateKeys) -> str | None:
            # Late: a command that needs nobody's data pays nothing.
            from kentongan.ledger import key_match

            return self.ledger.read(lambda read: key_match.fault(read, keys))

        self.keys.try_people_key(trial)

    def refuse_other_keys(self) -> None:
        """Raises PeopleKeyAway where the key of people's data is away, or not the one that the ledger was written with.

        With another nobody would be found, and what is written would be lost. A ledger that cannot be read now tells
        by itself.
        """
        self.keys.need_people_key()

    def close(self) -> None:
        """Lets the last writes finish."""
        self.ledger.close()

    def __enter__(self) -> House:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def policy(self) -> Policy:
        """The config's policy; the shipped defaults without a config."""
        return self.settings.policy if self.settings is not None else Policy()

    @property
    def zone(self) -> ZoneInfo:
        """The zone in which officers read times: the agency's, or UTC where no config says."""
        return ZoneInfo(self.settings.agency.timezone if self.settings is not None else "UTC")

    def open_channels(self, names: Collection[str] | None = None) -> dict[str, Channel]:
        """Opens the configured instances, all or those in `names`; raises BadConfig, also where there is no config."""
        if self.settings is None:
            raise BadConfig(
                "no config is named, so there is no channel to send on; name its folder with --config or"
                " KENTONGAN_CONFIG"
            )
        return channels.open(self.settings, names=names)

    def open_each(self) -> tuple[dict[str, Channel], dict[str, str]]:
        """Opens every configured instance that can be, and says of each other what is wrong with it, in a sentence."""
        opened: dict[str, Channel] = {}
        faults: dict[str, str] = {}
        for name in self.settings.channels if self.settings is not None else ():
            try:
                opened |= self.open_channels([name])
            except BadConfig as error:
                faults[name] = f"{error}."
        return opened, faults

    def open_addresses(self, ids: Sequence[int]) -> dict[int, Address]:
        """The addresses with these ids, readable; those of erased persons are left out."""
        from kentongan.ledger import work

        sealed = self.ledger.read(lambda read: work.sealed_addresses(read, ids))
        return {
            id: self.keys.decrypt_address(found.key, found.ciphertext, aad=found.person_id.encode())
            for id, found in sealed.items()
            if found.key is not None
        }

    def take_answers(self) -> Callable[[Write, str, Sequence[Inbound]], object]:
        """What keeps the answers that people send to an instance, in the words of all languages; raises BadConfig."""
        from kentongan.data import data_path
        from kentongan.ledger import answers
        from kentongan.words.languages import read_languages, spoken

        words = spoken(read_languages(data_path("templates") / "languages"))
        return lambda write, instance, inbound: answers.record(
            write, instance=instance, inbound=inbound, keys=self.keys, words=words
        )

    def desk(self, settings: Settings | None = None) -> Desk:
        """The duty desk over this ledger; `settings` stand in where there is no config. Raises BadConfig.

        Its words are read when they are first asked for.
        """
        from kentongan.data import data_path
        from kentongan.desk import Desk, Kinds
        from kentongan.words.library import HazardLibrary

        chosen = settings or self.settings
        if chosen is None:
            raise BadConfig("no config is named; name its folder with --config or KENTONGAN_CONFIG")
        return Desk(
            ledger=self.ledger,
            settings=chosen,
            library=HazardLibrary(data_path("templates")),
            kinds=Kinds(traits=channels.traits, limits=channels.limits),
            clock=self.clock,
            clock_offset=network_offset(),
            identify=self.keys.address_hash,
            witness=self.keys.witness,
            head_key=self.keys.head_public_key,
            fence=self._fence,
            people_away=self.keys.people_key_away,
        )

    def _fence(self, alert_id: str, code: str) -> contextlib.AbstractContextManager[None]:
        """Keeps an alert that is sent from the spare from being dispatched here too."""
        if SPARE_VARIABLE not in os.environ:
            return contextlib.nullcontext()
        from kentongan.safekeeping import spare

        return spare.fence(self.state, alert_id, code)

    def dispatcher(
        self,
        opened: Mapping[str, Channel],
        *,
        vouch: Vouch | None = None,
        only: frozenset[str] | None = None,
        orchestrate: Callable[[str], Awaitable[None]] | None = None,
        done: Callable[[str], None] | None = None,
        takes_part: bool = False,
    ) -> Dispatcher:
        """A dispatcher over the channels in `opened`, not started; `vouch` is the desk's own unless given.

        With `takes_part` it also sends of what another sender owns.

        Raises TypeError in a process that opened the house to send nothing.
        """
        from kentongan.desk.verdicts import vouch as approved
        from kentongan.dispatcher import Dispatcher

        if not self.sender:
            raise TypeError(f"a process in the role {self.role!r} sends nothing")
        return Dispatcher(
            ledger=self.ledger,
            clock=self.clock,
            channels=opened,
            policy=self.policy,
            open_addresses=self.open_addresses,
            people_away=self.keys.people_key_away,
            vouch=vouch or functools.partial(approved, policy=self.policy, head_key=self.keys.head_public_key),
            chance=random.random,
            role=self.role,
            only=only,
            takes_part=takes_part,
            orchestrate=orchestrate,
            done=done,
            sender=self.sender,
        )

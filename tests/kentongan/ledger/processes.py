"""Other processes over the same ledger, which do one thing when told and can be killed between any two."""

from __future__ import annotations

import multiprocessing
import random
import threading
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from kentongan import pruning
from kentongan.clock import Milliseconds, Process
from kentongan.delivery import Action, Evidence, Phase
from kentongan.keys import StateKeys
from kentongan.ledger import Ledger, Write, claims, outcomes, senders
from kentongan.ledger.outcomes import Settled
from kentongan.policy import Decision, Reason
from kentongan.settings import Agency
from tests.kentongan.ledger.hammering import Hammer

Open = Callable[[str, str], Ledger]
"""Opens the ledger at a place under a chain of its own; a function of a module, so that a process can be given it."""

_ACCEPTED = Decision(Evidence.ACCEPTED, Reason.ACCEPTED)


@dataclass
class Other:
    """A process with the ledger open, registered as the sender `name`; `tell` it what to do."""

    name: str
    process: BaseProcess
    pipe: Connection

    def tell(self, act: str, *arguments: Any) -> Any:
        """Has it do something and returns what came of it."""
        self.begin(act, *arguments)
        return self.answer()

    def begin(self, act: str, *arguments: Any, **options: Any) -> None:
        self.pipe.send((act, arguments, options))

    def answer(self) -> Any:
        assert self.pipe.poll(60), f"{self.name} says nothing"
        return self.pipe.recv()

    def go_on(self) -> Any:
        """Lets it commit what `hold` began."""
        self.pipe.send(None)
        return self.answer()

    def kill(self) -> None:
        """kill -9, and waits until the process is gone."""
        self.process.kill()
        self.process.join(30)
        assert self.process.exitcode == -9

    def end(self) -> None:
        if self.process.is_alive():
            self.pipe.close()
            self.process.join(30)


class Others:
    """Starts other processes over one ledger, and ends them."""

    def __init__(self, open_ledger: Open, place: str) -> None:
        self._open = open_ledger
        self._place = place
        # Processes of their own kind, forked from one that has no threads and has imported all that they need.
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload([__name__, "tests.postgres", "psycopg", "sqlalchemy.dialects.sqlite"])
        self.started: list[Other] = []

    def start(self, name: str) -> Other:
        """A process with the ledger open."""
        other = self.prepare(name)
        assert other.tell("open") == "open"
        return other

    def prepare(self, name: str) -> Other:
        """A process that has not opened the ledger yet."""
        ours, theirs = self._context.Pipe()
        process = self._context.Process(target=_serve, args=(self._open, self._place, name, theirs), daemon=True)
        process.start()
        theirs.close()
        other = Other(name, process, ours)
        self.started.append(other)
        assert other.answer() == "there"
        return other

    def end(self) -> None:
        for other in self.started:
            other.end()


def _serve(open_ledger: Open, place: str, name: str, pipe: Connection) -> None:
    pipe.send("there")
    sender: _Sender | None = None
    while True:
        try:
            act, arguments, options = pipe.recv()
        except EOFError:
            break
        if act == "open":
            sender = _Sender(open_ledger(place, name), name, pipe)
            pipe.send("open")
            continue
        assert sender is not None
        pipe.send(getattr(sender, act)(*arguments, **options))
    if sender is not None:
        sender.ledger.close()


@dataclass
class _Sender:
    ledger: Ledger
    name: str
    pipe: Connection

    def __post_init__(self) -> None:
        self.ledger.write(
            lambda write: senders.register(
                write, sender=self.name, role="send", process=Process.current(), clock=self.ledger.clock
            )
        )

    def claim(self, alert_id: str, instance: str, most: int) -> list[int]:
        found = self.ledger.write(
            lambda write: claims.claim(write, sender=self.name, alert_id=alert_id, instance=instance, most=most),
            beside=True,
        )
        return [claimed.id for claimed in found]

    def intend(self, deliveries: list[int], phase: Phase) -> list[tuple[int, int]]:
        intents = self.ledger.write(
            lambda write: claims.intend(write, sender=self.name, deliveries=deliveries, phase=phase),
            beside=True,
        )
        return [(intent.delivery, intent.attempt) for intent in intents]

    def settle(self, attempts: list[tuple[int, int]], decision: Decision = _ACCEPTED) -> None:
        settled = [Settled(id, number, decision) for id, number in attempts]
        self.ledger.write(lambda write: outcomes.settle(write, sender=self.name, outcomes=settled), beside=True)

    def drain(self, alert_id: str, instance: str, most: int) -> list[int]:
        """Sends all it can get, until nothing is due any more; returns what it had leave to send."""
        sent: list[int] = []
        while claimed := self.claim(alert_id, instance, most):
            attempts = self.intend(claimed, Phase.IRREVERSIBLE)
            sent += [id for id, _ in attempts]
            self.settle(attempts)
        return sent

    def hammer(self, alerts: list[str], rounds: int, seed: int) -> list[tuple[int, int]]:
        """Does everything at random; returns what it had leave to send."""
        return Hammer(self.ledger, self.name, random.Random(seed)).run(alerts, rounds)

    def hold(self, note: str) -> str:
        """Begins a transaction, says so, and commits it when told to go on."""

        def act(write: Write) -> str:
            write.event("note", note=note)
            self.pipe.send("held")
            self.pipe.recv()
            return "committed"

        return self.ledger.write(act)

    def prune(self, state: Path, before: Milliseconds) -> int:
        """Prunes what has been quiet since, in small transactions; returns how many deliveries went."""
        agency = Agency(name="BPBD", sender="bpbd@example.org", languages=("id",), link="https://siaga.example/a")
        keys = StateKeys.open(state)
        return pruning.prune(self.ledger, keys, agency, before=before, by=self.name).deliveries

    def stall(self, act: str, *arguments: Any, after: int = 0) -> None:
        """Does all of `act` but one commit, says so, and stays there; that one is the first, or one `after` it."""
        for_ever = threading.Event()
        put = self.ledger.write
        commits = iter(range(after))

        def write(inner: Callable[[Write], Any], **options: Any) -> Any:
            if next(commits, None) is not None:
                return put(inner, **options)

            def unfinished(write: Write) -> None:
                inner(write)
                self.pipe.send("stalled")
                for_ever.wait()

            return put(unfinished, **options)

        self.ledger.write = write  # type: ignore[assignment, method-assign]
        getattr(self, act)(*arguments)


def again_at(due_at: int, *, action: Action = Action.SEND) -> Decision:
    """What never left and is planned again."""
    return Decision(Evidence.ABSENT, Reason.NEVER_LEFT, action=action, due_at=due_at)

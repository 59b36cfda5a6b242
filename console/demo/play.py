"""What happens in the demo, step by step, on a terminal."""

from __future__ import annotations

import asyncio
import contextlib
import json
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from zoneinfo import ZoneInfo

from rich.live import Live

from console import output, standing, words
from console.commands.preview import filled
from console.demo import expectations, samples
from console.demo.stage import APPROVER, SUBMITTER, Stage, stage
from kentongan import report, telling
from kentongan.cap.model import Status
from kentongan.desk import approvals, composing, drafts, following, releases, settling, submitting, withdrawing
from kentongan.dispatcher.starting import TOO_LONG
from kentongan.ledger import Read, verification, views
from kentongan.ledger.alerts import StoredAlert
from kentongan.overview import Overview, overview
from kentongan.seam import Rendered
from kentongan.verdict import Approved
from kentongan.words.counting import count
from kentongan.words.late import at_widest

_PREFECT_PATIENCE = 120.0
_RECEIPTS_PATIENCE = 15.0
_STOP_AFTER = 20


@dataclass(slots=True)
class Play:
    """One performance; `began` is when it began, in seconds."""

    on: Stage
    began: float

    def step(self, title: str) -> None:
        """Announces what comes next."""
        output.say()
        output.say(f"[{time.monotonic() - self.began:4.1f} s] {title}")

    async def prefect(self) -> bool:
        """Waits until the Prefect server answers and is warm; False where it does not in time."""
        deadline = time.monotonic() + _PREFECT_PATIENCE
        while time.monotonic() < deadline:
            if self.on.service.shows_in_prefect:
                return True
            await asyncio.sleep(0.1)
        return False

    async def approved(self, drafted: drafts.Drafted) -> StoredAlert:
        """Previews a draft, submits it as one officer and approves it as the other."""
        code = drafted.alert.code
        for warning in drafted.warnings:
            output.say(f"  note: {warning}")
        submitted = await asyncio.to_thread(submitting.submit, self.on.desk, code, self.on.ani)
        self.preview(submitted.composed)
        stored, verdict = await asyncio.to_thread(approvals.approve, self.on.desk, code, self.on.budi)
        assert isinstance(verdict, Approved)
        output.say(
            f"  submitted by {SUBMITTER}, approved by {APPROVER}: {len(submitted.composed.alert.messages)} messages"
        )
        output.say(f"  and as many corrections lie ready, for {telling.people(submitted.people)} on direct channels")
        return stored

    def preview(self, composed: composing.Composed) -> None:
        """Shows the shortest message whole, and what the others count."""
        rows = []
        for message in composed.alert.messages:
            limits = self.on.desk.kinds.limits(composed.instances[message.instance])
            length, most = count(self.widest(message), limits.counting), words.number(limits.length)
            unit = words.UNITS[limits.counting]
            rows.append((message.instance, message.language, words.number(length), f"{most} {unit}"))
        output.print_table(("Channel", "Language", "Length", "of at most"), rows, right=(2,))
        short = min(composed.alert.messages, key=lambda message: len(message.text))
        output.say(f"  {short.instance} ({short.language}) will say:")
        for line in filled(short, None).text.splitlines():
            output.say(f"    | {line}")

    def widest(self, message: Rendered) -> str:
        """The text as long as it can get: with what only the sending will tell at its widest."""
        languages = self.on.desk.library.languages
        own = languages.get(message.language) or next(iter(languages.values()))
        return at_widest(message.text, own, languages, ZoneInfo(self.on.desk.settings.agency.timezone))

    async def send(self, code: str) -> StoredAlert:
        """Commits a dispatch and nudges the service, as `kentongan send` does."""
        released = await asyncio.to_thread(releases.dispatch, self.on.desk, code, self.on.ani)
        await self.on.service.dispatcher.nudge(released.alert.id)
        return released.alert

    async def followed(self, drafted: drafts.Drafted) -> StoredAlert:
        """Approves what follows an alert, sends it, and watches it to its end."""
        await self.approved(drafted)
        sent = await self.send(drafted.alert.code)
        await self.watch(sent, lambda seen: not seen.open)
        return sent

    async def watch(self, alert: StoredAlert, until: Callable[[Overview], bool]) -> None:
        """Shows the live table until `until` holds; into a file or a pipe only as it then is."""
        terminal = output.terminal()
        with Live(console=terminal, refresh_per_second=8) if terminal.is_terminal else contextlib.nullcontext() as live:
            while not until(seen := self.seen(alert)):
                if live is not None:
                    live.update(standing.table(seen, ZoneInfo(self.on.desk.settings.agency.timezone)))
                await asyncio.sleep(0.1)
            if live is not None:
                live.update(standing.table(seen, ZoneInfo(self.on.desk.settings.agency.timezone)))
            else:
                terminal.print(standing.table(seen, ZoneInfo(self.on.desk.settings.agency.timezone)))

    def seen(self, alert: StoredAlert) -> Overview:
        """How the alert stands now."""
        return self.on.house.ledger.read(lambda read: overview(read, alert.id))

    def recorded(self, alert: StoredAlert) -> expectations.Seen:
        """The alert's deliveries with their addresses, for the comparison with the stand-ins."""
        found = self.on.house.ledger.read(lambda read: views.deliveries(read, alert.id))
        opened = self.on.house.open_addresses([d.address_id for d in found if d.address_id is not None])
        addressed = [(d, opened[d.address_id].value if d.address_id is not None else "") for d in found]
        return expectations.Seen(alert.kind, alert.code, addressed)


def _receipts_in(seen: Overview) -> bool:
    wanted = {instance: word for instance, _, _, word in expectations.DIRECT}
    return not seen.open and all(
        set(channel.words) == {wanted[channel.name]} for channel in seen.channels if channel.name in wanted
    )


async def perform(root: Path) -> bool:
    """Plays the whole demo below `root`; True where ledger and stand-ins both show what they must."""
    began = time.monotonic()
    output.say(output.SANDBOX)
    output.say(f"Everything of this demo is in {root}")
    async with stage(root) as on:
        play = Play(on, began)
        output.say(f"What citizens would see: {on.sandbox.url}/ (while the demo runs)")

        play.step("A tsunami warning comes in (CAP, two languages) and is relayed as a drill")
        relayed = await asyncio.to_thread(
            drafts.from_cap, on.desk, samples.tsunami(on.desk.now, 1), lower_to=Status.EXERCISE, by=SUBMITTER
        )
        await play.approved(relayed)

        play.step("The Prefect server comes up beside the service")
        shown = await play.prefect()
        output.say(f"  {'it answers and is warmed up' if shown else 'it does not answer: sending goes on without it'}")

        play.step(f"{SUBMITTER} sends alert {relayed.alert.code} on {expectations.CHANNELS} channels: six faults wait")
        expectations.prepare_first(on.sandbox)
        warning = await play.send(relayed.alert.code)
        await play.watch(warning, lambda seen: not seen.open)
        async with asyncio.timeout(_RECEIPTS_PATIENCE):
            await play.watch(warning, _receipts_in)

        play.step("The second bulletin raises the level: an update in our own words")
        raised = await asyncio.to_thread(
            following.update,
            on.desk,
            warning.code,
            samples.second_bulletin(on.desk.now),
            by=SUBMITTER,
            hazard="tsunami",
        )
        update = await play.followed(raised)

        play.step("The issuer ends its warning: an all-clear, which otherwise would have to wait two hours")
        ended = await asyncio.to_thread(
            following.all_clear,
            on.desk,
            warning.code,
            by=SUBMITTER,
            evidence="",
            documents=samples.tsunami(on.desk.now, 4),
        )
        clear = await play.followed(ended)

        play.step("An earthquake (BMKG's JSON) is sent, and stopped in the middle")
        expectations.prepare_second(on.sandbox)
        quake = await asyncio.to_thread(
            drafts.from_bmkg, on.desk, samples.earthquake(on.desk.now), {}, status=Status.EXERCISE, by=SUBMITTER
        )
        await play.approved(quake)
        second = await play.send(quake.alert.code)
        while expectations.taken(on.sandbox, "kannel", second.code) < _STOP_AFTER:  # noqa: ASYNC110  # no event tells
            await asyncio.sleep(0.01)
        await asyncio.to_thread(releases.stop, on.desk, second.code, by=SUBMITTER, signed=True)
        await play.watch(second, lambda seen: not seen.open)
        resolved = await _resolve(play, second)

        play.step(f"{SUBMITTER} withdraws alert {second.code} with the correction that lay ready")
        correction = await asyncio.to_thread(
            withdrawing.release_correction, on.desk, second.code, on.ani, reason="sent_by_mistake"
        )
        await on.service.dispatcher.nudge(correction.alert.id)
        await play.watch(correction.alert, lambda seen: not seen.open)

        play.step("What had to happen, and what did")
        lines = expectations.compare(
            on.sandbox,
            play.recorded(warning),
            [play.recorded(update), play.recorded(clear)],
            play.recorded(second),
            play.recorded(correction.alert),
            resolved,
        )
        lines.append(_through_prefect(play, warning, shown=shown))
        lines.append(_verified(play))
        _show(lines)
        for alert in (warning, second):
            _report(play, alert)
        output.say()
        output.say(output.SANDBOX)
        output.say(f"Report: {root / f'report-{warning.code}.html'}, and beside it as md, json and csv")
    return all(line.well for line in lines)


async def _resolve(play: Play, alert: StoredAlert) -> str:
    """Settles what is in doubt, as an officer does who has asked the recipient; says what it was before."""
    doubts = play.on.house.ledger.read(lambda read: views.deliveries(read, alert.id, words=["in_doubt"]))
    for doubt in doubts:
        output.say(f"  delivery {doubt.id} is in doubt: {doubt.reason}")
        word = await asyncio.to_thread(settling.resolve, play.on.desk, doubt.id, play.on.ani, sent=True, again=False)
        output.say(f"  {SUBMITTER} has asked the recipient, and resolves it: {word}")
    return ", ".join(doubt.word for doubt in doubts) or "not in doubt"


def _through_prefect(play: Play, alert: StoredAlert, *, shown: bool) -> expectations.Line:
    def began(read: Read) -> list[str]:
        return [str(e.data["through"]) for e in views.events(read, alert_id=alert.id, types=["instance.started"])]

    ways = play.on.house.ledger.read(began)
    shows, late = ways.count("prefect"), ways.count(TOO_LONG)
    # On a machine too busy for Prefect's second the alert must go out without it: that is no failure.
    slow = f", {late} without it: the machine was too busy for it to be in time" if late else ""
    return expectations.Line(
        "the first alert is sent through Prefect where it is in time, else without it",
        f"each of {expectations.CHANNELS} channels is begun once",
        f"{shows} begun by Prefect{slow}",
        "",
        shown and len(ways) == shows + late == expectations.CHANNELS,
    )


def _verified(play: Play) -> expectations.Line:
    keys = play.on.house.keys
    ledger = play.on.house.ledger
    head = ledger.read(lambda read: verification.signed_head(read, keys))
    verdict = ledger.read(lambda read: verification.verify(read, head=head, public_key=keys.head_public_key))
    return expectations.Line(
        "the record is checked against its signed heads",
        "nothing was changed",
        f"{verdict.events:,} events, {len(verdict.differences)} differences",
        "",
        not verdict.differences,
    )


def _show(lines: list[expectations.Line]) -> None:
    for line in lines:
        output.say(f"  {'yes' if line.well else 'NO '}  {line.what}: {line.must}")
        output.say(f"       ledger: {line.ledger}" + (f"; stand-in: {line.stand_in}" if line.stand_in else ""))


def _report(play: Play, alert: StoredAlert) -> None:
    """Writes the report in all its forms, beside the ledger."""
    ledger, agency = play.on.house.ledger, play.on.desk.settings.agency
    content = ledger.read(lambda read: report.read(read, alert.id))
    forms = {
        "html": report.html(content, timezone=agency.timezone, agency=agency.name),
        "md": report.markdown(content, timezone=agency.timezone),
        "json": json.dumps(report.document(content), ensure_ascii=False, indent=2),
        "csv": "".join(report.deliveries_csv(ledger, content)),
    }
    for ending, text in forms.items():
        (play.on.root / f"report-{alert.code}.{ending}").write_text(text, "utf-8", newline="")


def demo(keep: Path | None = None) -> int:
    """Plays the demo in a folder of its own; the command `kentongan demo`. Returns its exit code."""
    root = keep or Path(tempfile.mkdtemp(prefix="kentongan-demo-"))
    root.mkdir(parents=True, exist_ok=True)
    return 0 if asyncio.run(perform(root)) else 1

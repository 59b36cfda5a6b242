"""The entry of the command `kentongan`: the table of commands, and the one place where errors become exit codes."""

from __future__ import annotations

import contextlib
import gc
import os
import sys
from collections.abc import Sequence

import click

from console import exits
from console.command import Lazy, LazyGroup
from console.invocation import Invocation
from kentongan import handles
from kentongan.errors import KentonganError
from kentongan.installation import check_packages

_COLLECT_EVERY = 70_000

COMMANDS = {
    "draft": Lazy("console.commands.draft:draft", "Put an alert together from fields, CAP or BMKG; contacts nobody."),
    "update": Lazy("console.commands.follow:update", "Draft an update of an alert that was sent; contacts nobody."),
    "cancel": Lazy("console.commands.follow:cancel", "Draft that our warning no longer applies; contacts nobody."),
    "all-clear": Lazy("console.commands.follow:all_clear", "Draft that the hazard is over; contacts nobody."),
    "preview": Lazy("console.commands.preview:preview", "Show every message of an alert; contacts nobody."),
    "submit": Lazy("console.commands.approval:submit", "Render an alert and put it up for approval."),
    "approve": Lazy("console.commands.approval:approve", "Approve another officer's alert."),
    "return": Lazy("console.commands.approval:return_", "Return an alert that waits for approval, with a reason."),
    "discard": Lazy("console.commands.approval:discard", "Give up an alert that was never sent, for good."),
    "waiting": Lazy("console.commands.paging:waiting", "Show what waits for an officer to act."),
    "send": Lazy("console.commands.send:send", "Send an approved alert on all its channels."),
    "stop": Lazy("console.commands.stop:stop", "Stop an alert at once; nothing to type."),
    "follow-up": Lazy("console.commands.send:follow_up", "Withdraw an alert by its ready-made correction."),
    "status": Lazy("console.commands.status:status", "List the alerts, or show where one stands."),
    "resolve": Lazy("console.commands.doubt:resolve", "Settle by an officer's word whether a message was sent."),
    "retry": Lazy("console.commands.doubt:retry", "Let held channels go on, and waiting messages go now."),
    "resume": Lazy("console.commands.send:resume", "Finish an alert whose sending ended before its time."),
    "log": Lazy("console.commands.log:log", "Show, sign and verify the record."),
    "drill": Lazy("console.commands.drill:drill", "Rehearse it all on drill channels, by hand or by a schedule."),
    "report": Lazy("console.commands.report:report", "Write the report on an alert."),
    "answers": Lazy("console.commands.answers:answers", "Show what people have answered, and who needs help."),
    "people": Lazy("console.commands.people:people", "Import the people who are written to, and note opt-outs."),
    "regions": Lazy("console.commands.regions:regions", "Load and show the regions by which an area finds its people."),
    "alert": Lazy("console.commands.export:alert", "Write an alert as CAP 1.2 XML."),
    "channels": Lazy("console.commands.channels:channels", "Show the configured channels and the known kinds."),
    "hazards": Lazy("console.commands.hazards:hazards", "Show the hazards, their fields, levels and languages."),
    "check": Lazy("console.commands.check:check", "Find every fault of the installation before a crisis does."),
    "backup": Lazy("console.commands.backup:backup", "Copy ledger and config while alerts go on being sent."),
    "restore": Lazy("console.commands.restore:restore", "Put a backup's ledger in place, held until an officer looks."),
    "merge": Lazy("console.commands.merge:merge", "Bring what was sent from the spare into the ledger."),
    "prune": Lazy("console.commands.prune:prune", "Take the deliveries of what ended long ago off the record."),
    "upgrade": Lazy("console.commands.upgrade:upgrade", "Bring the ledger to the version of this Kentongan."),
    "keys": Lazy("console.commands.backup:keys", "Keep a copy of the keys apart, and see that it is good."),
    "login": Lazy("console.commands.officers:login", "Log an officer in for twelve hours."),
    "logout": Lazy("console.commands.officers:logout", "Log the officer out."),
    "officer": Lazy("console.commands.officers:officer", "Officers: add, revoke, list, page, codes, export."),
    "page": Lazy("console.commands.paging:page", "Pages to officers: list, try, take note."),
    "reviews": Lazy("console.commands.reviews:reviews", "Show the reviews of broken glass that are due."),
    "review": Lazy("console.commands.reviews:review", "Review an alert that another officer sent alone."),
    "init": Lazy("console.commands.init:init", "Write a first config, from a few questions; contacts nobody."),
    "remote": Lazy("console.commands.remote:remote", "On an officer's own machine: which service to ask."),
    "sandbox": Lazy("console.commands.processes:sandbox", "Serve stand-ins for providers on this machine."),
    "serve": Lazy("console.commands.processes:serve", "Run the resident service."),
    "worker": Lazy("console.commands.processes:worker", "Send on a host of its own whatever the shared ledger holds."),
    "demo": Lazy("console.commands.processes:demo", "Rehearse it all against stand-ins; warns nobody."),
}


class _Root(LazyGroup):
    """The command itself."""


root = _Root(
    name="kentongan",
    lazy=COMMANDS,
    help=(
        "Kentongan warns the public: one approved alert, from templates, on every channel an agency owns, everything "
        "on record."
    ),
    epilog=(
        "Exit codes: 0 well; 1 a channel failed, or more addresses than policy tolerates; 2 bad input or config; "
        "3 refused by a rule; 4 something in doubt; 130 detached. KENTONGAN_CONFIG and KENTONGAN_STATE name the "
        "folders where no option does; KENTONGAN_DATABASE_URL a Postgres database for the ledger."
    ),
)


def _version(context: click.Context, _: click.Parameter, value: bool) -> None:
    if value:
        # Late: it imports the whole of `email`.
        from importlib import metadata

        click.echo(f"kentongan {metadata.version('kentongan')}")
        context.exit()


root.params.append(
    click.Option(["--version"], is_flag=True, is_eager=True, expose_value=False, callback=_version, help="The version.")
)


def collect_seldom() -> None:
    """Lets the collector of cyclic garbage look a hundred times more seldom than Python would.

    Importing makes hundreds of thousands of objects and hardly any garbage: at Python's own pace a quarter of the time
    until a command sends would go into looking for it.
    """
    gc.set_threshold(_COLLECT_EVERY, *gc.get_threshold()[1:])


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command line and returns its exit code; nothing but that leaves it."""
    if arguments is None:
        collect_seldom()
        # Else pydantic looks through whatever is installed for plugins, which are none of ours, to run within checks.
        os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    # Click tells of an option that it does not know before it has read the others.
    invocation = Invocation(json="--json" in (sys.argv[1:] if arguments is None else arguments))
    _make_writable()
    try:
        check_packages()
        code = _run(list(sys.argv[1:] if arguments is None else arguments), invocation)
    except BrokenPipeError:
        code = exits.WELL
    except KentonganError as error:
        code = _fault(str(error), error.exit_code, invocation)
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.ctx.get_help() if error.ctx is not None else error.format_message(), err=True)
        code = exits.BAD_INPUT
    except click.UsageError as error:
        told = error.format_message().rstrip(".")
        where = f"; see `{error.ctx.command_path} --help`" if error.ctx is not None and "--help`" not in told else ""
        code = _fault(told + where, exits.BAD_INPUT, invocation)
    except click.ClickException as error:
        code = _fault(error.format_message(), exits.BAD_INPUT, invocation)
    except (click.Abort, KeyboardInterrupt, EOFError):
        code = _fault("interrupted; nothing more was done", exits.DETACHED, invocation)
    except Exception as error:
        code = _mistake(error, invocation)
    try:
        sys.stdout.flush()
    except OSError:
        _hang_up()
    return code


def _run(arguments: list[str], invocation: Invocation) -> int:
    if os.environ.get("_KENTONGAN_COMPLETE"):
        from click.shell_completion import shell_complete

        return shell_complete(root, {}, "kentongan", "_KENTONGAN_COMPLETE", os.environ["_KENTONGAN_COMPLETE"])
    try:
        with root.make_context("kentongan", arguments, obj=invocation) as context:
            value = root.invoke(context)
    except click.exceptions.Exit as leaving:
        return leaving.exit_code
    return value if isinstance(value, int) else exits.WELL


def _make_writable() -> None:
    """A text that the terminal cannot show must not end a command that is sending."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="replace")


def _fault(sentences: str, code: int, invocation: Invocation) -> int:
    try:
        from console.output import document, printable
    except OSError:
        # Not even that can be read: there are no handles left.
        sys.stderr.write(f"kentongan: {sentences}\n")
        return code
    # A config or a list may have many faults; each is one line.
    told = [printable(sentence) for sentence in sentences.splitlines()]
    with contextlib.suppress(OSError):
        for sentence in told:
            sys.stderr.write(f"kentongan: {sentence}\n")
    if invocation.json and not invocation.documented:
        # Whoever reads JSON must not find nothing where a command failed.
        with contextlib.suppress(OSError):
            document({"errors": told, "exit_code": code}, invocation)
    return code


def _mistake(error: Exception, invocation: Invocation) -> int:
    if handles.ran_out(error):
        return _fault(handles.REMEDY, exits.BAD_INPUT, invocation)
    from console.trace import keep
    from kentongan import disk_space
    from kentongan.state import State

    if disk_space.ran_out(error):
        try:
            told = disk_space.remedy(State.find(invocation.state).root)
        except KentonganError as fault:
            told = str(fault)
        return _fault(told, exits.BAD_INPUT, invocation)
    return _fault(keep(error, invocation.state), exits.FAILED, invocation)


def _hang_up() -> None:
    """Whoever read our output has left; what is still buffered must not raise at exit."""
    devnull = os.open(os.devnull, os.O_WRONLY)
    os.dup2(devnull, sys.stdout.fileno())


if __name__ == "__main__":
    sys.exit(main())

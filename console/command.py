"""Commands and groups as `kentongan` has them: common options everywhere, and nothing imported before it is needed."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NoReturn

import click

from console.invocation import Invocation, common_options
from kentongan.quick_dataclass import dataclass

REMOTE = frozenset({"approve", "return", "status", "stop", "waiting"})
"""The commands that an officer can give on their own machine."""


class Command(click.Command):
    """A command that takes the common options too, in a section of their own in its help."""

    def __init__(self, *arguments: Any, **settings: Any) -> None:
        super().__init__(*arguments, **settings)
        self._common = common_options()
        self.params.extend(self._common)

    def invoke(self, ctx: click.Context) -> Any:
        """Runs it; with --service only what a service answers to officers elsewhere."""
        if ctx.ensure_object(Invocation).service is not None and self.name not in REMOTE:
            from kentongan.errors import BadInput

            known = ", ".join(sorted(REMOTE))
            raise BadInput(f"{self.name} needs the ledger's own machine; with --service there are {known}")
        return super().invoke(ctx)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Writes the command's own options first."""
        format_options(self, self._common, ctx, formatter)


def format_options(
    command: click.Command, common: Sequence[click.Option], ctx: click.Context, formatter: click.HelpFormatter
) -> None:
    """Writes two sections: what is the command's own, and what all commands take."""
    own = [parameter for parameter in command.get_params(ctx) if parameter not in common]
    for title, parameters in (("Options", own), ("Common options", common)):
        records = [record for parameter in parameters if (record := parameter.get_help_record(ctx)) is not None]
        if records:
            with formatter.section(title):
                formatter.write_dl(records)


@dataclass(frozen=True, slots=True)
class Lazy:
    """Where a command is defined, and its help in one line, which stands here so that a listing imports nothing."""

    place: str
    help: str


_MEANT = {
    **dict.fromkeys(("withdraw", "retract", "recall", "undo", "correct", "correction"), "follow-up"),
    **dict.fromkeys(("abort", "halt", "kill"), "stop"),
    **dict.fromkeys(("continue", "finish"), "resume"),
    **dict.fromkeys(("show", "list"), "status"),
}
"""What officers type in haste for a command that is called otherwise; the likest name may be the wrong act."""


class LazyGroup(click.Group):
    """A group whose commands are imported when one of them is called or its own help is asked for.

    `default` is the command that runs where the line goes on with none of the group's own.
    """

    command_class = Command

    def __init__(self, *arguments: Any, lazy: Mapping[str, Lazy], default: str | None = None, **settings: Any) -> None:
        settings.setdefault("no_args_is_help", default is None)
        super().__init__(*arguments, **settings)
        self.lazy = lazy
        self.default = default
        self._common = common_options()
        self.params.extend(self._common)

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names of all commands, in the order of the table."""
        return list(self.lazy)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Imports one command."""
        if cmd_name not in self.lazy:
            return None
        module, _, attribute = self.lazy[cmd_name].place.partition(":")
        command: click.Command = getattr(importlib.import_module(module), attribute)
        return command

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Puts the default command into the line where none of the group's own stands first."""
        if self.default is not None and not (args and (args[0] in self.lazy or args[0] == "--help")):
            args = [self.default, *args]
        return super().parse_args(ctx, args)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Finds the command, or says which is the nearest."""
        if args and args[0] not in self.lazy:
            self._unknown(ctx, args[0])
        return super().resolve_command(ctx, args)

    def _unknown(self, ctx: click.Context, name: str) -> NoReturn:
        import difflib

        meant = _MEANT.get(name.lower(), "")
        near = [meant] if meant in self.lazy else difflib.get_close_matches(name, self.lazy, 1)
        hint = f"did you mean {near[0]}?" if near else f"`{ctx.command_path} --help` lists them"
        ctx.fail(f"{name!r} is no command; {hint}")

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Lists the commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, lazy.help) for name, lazy in self.lazy.items()])

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Writes the options, then the commands."""
        format_options(self, self._common, ctx, formatter)
        self.format_commands(ctx, formatter)


if TYPE_CHECKING:
    # Generic only in newer versions of click, and then for the type checker alone.
    _Text = click.ParamType[str]
else:
    _Text = click.ParamType


class _Handle(_Text):
    """An alert as an officer names it: its code in any case, as it stands in a text ("K7Q4-ID") too, or its id."""

    name = "code"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Returns the code or id; what is neither goes on, so that the ledger can say that it knows no such alert."""
        from kentongan.errors import BadInput
        from kentongan.words.codes import parse_code

        text = str(value).strip()
        try:
            return parse_code(text)
        except BadInput:
            return text


HANDLE = _Handle()

WITHOUT = click.option(
    "--without", metavar="CHANNEL[:LANGUAGE]", multiple=True, help="Leave this out; give it once for each."
)


def command(name: str) -> Callable[[Callable[..., Any]], click.Command]:
    """Makes a function the command `name`; its docstring is the help."""
    return click.command(name, cls=Command)

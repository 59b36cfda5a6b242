"""The questions of `kentongan init`, in plain words, and what may be answered to each."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from console import output
from kentongan.errors import BadInput

if TYPE_CHECKING:
    from console.founding import Instance

_QUESTIONS = {
    "name": "Name of your agency, as the public knows it",
    "languages": "Languages that you warn in, the first one first",
    "timezone": "Time zone",
    "contact": "Telephone number for help, as the public dials it",
    "sender": "Sender that your alerts bear, such as an e-mail address",
    "link": "Web address below which the page of every alert stands",
}
_IN_SANDBOX = ("name", "languages", "timezone")
"""What is asked for a sandbox; the rest is made up."""


class Asking:
    """Asks on the terminal, or takes what is usual where nothing is to be asked."""

    def __init__(self, asks: bool) -> None:
        if asks and not output.is_terminal():
            raise BadInput("nothing can be asked without a terminal; add --yes, and options for what is to be said")
        self.asks = asks

    def whether(self, question: str) -> bool:
        """Yes, unless somebody says no."""
        return click.confirm(question, default=True, err=True) if self.asks else True

    def agency(self, said: Mapping[str, Any], usual: Mapping[str, Any], *, sandbox: bool) -> dict[str, Any]:
        """The values of agency.yaml; raises BadInput where one is missing or cannot be."""
        values: dict[str, Any] = {}
        missing: list[str] = []
        for name, question in _QUESTIONS.items():
            if name in said:
                values[name] = said[name]
                if (fault := _agency_fault(values, name)) is not None:
                    raise BadInput(f"{name}: {fault}")
            elif self.asks and (not sandbox or name in _IN_SANDBOX):
                values[name] = self._until(question, usual.get(name), functools.partial(_read, name, values))
            elif name in usual:
                values[name] = usual[name]
            else:
                missing.append(name)
        if missing:
            options = [f"--{name.removesuffix('s')}" for name in missing]
            known = "is not known" if len(missing) == 1 else "are not known"
            raise BadInput(f"{_together(missing)} {known}; add {_together(options)}")
        if sandbox and values["name"] == usual["name"]:
            values["names"] = usual["names"]
        return {**values, "sandbox": sandbox}

    def _until(self, question: str, usual: Any, read: Callable[[str], Any]) -> Any:
        """Asks until the answer can be used."""
        shown = ", ".join(usual) if isinstance(usual, list) else usual
        while True:
            try:
                return read(click.prompt(question, default=shown, err=True, type=str))
            except BadInput as error:
                click.echo(str(error), err=True)

    def kinds(self, given: Sequence[str], *, all_of_them: bool) -> list[str]:
        """The kinds of channel that the agency wants."""
        import channels

        known = channels.kinds()

        def read(answer: str) -> list[str]:
            words = [word for word in re.split(r"[\s,]+", answer.strip().lower()) if word]
            chosen = list(known) if words in (["all"], []) else list(dict.fromkeys(words))
            if unknown := [word for word in chosen if word not in known]:
                raise BadInput(f"{unknown[0]!r} is no channel; known are {', '.join(known)}")
            return chosen

        if given or all_of_them or not self.asks:
            return read(" ".join(given))
        click.echo(f"Channels that there are: {', '.join(known)}.", err=True)
        result: list[str] = self._until("Which of them do you own", "all", read)
        return result

    def instances(
        self, folder: Path, kinds: Sequence[str], names: Mapping[str, str]
    ) -> tuple[list[Instance], dict[str, str]]:
        """A drill channel of each kind, and a live one that waits; with the secrets that were typed, by file name."""
        from console import founding
        from kentongan.seam import Mode

        found: list[Instance] = []
        secrets: dict[str, str] = {}
        for kind in kinds:
            drill = founding.instance(f"{names.get(kind, kind)}-drill", kind, Mode.DRILL)
            if self.asks:
                click.echo(
                    f"\n{drill.name}: accounts for drills, apart from those by which the public is warned.", err=True
                )
                click.echo("Enter alone leaves a question for later.", err=True)
            self._ask_instance(drill, folder, secrets)
            live = founding.instance(f"{names.get(kind, kind)}-live", kind, Mode.LIVE)
            live.waits = founding.wanted(kind) or ["an account of its own"]
            live.values |= {name: founding.secret_file(folder, file) for name, file in founding.secrets(live).items()}
            found += [drill, live]
        return found, secrets

    def _ask_instance(self, instance: Instance, folder: Path, secrets: dict[str, str]) -> None:
        import channels
        from console import founding

        model = channels.settings_model(instance.kind)
        missing: list[str] = []
        hidden = founding.secrets(instance)
        for name in founding.wanted(instance.kind):
            field = model.model_fields[name]
            question = (field.description or name).rstrip(".")
            if name in hidden:
                file = hidden[name]
                instance.values[name] = founding.secret_file(folder, file)
                typed = self._may(f"{question} (not shown)", hidden=True)
                if typed:
                    secrets[file] = typed
                continue
            if field.annotation not in (str, int, float, Path):
                missing.append(name)
                continue
            while True:
                answer = self._may(question)
                fault = _instance_fault(instance, name, answer) if answer else None
                if fault is None:
                    break
                click.echo(fault, err=True)
            if answer:
                instance.values[name] = answer
            else:
                missing.append(name)
        if not missing and (fault := _whole_fault(instance)) is not None:
            click.echo(f"{instance.name} is written and not in force: {fault}", err=True)
            missing = founding.wanted(instance.kind)
        instance.waits = missing

    def _may(self, question: str, *, hidden: bool = False) -> str:
        """What somebody types, "" where they leave it for later."""
        if not self.asks:
            return ""
        return str(click.prompt(question, default="", show_default=False, hide_input=hidden, err=True)).strip()


def _read(name: str, values: Mapping[str, Any], answer: str) -> Any:
    """One field of agency.yaml as it was typed; raises BadInput."""
    value: Any = answer.strip()
    if name == "languages":
        value = [word for word in re.split(r"[\s,]+", value) if word]
    fault = _agency_fault({**values, name: value}, name)
    if fault is not None:
        raise BadInput(fault)
    return value


def _agency_fault(values: Mapping[str, Any], name: str) -> str | None:
    from kentongan.settings import Agency

    if values[name] in ("", []):
        return "write something here"
    return _fault(Agency, values, name)


def _instance_fault(instance: Instance, name: str, answer: str) -> str | None:
    import channels

    return _fault(channels.settings_model(instance.kind), {**instance.fields(), name: answer}, name)


def _whole_fault(instance: Instance) -> str | None:
    """What is wrong with an instance although each of its fields is well."""
    from pydantic import ValidationError

    import channels

    try:
        channels.settings_model(instance.kind).model_validate(instance.fields())
    except ValidationError as error:
        return str(error.errors(include_url=False)[0]["msg"]).removeprefix("Value error, ")
    return None


def _fault(model: type[Any], values: Mapping[str, Any], name: str) -> str | None:
    """What is wrong with one field of a model; the others are not looked at."""
    from pydantic import ValidationError

    try:
        model.model_validate(values)
    except ValidationError as error:
        for fault in error.errors(include_url=False, include_input=False, include_context=False):
            if fault["loc"] == (name,) or fault["loc"][:1] == (name,):
                return str(fault["msg"]).removeprefix("Value error, ")
    return None


def _together(names: Sequence[str]) -> str:
    *first, last = names
    return f"{', '.join(first)} and {last}" if first else last

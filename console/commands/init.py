"""`kentongan init`: a first config, from a few questions in plain words."""

from __future__ import annotations

import errno
import functools
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from console import output
from console.command import command
from console.invocation import current
from kentongan.errors import BadConfig, BadInput

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


@command("init")
@click.argument("folder", type=click.Path(path_type=Path), required=False)
@click.option("--sandbox/--real", default=None, help="Against the stand-ins of `kentongan sandbox`, or real providers.")
@click.option("--name", help="Name of the agency, as the public knows it.")
@click.option("--language", "languages", multiple=True, metavar="CODE", help="A public language, the first one first.")
@click.option("--timezone", metavar="ZONE", help="Such as Asia/Jakarta.")
@click.option("--contact", metavar="NUMBER", help="How the public reaches help.")
@click.option("--sender", metavar="NAME", help="CAP sender: a unique id of ours, such as an e-mail address.")
@click.option("--link", metavar="URL", help="Web address below which the page of every alert stands.")
@click.option("--channel", "kinds", multiple=True, metavar="KIND", help="A kind of channel (see `channels kinds`).")
@click.option("--yes", is_flag=True, help="Ask nothing: take what the options say, and what is usual elsewhere.")
@click.option("--port", type=click.IntRange(1, 65_534), envvar="KENTONGAN_SANDBOX_PORT", default=8799, hidden=True)
@click.option("--receipts", envvar="KENTONGAN_RECEIPTS", default="127.0.0.1:8790", hidden=True)
def init(
    folder: Path | None,
    sandbox: bool | None,
    languages: tuple[str, ...],
    kinds: tuple[str, ...],
    yes: bool,
    port: int,
    receipts: str,
    **given: str | None,
) -> None:
    """Write a first config in which every field is explained; never over another. Contacts nobody.

    It asks for what no option says. Without FOLDER it goes where a config is looked for that nobody names. With
    --sandbox it runs against `kentongan sandbox` at once, with people to try.
    """
    from console import founding, sandbox_config

    place = _place(folder)
    asking = _Asking(not yes)
    if sandbox is None:
        sandbox = asking.whether("Try it against stand-ins first, so that nobody is reached?")
    usual = _usual(sandbox)
    said: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    if languages:
        said["languages"] = list(languages)
    agency = asking.agency(said, usual, sandbox=sandbox)
    chosen = asking.kinds(kinds, all_of_them=sandbox)
    if sandbox:
        instances, secrets = sandbox_config.instances(place, agency, chosen, port=port, receipts=receipts)
        others = {"people.csv": sandbox_config.people()}
    else:
        instances, secrets = asking.instances(place, chosen, sandbox_config.names())
        others = {}
    _write(place, {**founding.files(agency, instances), **others}, secrets, sandbox=sandbox)
    _tell(place, agency, instances, sandbox=sandbox)


def _place(folder: Path | None) -> Path:
    from kentongan.settings import usual_folder

    named = folder or current().config or os.environ.get("KENTONGAN_CONFIG")
    place = Path(os.path.abspath(named or usual_folder()))
    if place.is_dir():
        if any(place.iterdir()):
            told = "holds a config already" if (place / "agency.yaml").exists() else "is not empty"
            raise BadInput(
                f"{place} {told}, and nothing of it is written over; name another folder: kentongan init FOLDER"
            )
    elif place.exists() or place.is_symlink():
        raise BadInput(f"{place} is no folder; name another: kentongan init FOLDER")
    return place


def _usual(sandbox: bool) -> dict[str, Any]:
    """What is taken where nobody says otherwise; a real agency is no made-up one."""
    from console import sandbox_config

    made_up = sandbox_config.agency()
    zone = _zone() or made_up["timezone"]
    if sandbox:
        return {**made_up, "timezone": zone}
    return {"languages": made_up["languages"], "timezone": zone, "contact": made_up["contact"]}


def _zone() -> str | None:
    """The zone of this machine; None where it has none of its own."""
    _, found, zone = os.path.realpath("/etc/localtime").partition("/zoneinfo/")
    return zone if found and zone not in ("UTC", "Etc/UTC", "Universal", "Etc/Universal") else None


class _Asking:
    """Asks on the terminal, or takes what is usual where nothing is to be asked."""

    def __init__(self, asks: bool) -> None:
        if asks and not output.is_terminal():
            raise BadInput("nothing can be asked without a terminal; add --yes, and options for what is to be said")
        self.asks = asks

    def whether(self, question: str) -> bool:
        return click.confirm(question, default=True, err=True) if self.asks else True

    def agency(self, said: Mapping[str, Any], usual: Mapping[str, Any], *, sandbox: bool) -> dict[str, Any]:
        """The values of agency.yaml; raises BadInput where one is missing or cannot be."""
        values: dict[str, Any] = {}
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
                raise BadInput(f"{name} is not known; add --{name}")
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


def _write(place: Path, texts: Mapping[str, str], secrets: Mapping[str, str], *, sandbox: bool) -> None:
    """Writes all of it or nothing: into a folder beside it, which takes its place once it has been read back.

    Raises BadInput, BadConfig.
    """
    import channels
    from kentongan.settings import load

    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        making = Path(tempfile.mkdtemp(prefix=".kentongan-", dir=place.parent))
    except OSError as error:
        raise BadInput(f"{place.parent} cannot be written: {error.strerror}; name another folder") from None
    try:
        for name, content in texts.items():
            (making / name).write_text(content, "utf-8")
        (making / "secrets").mkdir(mode=0o700)
        if sandbox:
            (making / "feed").mkdir()
        for name, secret in secrets.items():
            with open(making / "secrets" / name, "x", encoding="utf-8", opener=_private) as file:
                file.write(secret + "\n")
        load(making, channels.settings_models())
        making.rename(place)
    except BadConfig as error:
        raise BadConfig(str(error).replace(str(making), str(place))) from None
    except OSError as error:
        if error.errno in (errno.ENOTEMPTY, errno.EEXIST):
            raise BadInput(f"{place} was written by somebody else meanwhile; name another folder") from None
        raise BadInput(f"{place} cannot be written: {error.strerror}; name another folder") from None
    finally:
        shutil.rmtree(making, ignore_errors=True)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _tell(place: Path, agency: Mapping[str, Any], instances: Sequence[Instance], *, sandbox: bool) -> None:
    from kentongan.settings import usual_folder

    ready = [each.name for each in instances if not each.waits]
    waiting = [each.name for each in instances if each.waits]
    steps = []
    if place != usual_folder():
        steps.append((f"export KENTONGAN_CONFIG={place}", "so that every command finds it"))
    if sandbox:
        steps += [
            ("kentongan sandbox", "in a terminal of its own: the stand-ins"),
            ("kentongan serve", "in another: what sends, and takes receipts"),
        ]
    else:
        steps.append(("kentongan check", "what is still missing"))
    steps.append(("kentongan officer add NAME", "you, and then a second officer"))
    if sandbox:
        steps += [
            (f"kentongan people import {place / 'people.csv'}", "people to try, who exist nowhere"),
            ("kentongan check --channels", "whether a message would pass"),
        ]
    if output.wants_json():
        output.document(
            {
                "config": str(place),
                "sandbox": sandbox,
                "channels": ready,
                "waiting": waiting,
                "next": [line for line, _ in steps],
            }
        )
        return
    output.say(
        f"{place} holds the config of {agency['name']}: {len(ready)} channels"
        f"{', all of them stand-ins' if sandbox else ''}."
    )
    if waiting:
        output.say(f"Not in force yet, see channels.yaml: {', '.join(waiting)}.")
    output.say("Next:")
    width = max(len(line) for line, _ in steps)
    for line, why in steps:
        output.say(f"  {line:<{width}}  {why}")

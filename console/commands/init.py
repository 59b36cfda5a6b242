"""`kentongan init`: a first config, from a few questions in plain words."""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from console import output
from console.asking import Asking
from console.command import command
from console.invocation import current
from kentongan.errors import BadConfig, BadInput

if TYPE_CHECKING:
    from console.founding import Instance


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
    asking = Asking(not yes)
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
    from kentongan.config_place import usual_folder

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


def _write(place: Path, texts: Mapping[str, str], secrets: Mapping[str, str], *, sandbox: bool) -> None:
    """Writes all of it or nothing: into a folder beside it, which takes its place once it has been read back.

    Raises BadInput, BadConfig.
    """
    import channels
    from kentongan.config_folder import load

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
    from kentongan.config_place import usual_folder

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
    for line, why in steps:
        output.say(f"  {line}")
        output.say(f"      {why}")

"""`kentongan keys make` and `keys move`: the key of people's data outside the state directory."""

from __future__ import annotations

from pathlib import Path

import click

from console import output
from console.command import command
from console.invocation import current
from kentongan.errors import BadConfig, BadInput

_FILE = click.Path(path_type=Path)


@command("make")
@click.argument("file", metavar="FILE", type=_FILE)
@click.option("--next", "following", is_flag=True, help="The next of the key in use, to rotate to.")
def make(file: Path, following: bool) -> None:
    """Write a new key of people's data into a new FILE; nothing uses it yet.

    Name the file with KENTONGAN_PEOPLE_KEY_FILE, or put what it holds into KENTONGAN_PEOPLE_KEY, before the first use
    of an installation: people who are there already are not readable with it. With --next it holds what the key in use
    looks people up by, and belongs into FILE.next beside that, or into KENTONGAN_PEOPLE_KEY_NEXT.
    """
    import os

    from kentongan.key_files import KEY_LENGTH
    from kentongan.keys import StateKeys
    from kentongan.people_key import PeopleKey, write_new
    from kentongan.state import State

    key = PeopleKey.alone(os.urandom(KEY_LENGTH))
    if following:
        keys = StateKeys.open(State.find(current().state).root, create=False)
        if keys.people.is_under_way():
            raise BadInput("a next key is there already; finish that rotation with `kentongan people rotate-key`")
        key = PeopleKey(key.own, keys.people.read()[-1].lookup)
    try:
        write_new(file, key)
    except FileExistsError:
        raise BadInput(f"{file} is there already and is not written over; name a new file") from None
    except OSError as error:
        raise BadConfig(f"{file} cannot be written: {error.strerror}; name another file") from None
    if output.wants_json():
        output.document({"file": str(file), "fingerprint": key.fingerprint})
        return
    output.say(f"Key:         {file}, readable by this user alone")
    output.say(f"Fingerprint: {key.fingerprint}")


@command("move")
@click.argument("file", metavar="FILE", type=_FILE)
def move(file: Path) -> None:
    """Move the key of people's data out of the state directory into a new FILE, and take it away there.

    A service goes on with it until it is started anew; by then name FILE with KENTONGAN_PEOPLE_KEY_FILE wherever
    Kentongan is started: services, workers, timers, officers' shells. Cut at any moment it goes on when run again.
    """
    from kentongan import key_rotation
    from kentongan import people_key_place as place
    from kentongan.state import State

    state, path = State.find(current().state), file.absolute()
    environment = {place.FILE_VARIABLE: str(path)}
    if not state.keys.is_dir():
        raise BadInput(f"{state.root} has no keys yet; `kentongan keys make FILE` makes one for a new installation")
    # Refuses what could not be named afterwards.
    place.find(state.keys, environment)
    try:
        with key_rotation.alone(state.keys):
            key = place.move(state.keys, path)
    except OSError as error:
        raise BadConfig(f"{path} cannot be written: {error.strerror}; name another file") from None
    if output.wants_json():
        output.document({"file": str(path), "fingerprint": key.fingerprint, "variable": place.FILE_VARIABLE})
        return
    output.say(f"The key of people's data lies in {path} alone (fingerprint {key.fingerprint}).")
    output.say(f"Next: {place.FILE_VARIABLE}={path} wherever Kentongan is started, then kentongan keys copy FOLDER")

"""The escrow of the keys: a copy kept apart from the ledger's backups, and whether anybody has looked at it of late.

Whoever holds a backup and the keys reads every address in it, so they never lie together. Whoever has lost the keys
reads none of them ever again, so a copy must be somewhere, and be known to be good.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping
from pathlib import Path

from kentongan import people_key, people_key_place
from kentongan.clock import Milliseconds
from kentongan.errors import BadInput
from kentongan.key_files import replace_private, write_private
from kentongan.keys import StateKeys
from kentongan.quick_dataclass import dataclass
from kentongan.safekeeping import files
from kentongan.state import State

_MARKER = "keys.confirmed.json"
_MOST = 10_000  # bytes; a key file has about sixty


@dataclass(frozen=True, slots=True)
class Confirmed:
    """When a copy of the keys was last compared with them, where it lay, and the digest that the keys then had."""

    at: Milliseconds
    place: str
    digest: str


def digest_of(folder: Path, *, leaving_out: Collection[str] = ()) -> str:
    """One digest over all keys in a folder, from which none can be told: each is 32 random bytes.

    Raises BadInput where there is no key or one cannot be read.
    """
    return _digest({name: content for name, content in _in(folder).items() if name not in leaving_out})


def digest_at_hand(state: State) -> str:
    """The digest of the keys in use, of which one may lie elsewhere; raises BadInput, BadConfig."""
    return _digest(_at_hand(state))


def _digest(contents: Mapping[str, bytes]) -> str:
    found = {name: hashlib.sha256(content).hexdigest() for name, content in contents.items()}
    return hashlib.sha256(("kentongan keys 1\n" + json.dumps(found, sort_keys=True)).encode()).hexdigest()


def copy(state: State, target: Path, *, dated: str, now: Milliseconds) -> Path:
    """Copies the keys into a new dated folder in `target`, reads the copy back, and confirms it; returns its place.

    Raises BadInput where it cannot be written.
    """
    final = target / f"kentongan-keys-{dated}"
    try:
        target.mkdir(mode=0o700, parents=True, exist_ok=True)
        with files.staged(target) as folder:
            for name, content in _at_hand(state).items():
                write_private(folder / name, content)
            files.put_in_place(folder, final)
    except OSError as error:
        raise BadInput(f"the keys cannot be copied to {target}: {files.told(error)}; name another folder") from None
    confirm(state, final, now=now)
    return final


def confirm(state: State, place: Path, *, now: Milliseconds) -> Confirmed:
    """Compares a copy with the keys, byte for byte, and notes that it is good; raises BadInput where it is not."""
    ours, theirs = _at_hand(state), _in(place)
    missing = sorted(ours.keys() - theirs.keys())
    if missing:
        raise BadInput(f"{place} lacks {', '.join(missing)}; make a new copy with `kentongan keys copy FOLDER`")
    wrong = sorted(name for name, content in ours.items() if theirs[name] != content)
    if wrong:
        raise BadInput(
            f"in {place}, {', '.join(wrong)} is not the key of {state.root}; keep that copy for the backups that were"
            " made with it, and make a new one with `kentongan keys copy FOLDER`"
        )
    if place.resolve() == state.keys.resolve():
        raise BadInput(f"{place} is the keys themselves; name the copy that lies elsewhere")
    # That they are whole, and not only the same.
    StateKeys.open(state.root, create=False)
    return note(state, place, now=now)


def is_copy(state: State, place: Path) -> bool:
    """Whether the keys in a folder are those in use, none lacking; raises BadInput where they cannot be read."""
    return _at_hand(state).items() <= _in(place).items()


def note(state: State, place: Path, *, now: Milliseconds) -> Confirmed:
    """Notes that the keys lie at `place` too; the caller has compared them."""
    found = Confirmed(now, str(place.resolve()), digest_at_hand(state))
    content = json.dumps({"at": found.at, "place": found.place, "digest": found.digest}, indent=1).encode() + b"\n"
    try:
        replace_private(state.root / _MARKER, content)
    except OSError as error:
        raise BadInput(
            f"the copy is good, but that cannot be noted in {state.root}: {files.told(error)}; make room and confirm it"
            " again"
        ) from None
    return found


def confirmed(state: State) -> Confirmed | None:
    """When a copy was last confirmed; None where none ever was, or what was noted of it cannot be read."""
    try:
        content = json.loads((state.root / _MARKER).read_text("utf-8"))
        return Confirmed(int(content["at"]), str(content["place"]), str(content["digest"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def remark(state: State, *, now: Milliseconds, within: float) -> str | None:
    """What is wrong with the escrow of the keys, in a sentence; None where a good copy was seen `within` seconds."""
    remedy = "copy them to a medium kept apart with `kentongan keys copy FOLDER`"
    known = confirmed(state)
    if known is None:
        return f"no copy of the keys was ever confirmed, and without them no address can be read again; {remedy}"
    if known.digest != digest_at_hand(state):
        return f"the keys have changed since their copy in {known.place} was confirmed; {remedy}"
    days = (now - known.at) // 86_400_000
    if now - known.at > within * 1000:
        return (
            f"the copy of the keys in {known.place} was last confirmed {days} days ago; see that it can still be read:"
            f" `kentongan keys confirm {known.place}`"
        )
    return None


def _in(folder: Path) -> dict[str, bytes]:
    return {path.name: _content(path) for path in _key_files(folder)}


def _at_hand(state: State) -> dict[str, bytes]:
    """The keys in use, as a folder of them would hold them; the key of people's data may lie elsewhere."""
    found, source = _in(state.keys), people_key_place.find(state.keys)
    if source.elsewhere:
        found = {name: content for name, content in found.items() if name not in people_key.NAMES}
        found |= {
            name: key.text()
            for name, key in zip((people_key.CURRENT, people_key.NEXT), reversed(source.read()), strict=False)
        }
    return found


def _key_files(folder: Path) -> list[Path]:
    try:
        found = sorted(path for path in folder.iterdir() if path.suffix == ".key" and path.is_file())
    except OSError as error:
        raise BadInput(
            f"no keys can be read in {folder}: {files.told(error)}; name the folder that holds them"
        ) from None
    if not found:
        raise BadInput(f"{folder} holds no keys; name the folder in which ledger.key and people.key lie")
    return found


def _content(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(_MOST)
    except OSError as error:
        raise BadInput(f"{path} cannot be read: {files.told(error)}; name another copy") from None

"""Where the key of people's data lies, and how it is rotated and moved there.

That is the folder of keys, unless the environment names a file elsewhere (KENTONGAN_PEOPLE_KEY_FILE) or holds the key
(KENTONGAN_PEOPLE_KEY).
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Callable, Mapping
from dataclasses import field
from pathlib import Path
from typing import Protocol

from kentongan.errors import BadConfig, BadInput
from kentongan.key_files import KEY_LENGTH, key_file, read_key, replace_private, sync_folder
from kentongan.patience import Patience
from kentongan.people_key import CURRENT, LOOKUP, NEXT, ROTATED, WHOLE, PeopleKey, parse, write_new
from kentongan.quick_dataclass import dataclass

VARIABLE = "KENTONGAN_PEOPLE_KEY"
FILE_VARIABLE = "KENTONGAN_PEOPLE_KEY_FILE"
NEXT_VARIABLE = "KENTONGAN_PEOPLE_KEY_NEXT"
VARIABLES = (VARIABLE, FILE_VARIABLE, NEXT_VARIABLE)

_MOST = 1000  # bytes; the longest has 106

_AFTER_NEXT = "give every process both, start them anew, and run this again"

Random = Callable[[int], bytes]
_Identity = tuple[int, int, int] | None


class Source(Protocol):
    """Where the key is; `folder` is the folder of keys, where a rotation is kept to one process."""

    folder: Path
    elsewhere: bool

    @property
    def name(self) -> str:
        """What an officer knows it by."""

    def stamp(self) -> tuple[_Identity, ...]:
        """Changes whenever the key does."""

    def read(self) -> tuple[PeopleKey, ...]:
        """The key, and before it the next one while it is rotated; raises BadInput, BadConfig."""

    def make(self, random: Random) -> None:
        """Makes a key for a new installation where there is none and it can; raises BadConfig, BadInput."""

    def begin(self, random: Random, *, alone: bool) -> None:
        """Begins a rotation, or goes on. `alone`: nobody else must be given the next key. Raises BadInput, OSError."""

    def finish(self) -> str | None:
        """Puts the next key in the place of the former; where it cannot, what its owner is to do. Raises OSError."""

    def is_under_way(self) -> bool:
        """Whether a rotation was begun and not finished."""


def find(folder: Path, environment: Mapping[str, str] = os.environ) -> Source:
    """Where the environment says that the key is, else the `folder` of keys; raises BadConfig."""
    value, file, following = (environment.get(name, "") for name in VARIABLES)
    if value and file:
        raise BadConfig(f"{VARIABLE} and {FILE_VARIABLE} are both set; unset one of them")
    if following and not value:
        raise BadConfig(f"{NEXT_VARIABLE} goes with {VARIABLE} alone; the next key of a file lies beside it, as .next")
    if value:
        return InEnvironment(folder, value, following)
    if not file:
        return InFolder(folder)
    path = Path(file).absolute()
    inside = False
    # What does not answer is not what the state directory lies on.
    with contextlib.suppress(TimeoutError):
        inside = folder.parent.resolve() in Patience().ask(path.resolve).parents
    if inside:
        raise BadConfig(
            f"{FILE_VARIABLE}: {path} lies in the state directory, and is lost with it; name a file elsewhere"
        )
    granted = environment.get("CREDENTIALS_DIRECTORY")
    # systemd lets the unit's user read a credential by an access list, which shows as a right of the group.
    return InFile(folder, path, open_to=0o007 if granted and Path(granted) in path.parents else 0o077)


# --- In the folder of keys ---


@dataclass(slots=True)
class InFolder:
    """`people.key`, and beside it `people.next.key` while it is rotated and `lookup.key` from then on."""

    folder: Path
    elsewhere: bool = False

    @property
    def name(self) -> str:
        """What an officer knows it by."""
        return str(self.folder / CURRENT)

    def stamp(self) -> tuple[_Identity, ...]:
        """Changes whenever the key does."""
        return tuple(_identity(self.folder / name) for name in (CURRENT, NEXT))

    def read(self) -> tuple[PeopleKey, ...]:
        """The key, and before it the next one while it is rotated; raises BadInput, BadConfig."""
        path = self.folder / CURRENT
        try:
            key, name = read_key(path, CURRENT, ROTATED, WHOLE)
        except BadInput as error:
            if path.exists() or isinstance(error, BadConfig):
                raise
            raise BadInput(
                f"{path} is missing: put its copy there, or where it lies elsewhere, name that with {FILE_VARIABLE} as"
                " the service does"
            ) from None
        found = [PeopleKey(key, read_key(self.folder / LOOKUP)[0]) if name == ROTATED else PeopleKey.of(key)]
        # A rotation that ends just now takes it away: then all is wrapped with what is read next.
        with contextlib.suppress(_Absent):
            found.insert(0, PeopleKey(self._next(), found[0].lookup))
        return tuple(found)

    def make(self, random: Random) -> None:
        """The folder is made with one in it."""

    def begin(self, random: Random, *, alone: bool) -> None:
        """Begins a rotation, or goes on; raises BadInput, OSError."""
        if not alone:
            raise BadInput(
                "people.key is rotated on a ledger file alone: other hosts would not know of the new key; move it out"
                f" of the state directory with `kentongan keys move FILE` and give each host {FILE_VARIABLE}"
            )
        if not (self.folder / LOOKUP).exists():
            replace_private(self.folder / LOOKUP, key_file(LOOKUP, self.read()[-1].lookup))
        if not self.is_under_way():
            replace_private(self.folder / NEXT, key_file(NEXT, random(KEY_LENGTH)))

    def finish(self) -> str | None:
        """Puts the next key in the place of the former; raises BadInput, OSError."""
        replace_private(self.folder / CURRENT, key_file(ROTATED, self._next()))
        (self.folder / NEXT).unlink()
        sync_folder(self.folder)
        return None

    def is_under_way(self) -> bool:
        """Whether a rotation was begun and not finished."""
        return (self.folder / NEXT).exists()

    def _next(self) -> bytes:
        path = self.folder / NEXT
        try:
            return read_key(path, NEXT, CURRENT, WHOLE)[0][:KEY_LENGTH]
        except BadInput as error:
            if path.exists():
                raise
            raise _Absent(str(error)) from None


# --- In a file elsewhere ---


@dataclass(slots=True)
class InFile:
    """The file at `path`, and the next key beside it as `.next` while it is rotated.

    `open_to`: the rights of others for which it is refused.
    """

    folder: Path
    path: Path
    open_to: int = 0o077
    elsewhere: bool = True

    @property
    def name(self) -> str:
        """What an officer knows it by."""
        return str(self.path)

    @property
    def following(self) -> Path:
        """Where the next key lies."""
        return self.path.with_name(f"{self.path.name}.next")

    def stamp(self) -> tuple[_Identity, ...]:
        """Changes whenever the key does."""
        return _identity(self.path), _identity(self.following)

    def read(self) -> tuple[PeopleKey, ...]:
        """The key, and before it the next one while it is rotated; raises BadInput, BadConfig."""
        current = self._read(self.path)
        try:
            following = self._read(self.following)
        except _Absent:
            return (current,)
        return _both(following, current, str(self.following))

    def make(self, random: Random) -> None:
        """Makes a key for a new installation where there is none; raises BadConfig."""
        if self.path.exists():
            return
        try:
            write_new(self.path, PeopleKey.alone(random(KEY_LENGTH)))
        except FileExistsError:
            # Another process was first.
            return
        except OSError as error:
            raise BadConfig(
                f"{FILE_VARIABLE}: {self.path} is missing and cannot be made: {error.strerror}; make it with `kentongan"
                " keys make FILE` and put it there"
            ) from None

    def begin(self, random: Random, *, alone: bool) -> None:
        """Begins a rotation, or goes on; raises BadInput."""
        if self.is_under_way():
            if len(self.read()) == 1:
                raise BadInput(f"{self.following} holds the key that {self.path} holds already; take it away")
            return
        remedy = f"make it with `kentongan keys make --next FILE`, {_AFTER_NEXT}"
        if not alone:
            raise BadInput(f"{self.following} is missing, and other hosts would not have it: {remedy}")
        if self.path.is_symlink():
            raise BadInput(f"{self.path} is a link, beside which no next key is made: {remedy}")
        try:
            write_new(self.following, PeopleKey(random(KEY_LENGTH), self.read()[-1].lookup))
        except OSError as error:
            raise BadInput(f"{self.following} is missing and cannot be made ({error.strerror}): {remedy}") from None

    def finish(self) -> str | None:
        """Puts the next key in the place of the former; where it cannot, what its owner is to do."""
        following, told = self._read(self.following), None
        if self.path.is_symlink() or self.following.is_symlink():
            told = "it is a link"
        else:
            try:
                os.replace(self.following, self.path)
                sync_folder(self.path.parent)
            except OSError as error:
                told = error.strerror
        if told is None or following == self._read(self.path):
            return None
        return (
            f"{self.path} cannot be replaced here ({told}): put what is in {self.following} there, on every host, take"
            " that away, and start every process anew; until then both keys are needed"
        )

    def is_under_way(self) -> bool:
        """Whether a rotation was begun and not finished."""
        return self.following.exists()

    def _read(self, path: Path) -> PeopleKey:
        try:
            # A pipe must not make anybody wait.
            descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError as error:
            if error.errno in (errno.ENOENT, errno.ENOTDIR):
                raise _Absent(
                    f"{path}, which {FILE_VARIABLE} names, is missing: mount what it lies on, or put the copy of the"
                    " key there that was kept apart; no new one is made where there is a ledger"
                ) from None
            raise BadConfig(
                f"{FILE_VARIABLE}: {path} cannot be read: {error.strerror}; give it to this user, chmod 600"
            ) from None
        try:
            mode = os.fstat(descriptor).st_mode
            if not stat.S_ISREG(mode):
                raise BadConfig(f"{FILE_VARIABLE}: {path} is no file; name one that holds the key")
            if stat.S_IMODE(mode) & self.open_to:
                raise BadConfig(f"{path} can be read by others; run: chmod 600 {path} (a secret's own mode: 0400)")
            return parse(os.read(descriptor, _MOST), str(path))
        finally:
            os.close(descriptor)


# --- In the environment ---


@dataclass(slots=True)
class InEnvironment:
    """What the variables held when the process began."""

    folder: Path
    value: str = field(repr=False)
    following: str = field(repr=False)
    elsewhere: bool = True

    @property
    def name(self) -> str:
        """What an officer knows it by."""
        return VARIABLE

    def stamp(self) -> tuple[_Identity, ...]:
        """Never changes."""
        return ()

    def read(self) -> tuple[PeopleKey, ...]:
        """The key, and before it the next one while it is rotated; raises BadInput."""
        current = parse(os.fsencode(self.value), VARIABLE)
        if not self.following:
            return (current,)
        return _both(parse(os.fsencode(self.following), NEXT_VARIABLE), current, NEXT_VARIABLE)

    def make(self, random: Random) -> None:
        """It is there, or this was not where it is."""

    def begin(self, random: Random, *, alone: bool) -> None:
        """Goes on with a rotation; raises BadInput where there is no next key."""
        if not self.following:
            raise BadInput(
                f"{NEXT_VARIABLE} is not set: make the next key with `kentongan keys make --next FILE`, put what is in"
                f" the file into that variable, {_AFTER_NEXT}"
            )
        if len(self.read()) == 1:
            raise BadInput(f"{NEXT_VARIABLE} holds the key that {VARIABLE} holds already; unset it")

    def finish(self) -> str | None:
        """What the owner of the variables is to do."""
        return (
            f"put what {NEXT_VARIABLE} holds into {VARIABLE}, on every host, unset the former, and start every process"
            " anew; until then both keys are needed"
        )

    def is_under_way(self) -> bool:
        """Whether the next key is given."""
        return bool(self.following)


# --- Moving ---


def move(folder: Path, path: Path) -> PeopleKey:
    """Moves the key out of the folder of keys into a new file, or goes on where that was cut; returns it.

    Raises BadInput where a rotation is under way or there is none to move, BadConfig, OSError.
    """
    inside, outside = InFolder(folder), InFile(folder, path)
    if inside.is_under_way():
        raise BadInput("people.key is being rotated; finish that with `kentongan people rotate-key` first")
    if not (folder / CURRENT).exists():
        raise BadInput(f"{folder} holds no {CURRENT} to move; see docs/people.md for where it can be")
    (key,) = inside.read()
    with contextlib.suppress(FileExistsError):
        write_new(path, key)
    if outside.read() != (key,):
        raise BadInput(f"{path} is there already and holds another key; name a new file")
    # First what is refused without the other.
    for name in (CURRENT, LOOKUP):
        (folder / name).unlink(missing_ok=True)
    sync_folder(folder)
    return key


class _Absent(BadInput):
    """There is no such file."""


def _both(following: PeopleKey, current: PeopleKey, source: str) -> tuple[PeopleKey, ...]:
    if following.lookup != current.lookup:
        raise BadInput(
            f"{source} is not the next of the key in use: nobody would be found by it; make it with"
            " `kentongan keys make --next FILE`"
        )
    return (following, current) if following.own != current.own else (current,)


def _identity(path: Path) -> _Identity:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size

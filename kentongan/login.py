"""The login of one operating-system user: an officer's unsealed key for twelve hours, in a file only they can read."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import os
import secrets
import stat
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path

from kentongan import telling
from kentongan.errors import BadConfig, BadInput, Refused
from kentongan.keys import KEY_LENGTH, write_private
from kentongan.officers import Officer, SigningKey
from kentongan.quick_dataclass import dataclass

LOGIN_LASTS = timedelta(hours=12)
_CLOCK_STEP = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Login:
    """Who is logged in, with their key, until when (UTC)."""

    key: SigningKey
    since: datetime
    until: datetime

    @property
    def officer(self) -> str:
        """The officer's name."""
        return self.key.officer


@dataclass(frozen=True, slots=True)
class LoginFile:
    """Where a login lies; a new one replaces the old. `owner` is the user id that folder and file must belong to."""

    path: Path
    owner: int

    @classmethod
    def find(cls, state: Path, environment: Mapping[str, str] = os.environ) -> LoginFile:
        """Returns the place of this user's login: KENTONGAN_LOGIN (a folder), XDG_RUNTIME_DIR, else `state`/run.

        Each state directory has its own, so that a demo never replaces the login of a real installation.
        """
        owner = os.geteuid()
        name = "login-" + hashlib.sha256(os.fsencode(state.resolve())).hexdigest()[:12]
        if environment.get("KENTONGAN_LOGIN"):
            return cls(Path(environment["KENTONGAN_LOGIN"]) / name, owner)
        runtime = environment.get("XDG_RUNTIME_DIR")
        if runtime and os.path.isabs(runtime):
            # Under sudo and cron the variable may name a folder that is gone or another user's.
            with contextlib.suppress(OSError):
                if os.stat(runtime).st_uid == owner:
                    return cls(Path(runtime) / "kentongan" / name, owner)
        return cls(state / "run" / name, owner)

    def write(self, key: SigningKey, *, now: datetime) -> Login:
        """Logs the officer in for twelve hours; raises BadConfig where the folder is not this user's alone."""
        folder = self.path.parent
        login = Login(key, now.astimezone(UTC), now.astimezone(UTC) + LOGIN_LASTS)
        content = {
            "officer": key.officer,
            "key": base64.b64encode(key.seed()).decode("ascii"),
            "since": login.since.isoformat(),
            "until": login.until.isoformat(),
        }
        building = folder / f".{self.path.name}.{secrets.token_hex(8)}"
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._check(folder.lstat(), folder, "700", stat.S_ISDIR)
            try:
                write_private(building, json.dumps(content).encode())
                building.replace(self.path)
            finally:
                building.unlink(missing_ok=True)
        except OSError as error:
            raise BadConfig(
                f"the login cannot be kept in {folder}: {error.strerror}; name another folder with KENTONGAN_LOGIN"
            ) from None
        return login

    def read(self, *, now: datetime) -> Login | None:
        """Returns the login, or None where nobody is logged in; one that has run out is removed.

        Raises BadConfig where others could have read or placed it, BadInput where it is damaged.
        """
        try:
            folder = self.path.parent.lstat()
            descriptor = os.open(self.path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise BadConfig(f"login {self.path} cannot be read: {error.strerror}; log in again") from None
        try:
            self._check(folder, self.path.parent, "700", stat.S_ISDIR)
            self._check(os.fstat(descriptor), self.path, "600", stat.S_ISREG)
            content = os.read(descriptor, 10_000)
        finally:
            os.close(descriptor)
        try:
            read = json.loads(content)
            seed = base64.b64decode(read["key"], validate=True)
            since, until = (datetime.fromisoformat(read[name]) for name in ("since", "until"))
            if len(seed) != KEY_LENGTH or since.tzinfo is None or until.tzinfo is None:
                raise ValueError
            login = Login(SigningKey(str(read["officer"]), seed), since, until)
        except (ValueError, KeyError, TypeError):
            raise BadInput(f"login {self.path} is damaged; run `kentongan login` again") from None
        # A clock that was put back must not make a login last longer than it was given.
        if now >= login.until or now < login.since - _CLOCK_STEP:
            self.remove()
            return None
        return login

    def remove(self) -> bool:
        """Logs out; whether anybody was logged in. Raises BadConfig where the file cannot be removed."""
        try:
            self.path.unlink()
        except (FileNotFoundError, NotADirectoryError):
            return False
        except OSError as error:
            raise BadConfig(f"login {self.path} cannot be removed: {error.strerror}; delete it by hand") from None
        return True

    def _check(self, found: os.stat_result, path: Path, mode: str, is_kind: Callable[[int], bool]) -> None:
        if not is_kind(found.st_mode):
            raise BadConfig(f"{path} is not what a login is kept in; delete it and log in again")
        if found.st_uid != self.owner:
            raise BadConfig(f"{path} belongs to another user; name a folder of your own with KENTONGAN_LOGIN")
        if stat.S_IMODE(found.st_mode) & 0o077:
            raise BadConfig(f"{path} is open to others; run: chmod {mode} {path}")


def logged_in(login: Login | None, officers: Mapping[str, Officer], *, now: datetime, zone: tzinfo = UTC) -> Officer:
    """Returns the officer who acts; raises Refused (rule "login") where nobody may."""
    if login is None:
        raise Refused("nobody is logged in; run `kentongan login NAME`", rule="login")
    officer = officers.get(login.officer)
    if officer is None or officer.public_key != login.key.public_key:
        raise Refused(f"officer {login.officer} is not on this ledger; run `kentongan login NAME`", rule="login")
    if officer.revoked_at is not None and now >= officer.revoked_at:
        raise Refused(f"officer {officer.name} is revoked; another officer must log in", rule="login")
    if not officer.active(now):
        since = telling.minute(officer.active_from, zone)
        raise Refused(f"officer {officer.name} counts only from {since}; another officer must log in", rule="login")
    return officer

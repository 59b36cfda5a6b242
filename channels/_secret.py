"""Secrets of instances: where a config names a file, what is put there counts from the next request on."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping

from pydantic import SecretStr

from kentongan.errors import BadConfig
from kentongan.settings import SecretSource


class Secret:
    """A secret that may stand in a header, for one field of one instance; no repr shows it.

    One from a file is read anew whenever the file has changed, so a token that was mended needs no restart. A file that
    cannot be read at that moment, because it is being replaced, leaves the secret as it was. Raises BadConfig, naming
    instance, field and remedy, where there is none to begin with.
    """

    def __init__(self, source: SecretSource, instance: str, field: str) -> None:
        self._source = source
        self._place = f"channels.{instance}.{field}"
        self._seen = self._stamp()
        self._value = self._read()

    def get_secret_value(self) -> str:
        """The secret as it is now."""
        stamp = self._stamp()
        if stamp is not None and stamp != self._seen:
            with contextlib.suppress(BadConfig):
                self._value = self._read()
                self._seen = stamp
        return self._value.get_secret_value()

    @property
    def bearer(self) -> Mapping[str, str]:
        """The header of a request that this token authorises."""
        return {"Authorization": f"Bearer {self.get_secret_value()}"}

    def _read(self) -> SecretStr:
        try:
            secret = self._source.read()
        except ValueError as error:
            raise BadConfig(f"{self._place}: {error}; put the secret there") from None
        value = secret.get_secret_value()
        if not value.isascii() or not value.isprintable():
            raise BadConfig(f"{self._place}: holds a character that no header may carry; write it anew")
        return secret

    def _stamp(self) -> tuple[int, int, int] | None:
        """What changes when the file does; None for one from the environment, or where the file is away."""
        if self._source.file is None:
            return None
        try:
            now = os.stat(self._source.file)
        except OSError:
            return None
        return now.st_mtime_ns, now.st_ino, now.st_size

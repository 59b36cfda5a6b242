"""A long list of people between its file and the ledger: read once, checked whole, and sorted, in little memory."""

from __future__ import annotations

import marshal
import secrets
import sqlite3
from collections.abc import Iterator
from types import TracebackType

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from kentongan.keys import KEY_LENGTH, NONCE_LENGTH
from kentongan.people import Row, no_room
from kentongan.seam import Address


class Staging:
    """People of a list by the keyed hash of their reference, each encrypted under a key that ends with this process.

    They lie in a file without a name in the system's folder for temporary files, which is gone however this ends.
    """

    def __init__(self) -> None:
        self.count = 0
        self._cipher = AESGCM(secrets.token_bytes(KEY_LENGTH))
        self._file = sqlite3.connect("", isolation_level=None)
        for statement in (
            "PRAGMA journal_mode = OFF",
            "PRAGMA synchronous = OFF",
            "CREATE TABLE staged (reference TEXT NOT NULL, content BLOB NOT NULL)",
            "BEGIN",
        ):
            self._file.execute(statement)
        self._cursor = self._file.cursor()

    def __enter__(self) -> Staging:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def add(self, reference: str, row: Row) -> None:
        """Takes a person in; raises BadInput where the disk for temporary files is full."""
        addresses = [(address.family, address.value) for address in row.addresses]
        content = marshal.dumps(
            (row.number, row.reference, addresses, row.language, row.groups, row.regions, row.hashes)
        )
        # Each once, under a key that is used for nothing else.
        nonce = self.count.to_bytes(NONCE_LENGTH, "big")
        sealed = nonce + self._cipher.encrypt(nonce, content, reference.encode())
        try:
            self._cursor.execute("INSERT INTO staged VALUES (?, ?)", (reference, sealed))
        except sqlite3.OperationalError as error:
            raise no_room(error) from None
        self.count += 1

    def __iter__(self) -> Iterator[tuple[str, Row]]:
        """All of them, in the order of their references; raises BadInput likewise."""
        try:
            for reference, sealed in self._file.execute("SELECT reference, content FROM staged ORDER BY reference"):
                nonce, sealed_content = sealed[:NONCE_LENGTH], sealed[NONCE_LENGTH:]
                # Written by this process, and the cipher knows whether it still is as it was.
                content = self._cipher.decrypt(nonce, sealed_content, reference.encode())
                number, own, addresses, language, groups, regions, hashes = marshal.loads(content)  # noqa: S302
                places = tuple(Address(*each) for each in addresses)
                yield reference, Row(number, own, places, language, groups, regions, hashes)
        except sqlite3.OperationalError as error:
            raise no_room(error) from None

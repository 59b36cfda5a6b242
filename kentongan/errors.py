"""Errors that a person must act on. Outcomes of a send are values (`kentongan.seam`), never these.

KentonganError                   one sentence, with the place and the remedy; carries an exit code
├── BadInput            exit 2   what was typed or supplied cannot be used
│   ├── BadConfig       exit 2   a config file is wrong; names file and field
│   └── PeopleKeyAway   exit 2   the key of people's data is missing, or another; whoever needs no address goes on
├── Refused             exit 3   a rule forbids it (gate, approval, mode, scope)
└── LedgerUnavailable   exit 2   the ledger is locked, full or unreadable; nothing was lost
    ├── DamagedRecord   exit 2   one row of it cannot be read; the others stand
    └── OtherVersion    exit 2   its tables are not those that this process knows; it writes nothing more
"""

from __future__ import annotations

from typing import ClassVar


class KentonganError(Exception):
    """Base of all errors shown to an officer; `str(error)` is the one sentence that is printed."""

    exit_code: ClassVar[int] = 2


class BadInput(KentonganError):
    """What was typed or supplied cannot be used; nothing was changed."""


class BadConfig(BadInput):
    """A config file is wrong; the message names the file, the field and the remedy."""


class PeopleKeyAway(BadInput):
    """The key of people's data cannot be read, or is another's: nobody can be found, and no address opened."""


class Refused(KentonganError):
    """A rule forbids the act; `rule` is the stable name of that rule, as it stands in the log."""

    exit_code: ClassVar[int] = 3

    def __init__(self, message: str, *, rule: str) -> None:
        super().__init__(message)
        self.rule = rule


class LedgerUnavailable(KentonganError):
    """The ledger could not be read or written; whatever was committed before still stands."""


class DamagedRecord(LedgerUnavailable):
    """A row of the ledger is not as it was written and cannot be read; what others hold still stands."""


class OtherVersion(LedgerUnavailable):
    """Another Kentongan has brought the ledger to its own version; this process can only end, and be started anew."""

"""Officers at the desk: the first, the later ones, and those who leave."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import SecretStr

from kentongan import membership
from kentongan.desk.desk import Desk
from kentongan.errors import BadInput, Refused
from kentongan.ledger import Write
from kentongan.ledger import officers as register
from kentongan.login import Login, LoginFile
from kentongan.officers import Officer, Refusal, SigningKey, new_officer, read_name, sign, unseal


def add(desk: Desk, name: str, secret: SecretStr, vouching: Sequence[SigningKey]) -> Officer:
    """Makes a new officer, who types their own secret; `vouching` are the keys of officers who admit them.

    The first officer of an empty ledger needs nobody. Raises Refused (docs/decisions/0003-officers.md), BadInput.
    """
    newcomer, key = new_officer(read_name(name), secret, now=desk.now)
    statement = membership.addition(newcomer, desk.now)
    signatures = [sign(statement, each) for each in (key, *vouching)]

    def put(write: Write) -> Officer:
        found = membership.check_addition(newcomer, signatures, officers=register.officers(write), now=desk.now)
        if isinstance(found, Refusal):
            raise found.error()
        register.add(write, officer=newcomer, signatures=signatures, admitted=found)
        return register.officers(write)[newcomer.name]

    return desk.ledger.write(put)


def revoke(desk: Desk, name: str, login: Login | None) -> None:
    """Revokes an officer on one officer's signed word. Raises Refused."""
    acting = desk.acting(login)
    signed = sign(membership.revocation(name, desk.now), acting.key)

    def put(write: Write) -> None:
        found = membership.check_revocation(signed, officers=register.officers(write), now=desk.now)
        if isinstance(found, Refusal):
            raise found.error()
        register.revoke(write, name=name, signed=signed, revoked=found)

    desk.ledger.write(put)


def log_in(desk: Desk, name: str, secret: SecretStr, file: LoginFile) -> Login:
    """Unseals an officer's key for twelve hours; raises BadInput for no such officer, Refused for a wrong secret."""
    officer = desk.officers().get(name)
    if officer is None:
        raise BadInput(f"no officer {name!r} in this ledger; `kentongan officer list` shows them")
    if not officer.active(desk.now):
        raise Refused(f"officer {name} does not count now; another officer must log in", rule="login")
    login = file.write(unseal(officer, secret), now=desk.now)
    desk.ledger.write(lambda write: write.event("officer.logged_in", officer=name))
    return login


def unsealed(desk: Desk, name: str, secret: SecretStr) -> SigningKey:
    """One officer's key for a single act, such as vouching for another; raises BadInput, Refused."""
    officer = desk.officers().get(name)
    if officer is None:
        raise BadInput(f"no officer {name!r} in this ledger; `kentongan officer list` shows them")
    return unseal(officer, secret)

"""A first config against the stand-ins of `kentongan sandbox`, with what they ask for, and people to try."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any

import yaml

from console.demo import samples, stand_ins
from console.founding import GROUP, Instance, secret_file
from kentongan.data import data_path
from kentongan.seam import Mode

PEOPLE = 12

_PREFIX = "KENTONGAN_DEMO_"


def agency() -> dict[str, Any]:
    """The made-up agency that stands in where nobody says otherwise."""
    content = yaml.safe_load((data_path("configs") / "demo" / "agency.yaml").read_text("utf-8"))
    return dict(content)


def names() -> dict[str, str]:
    """What an instance of a kind is called, without its mode."""
    return {fields["kind"]: name.removesuffix("-drill") for name, fields in stand_ins.instances().items()}


def instances(
    folder: Path, agency_: dict[str, Any], kinds: Collection[str], *, port: int, receipts: str
) -> tuple[list[Instance], dict[str, str]]:
    """Drill instances of `kinds` at the stand-ins, and the secrets that they need, by file name."""
    made_up = agency()
    told = [(str(made_up[name]), str(agency_[name])) for name in ("link", "name", "sender")]
    secrets = {name.removeprefix(_PREFIX).lower(): value for name, value in stand_ins.credentials().items()}
    needed: dict[str, str] = {}

    def fitted(value: Any) -> Any:
        if isinstance(value, dict) and set(value) == {"env"}:
            name = str(value["env"]).removeprefix(_PREFIX).lower()
            needed[name] = secrets[name]
            return secret_file(folder, name)
        if isinstance(value, dict):
            return {name: fitted(each) for name, each in value.items()}
        if isinstance(value, list):
            return [fitted(each) for each in value]
        if isinstance(value, str):
            for old, new in told:
                value = value.replace(old, new)
        return value

    found = []
    for name, fields in stand_ins.instances().items():
        kind = fields["kind"]
        if kind not in kinds:
            continue
        values = {key: fitted(each) for key, each in fields.items() if key not in ("kind", "mode")}
        if kind == "cap_feed":
            values["directory"] = str(folder / "feed")
        elif kind == "smtp":
            values["base_url"] = f"smtp://127.0.0.1:{port + 1}"
        else:
            values["base_url"] = f"http://127.0.0.1:{port}/{kind}"
        if "receipt_url" in values:
            values["receipt_url"] = f"http://{receipts}/receipts/{name}"
        found.append(Instance(name, kind, Mode.DRILL, values))
    return found, needed


def people() -> str:
    """A list of people to try, who exist nowhere, as `kentongan people import` reads it."""
    lines = ["reference,phone,telegram,whatsapp,email,language,groups"]
    for number in range(PEOPLE):
        telegram = samples.chat(number) if number % 2 == 0 else ""
        whatsapp = samples.phone(number) if number % 3 == 0 else ""
        email = samples.email(number) if number % 4 == 0 else ""
        language = "en" if number % 4 == 3 else "id"
        lines.append(f"person-{number},{samples.phone(number)},{telegram},{whatsapp},{email},{language},{GROUP}")
    return "\n".join(lines) + "\n"

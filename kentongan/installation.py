"""The check that the packages beside this one are ours: other projects ship packages called `channels` or `flows`."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from pathlib import Path

from kentongan.errors import BadConfig

_HOME = Path(__file__).resolve().parent.parent


def check_packages(names: Sequence[str] = ("channels", "flows", "console"), home: Path = _HOME) -> None:
    """Raises BadConfig, saying what to uninstall, where a package of one of these names is not the one in `home`.

    Every entry point calls this before it imports any of them. Nothing is imported here.
    """
    for name in names:
        specification = importlib.util.find_spec(name)
        places = list(specification.submodule_search_locations or ()) if specification is not None else []
        if any(Path(place).resolve() == home / name for place in places[:1]):
            continue
        if specification is None:
            raise BadConfig(f"package {name} is missing beside kentongan in {home}; install Kentongan again")
        # Late: it imports the whole of `email`, and is hardly ever needed.
        from importlib import metadata

        where = places[0] if places else specification.origin or "an unknown place"
        owners = sorted(set(metadata.packages_distributions().get(name, [])) - {"kentongan"})
        remedy = f"uninstall {' and '.join(owners)}" if owners else "move it away"
        raise BadConfig(f"package {name} in {where} is not Kentongan's; {remedy} or give Kentongan its own environment")

"""`kentongan people`: the people who are written to."""

from __future__ import annotations

from console.command import Lazy, LazyGroup

people = LazyGroup(
    name="people",
    help="Import the people who are written to, erase them, and note who does not want to be.",
    lazy={
        "import": Lazy("console.commands.people_import:import_", "Import a list of people; names are never kept."),
        "erase": Lazy("console.commands.people_erase:erase", "Erase people for good who ask for it."),
        "retain": Lazy("console.commands.people_retain:retain", "Erase what policy.yaml does not let be kept longer."),
        "rotate-key": Lazy(
            "console.commands.people_key:rotate_key", "Protect people's data with a new key, and destroy the old one."
        ),
        "opt-out": Lazy("console.commands.opt_outs:opt_out", "Note that people do not want our messages."),
        "opt-in": Lazy("console.commands.opt_outs:opt_in", "Take opt-outs back."),
    },
)

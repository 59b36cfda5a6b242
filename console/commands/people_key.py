"""`kentongan people rotate-key`: a new people.key, while alerts go on being sent."""

from __future__ import annotations

from console import output
from console.command import command
from console.progress_bar import progress
from kentongan.errors import BadInput


@command("rotate-key")
def rotate_key() -> None:
    """Protect people's data with a new key, and destroy the old one; alerts go on being sent meanwhile.

    Each person's own key is wrapped anew; addresses and their look-up stay as they are. Cut at any moment it goes on
    when it is run again. Backups made before are opened by the keys that were copied with them: afterwards make a new
    backup, copy the keys (kentongan keys copy), and destroy both that are older.
    """
    from pathlib import Path

    from console.office import Need, at_keyboard, opened
    from kentongan import key_rotation
    from kentongan.ledger.erasing import clear_journal

    with opened(Need.NOTHING, warn=False) as office:
        ledger, state = office.house.ledger, office.house.state
        if not isinstance(ledger.path, Path):
            raise BadInput("people.key is rotated on a ledger file alone: other hosts would not know of the new key")
        by, _ = at_keyboard(state)
        resumed = key_rotation.is_under_way(state.keys)
        with progress("Wrapping", unit="keys") as told:
            rewrapped = key_rotation.rotate(ledger, state.keys, office.house.keys, by=by, told=told)
        cleared = clear_journal(ledger)
        if output.wants_json():
            output.document({"rewrapped": rewrapped, "resumed": resumed, "journal_cleared": cleared})
            return
        output.say(f"{rewrapped:,} keys are wrapped with a new people.key; the old one is gone from {state.keys}.")
        output.say("Next: kentongan backup, then kentongan keys copy FOLDER; then destroy older backups and copies.")

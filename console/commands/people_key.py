"""`kentongan people rotate-key`: a new key of people's data, while alerts go on being sent."""

from __future__ import annotations

from console import output
from console.command import command
from console.progress_bar import progress


@command("rotate-key")
def rotate_key() -> None:
    """Protect people's data with a new key, and destroy the old one; alerts go on being sent meanwhile.

    Each person's own key is wrapped anew; addresses and their look-up stay as they are. Cut at any moment it goes on
    when it is run again. Backups made before are opened by the keys that were copied with them: afterwards make a new
    backup, copy the keys (kentongan keys copy), and destroy both that are older.
    """
    from console.office import Need, at_keyboard, opened
    from kentongan import key_rotation
    from kentongan.ledger.erasing import clear_journal

    with opened(Need.NOTHING, warn=False) as office:
        ledger, keys = office.house.ledger, office.house.keys
        by, _ = at_keyboard(office.house.state)
        resumed = keys.people.is_under_way()
        with progress("Wrapping", unit="keys") as told:
            done = key_rotation.rotate(ledger, keys, by=by, told=told)
        cleared = clear_journal(ledger)
        if output.wants_json():
            output.document(
                {"rewrapped": done.rewrapped, "resumed": resumed, "journal_cleared": cleared, "left_to_do": done.left}
            )
            return
        if done.left is not None:
            output.say(f"{done.rewrapped:,} keys are wrapped with the next key.")
            output.warn(done.left)
        else:
            output.say(
                f"{done.rewrapped:,} keys are wrapped with a new key; the old one is gone from {keys.people.name}."
            )
        output.say("Next: kentongan backup, then kentongan keys copy FOLDER; then destroy older backups and copies.")

"""`kentongan merge`: what was sent from the spare comes into the ledger."""

from __future__ import annotations

from console import output
from console.command import command


@command("merge")
def merge() -> None:
    """Bring what was sent from the spare (KENTONGAN_SPARE_DIR) into the ledger, once it takes something again.

    Every message and attempt comes, marked as merged; what was brought before is not brought again. `send`, `resume`
    and the service do it by themselves. What was not sent yet goes on from the ledger.
    """
    from console import spares

    done = spares.merge_all()
    if output.wants_json():
        output.document(
            {
                "merged": [
                    {
                        "code": spool.about.code,
                        "deliveries": merged.deliveries if merged else 0,
                        "attempts": merged.attempts if merged else 0,
                        "twice": merged.twice if merged else 0,
                    }
                    for spool, merged in done
                ]
            }
        )
    elif not done:
        output.say("Nothing was sent from the spare.")

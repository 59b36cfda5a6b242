"""What is asked and changed at the provider about messages that went before: look-ups and marks."""

from __future__ import annotations

import asyncio

from kentongan.clock import Milliseconds
from kentongan.dispatcher.part import Part
from kentongan.ledger import outcomes, work
from kentongan.ledger.claims import Claimed, Intent
from kentongan.policy import after_find, backoff
from kentongan.seam import Accepted, Credential, InDoubt, Job, Pending, Posted, Rejected, Rendered, Retryable


async def find(part: Part, claimed: Claimed) -> None:
    """Looks a doubtful message up at the provider, and records what follows from the answer."""
    sender = part.sender
    message = part.messages.get(claimed.language)
    first_at = claimed.first_intent_at or sender.clock.wall()
    to = await part.address(claimed)
    try:
        async with asyncio.timeout(part.patience):
            if message is None:
                raise LookupError
            answer = await part.channel.find(message, part.job(claimed, first_at, to))
    except Exception as error:
        answer = InDoubt(f"the look-up failed with {type(error).__name__}")
    intent = Intent(claimed.id, claimed.attempt, claimed.last_intent_at or first_at, first_at)
    decision = after_find(answer, part.situation(claimed, intent, None), sender.policy)
    found = answer if isinstance(answer, Accepted) else Accepted("")
    await sender.ledger.write_soon(
        lambda write: outcomes.settle_find(
            write,
            sender=sender.name,
            claimed=claimed,
            decision=decision,
            provider_id=found.id,
            url=found.url,
        ),
        must=True,
        beside=True,
    )


async def mark(part: Part, claimed: Claimed) -> None:
    """Marks what the same recipient had of the thread before; repeated whole where one of them did not end."""
    sender = part.sender
    message = part.messages.get(claimed.language)
    earlier = sender.ledger.read(lambda read: work.posted(read, claimed.id))
    again_at: Milliseconds | None = None
    details = []
    if not earlier or message is None:
        details.append("nothing to mark: the earlier message is not known to be there")
    else:
        to = await part.address(claimed)
        job = part.job(claimed, claimed.first_intent_at or sender.clock.wall(), to)
        for posted in earlier:
            detail, wait = await _mark_one(part, Posted(*posted), message, job, claimed.attempt)
            details.append(detail)
            if wait is not None:
                later = sender.clock.wall() + round(wait * 1000)
                again_at = max(again_at or later, later) if later < claimed.deliver_by else again_at
    await sender.ledger.write_soon(
        lambda write: outcomes.settle_edit(
            write, sender=sender.name, claimed=claimed, detail="; ".join(dict.fromkeys(details)), again_at=again_at
        ),
        must=True,
        beside=True,
    )


async def _mark_one(part: Part, posted: Posted, message: Rendered, job: Job, tries: int) -> tuple[str, float | None]:
    """Marks one earlier message; returns what came of it, and the seconds after which to try again if it may."""
    try:
        async with asyncio.timeout(part.patience):
            answer = await part.channel.edit(posted, message, job)
    except Exception as error:
        answer = InDoubt(f"the edit failed with {type(error).__name__}")
    if isinstance(answer, Accepted):
        return "marked as withdrawn", None
    if isinstance(answer, Retryable | InDoubt | Pending):
        # An edit to the same words may be repeated without harm.
        wait = backoff(tries + 1, part.sender.chance(), part.sender.policy)
        return getattr(answer, "reason", "not finished"), max(wait, getattr(answer, "after", None) or 0.0)
    assert isinstance(answer, Rejected | Credential)
    return f"could not be marked: {answer.reason}", None

"""Putting an alert's pictures at a provider before its words go."""

from __future__ import annotations

import asyncio
import dataclasses

from kentongan.clock import Milliseconds
from kentongan.dispatcher.part import Part
from kentongan.ledger.claims import Claimed
from kentongan.policy import backoff
from kentongan.seam import Handle, InDoubt, Pending, Retryable, Uploaded

_PATIENCE: Milliseconds = 15_000
"""How long a message's words wait for its pictures."""


class Uploads:
    """The pictures of one instance's messages, put at its provider once a language."""

    def __init__(self, part: Part) -> None:
        self._part = part
        self._done: dict[str, Uploaded] = {}
        self._pending: dict[str, Handle] = {}
        self._began: dict[str, Milliseconds] = {}
        self._tries = 0

    def of(self, language: str) -> Uploaded | None:
        """What the provider holds for the messages in this language, None where nothing was to be put there."""
        return self._done.get(language)

    async def step(self, claimed: Claimed) -> float | None:
        """Takes the next step with the pictures of a message, before anything irreversible is intended.

        Returns None when the message may go on, else the seconds after which to try again. Media alone reach nobody,
        so a doubtful step is simply repeated. Words never fail for want of a picture: what is refused, or not there in
        time, is left out, and that is put on record.
        """
        language, part = claimed.language, self._part
        clock = part.sender.clock
        message = part.messages.get(language)
        if message is None or not message.media or not part.channel.traits.upload:
            return None
        if language in self._done:
            return None
        began = self._began.setdefault(language, clock.boot())
        job = part.job(claimed, clock.wall(), None)
        try:
            async with asyncio.timeout(part.patience):
                handle = self._pending.pop(language, None)
                if handle is None:
                    answer = await part.channel.upload(message)
                else:
                    answer = await part.channel.advance(message, dataclasses.replace(job, handle=handle))
        except Exception as error:
            answer = Retryable(f"the upload failed with {type(error).__name__}")
        if isinstance(answer, Uploaded):
            self._done[language] = answer
            return None
        left = (began + _PATIENCE - clock.boot()) / 1000
        if left > 0 and isinstance(answer, Pending):
            self._pending[language] = answer.handle
            return min(answer.check_after, left)
        if left > 0 and isinstance(answer, Retryable | InDoubt):
            self._tries += 1
            after = answer.after if isinstance(answer, Retryable) else None
            return min(max(after or 0.0, backoff(self._tries, part.sender.chance(), part.sender.policy)), left)
        await self._leave_out(language, getattr(answer, "reason", "not ready in time"))
        return None

    async def _leave_out(self, language: str, reason: str) -> None:
        self._done[language] = Uploaded({})
        await self._part.sender.ledger.write_soon(
            lambda write: write.event(
                "instance.without_pictures",
                alert=self._part.alert_id,
                instance=self._part.channel.name,
                language=language,
                reason=reason,
            ),
            must=True,
        )

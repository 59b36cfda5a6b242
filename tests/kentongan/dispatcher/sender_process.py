"""A sender in a process of its own: `python sender_process.py ROOT TAKEN PAUSE [ALERT]`.

What its provider takes is a line in the file TAKEN, written in one piece, so that it counts across processes and
outlives a kill. It ends when nothing of the alert is left.
"""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

from kentongan.clock import Process
from kentongan.seam import Accepted, Job, Outcome, Traits
from kentongan.settings import Policy
from tests.kentongan.sending import Place, ScriptedChannel


def main(root: Path, taken: Path, pause: float, alert_id: str) -> None:
    descriptor = os.open(taken, os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    async def take(job: Job) -> Outcome:
        os.write(descriptor, f"{job.key}\n".encode())
        await asyncio.sleep(pause)
        return Accepted(job.key)

    async def send() -> None:
        place = Place(root)
        channel = ScriptedChannel(traits=Traits(family="phone"), answer=lambda job, times: take(job), rate=400.0)
        dispatcher = place.dispatcher(
            channel, policy=Policy(repeat_after=1), process=Process.current(), sender=f"sender-{os.getpid()}"
        )
        await dispatcher.start()
        await dispatcher.nudge(alert_id)
        await dispatcher.finished(alert_id)
        await dispatcher.close()
        place.close()

    asyncio.run(send())


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), float(sys.argv[3]), sys.argv[4] if len(sys.argv) > 4 else "alert-1")

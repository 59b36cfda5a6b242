"""How a worker that owns an alert has Prefect show it: by a run of the deployment, for it runs no flow itself."""

from __future__ import annotations

from dataclasses import field

import httpx

from kentongan.alert import Kind
from kentongan.errors import KentonganError
from kentongan.ledger import Ledger, alerts
from kentongan.quick_dataclass import dataclass

_PATIENCE = 3.0


class NotAnnounced(KentonganError):
    """Prefect was not told of an alert; the message says why, for the record."""


@dataclass(frozen=True, slots=True)
class Announcing:
    """Asks the Prefect server at `url` for one run of `broadcast` or `follow-up`, however often `owner` tells it.

    It runs on `host`, the owner's own: with another, another host's end would leave the alert without a picture.
    `secret`: "user:password", where the server asks for them.
    """

    ledger: Ledger
    url: str
    owner: str
    host: str
    secret: str = field(default="", repr=False)

    async def announce(self, alert_id: str) -> None:
        """Has an alert shown; the process worker on this host does it. Raises NotAnnounced."""
        stored = self.ledger.read(lambda read: alerts.get(read, alert_id))
        name = "broadcast" if stored.kind is Kind.ALERT else "follow-up"
        user, _, password = self.secret.partition(":")
        auth = httpx.BasicAuth(user, password) if self.secret else None
        try:
            async with httpx.AsyncClient(base_url=self.url, timeout=_PATIENCE, auth=auth) as client:
                found = await client.get(f"/deployments/name/{name}/{name}")
                if found.status_code == httpx.codes.NOT_FOUND:
                    raise NotAnnounced(f"Prefect knows no deployment {name}; run `prefect --no-prompt deploy --all`")
                made = await client.post(
                    f"/deployments/{found.raise_for_status().json()['id']}/create_flow_run",
                    json={
                        "parameters": {"alert": stored.code},
                        "work_queue_name": self.host,
                        "idempotency_key": f"{alert_id}-{self.owner}",
                    },
                )
                run = str(made.raise_for_status().json()["id"])
        except httpx.HTTPStatusError as error:
            raise NotAnnounced(f"the Prefect server answered {error.response.status_code}") from None
        except (httpx.HTTPError, httpx.InvalidURL, ValueError, LookupError) as error:
            raise NotAnnounced(f"the Prefect server was not reached ({type(error).__name__})") from None
        await self.ledger.write_soon(
            lambda write: write.event("orchestration.asked", alert=alert_id, flow_run=run, host=self.host)
        )

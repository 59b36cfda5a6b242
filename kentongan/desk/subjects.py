"""What approvals cover, as it was submitted and as the ledger's rows give it now."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import select

from kentongan.alert import Kind
from kentongan.area.codes import Waves, Within
from kentongan.desk import extent, targeting
from kentongan.errors import BadInput, Refused
from kentongan.ledger import Read, alerts, renderings, schema, submissions
from kentongan.ledger.alerts import StoredAlert
from kentongan.routes import Following
from kentongan.settings import InstanceSettings
from kentongan.stored import from_json
from kentongan.subject import Instance, Prepared, Subject


def prepared_correction(read: Read, alert_id: str) -> StoredAlert | None:
    """The correction that lies ready for an alert, None before its first submission or after its release."""
    for successor in alerts.successors(read, alert_id):
        if successor.kind is Kind.CORRECTION and successor.state == "prepared":
            return successor
    return None


def current(read: Read, alert_id: str) -> Subject:
    """What an approval covers now, computed anew from the rows, for the instances that were submitted."""
    before = submitted(read, alert_id)
    instances = {instance.name: instance for instance in before.instances}
    return of(read, alert_id, instances, before.within, before.following)


def within_of(read: Read, alert_id: str) -> Within | None:
    """The area that was submitted, with the codes of people that no region knows now; None where there is none."""
    if submissions.latest(read, alert_id) is None:
        return None
    return targeting.now(read, submitted(read, alert_id).within)


def routed(read: Read, alert_id: str) -> tuple[Mapping[str, str], Following]:
    """By which rule of the routes each channel was chosen when an alert was submitted, and what follows."""
    submission = submissions.latest(read, alert_id)
    if submission is None:
        return {}, Following()
    return submission.subject.get("rules") or {}, from_json(Subject, submission.subject["subject"]).following


def waves(read: Read, alert_id: str) -> Waves:
    """The order of regions that was found when an alert was submitted."""
    submission = submissions.latest(read, alert_id)
    found = submission.subject.get("waves") or () if submission is not None else ()
    return tuple(tuple(map(str, codes)) for codes in found)


def submitted(read: Read, alert_id: str) -> Subject:
    """What the latest submission put up for approval; raises BadInput where there is none."""
    submission = submissions.latest(read, alert_id)
    if submission is None:
        raise BadInput(f"alert {alert_id} was never submitted; run `kentongan submit`")
    return from_json(Subject, submission.subject["subject"])


def of(
    read: Read, alert_id: str, instances: Mapping[str, Instance], within: Within | None, following: Following
) -> Subject:
    """What an approval would cover for these instances, from the rows of the alert and of its correction."""
    row = read.execute(select(schema.alert).where(schema.alert.c.id == alert_id)).mappings().one()
    stored = alerts.get(read, alert_id)
    corrections = [s for s in alerts.successors(read, alert_id) if s.kind is Kind.CORRECTION]
    return Subject(
        alert_id=alert_id,
        kind=stored.kind,
        alert=alerts.alert_digest(dict(row)),
        renderings=_rendering_digests(read, alert_id),
        instances=tuple(instances.values()),
        area=extent.area_names(stored.draft),
        correction=prepared(read, corrections[0].id) if corrections else None,
        within=within,
        following=following,
    )


def prepared(read: Read, correction_id: str) -> Prepared:
    """A ready-made correction, digested anew from its rows."""
    row = read.execute(select(schema.alert).where(schema.alert.c.id == correction_id)).mappings().one()
    return Prepared(alert=alerts.alert_digest(dict(row)), renderings=_rendering_digests(read, correction_id))


def _rendering_digests(read: Read, alert_id: str) -> dict[str, str]:
    rows = read.execute(select(schema.rendering).where(schema.rendering.c.alert_id == alert_id))
    return {
        f"{row.instance}:{row.language}": renderings.rendering_digest(alert_id, row.instance, row.language, row.content)
        for row in rows
    }


def same_instances(subject: Subject, channels: Mapping[str, InstanceSettings], code: str) -> None:
    """Raises Refused where the config no longer has an instance as it was submitted."""
    for instance in subject.instances:
        settings = channels.get(instance.name)
        was = (instance.kind, instance.mode, instance.sandbox, instance.audience is None)
        if settings is None or (settings.kind, settings.mode, settings.sandbox, settings.audience is None) != was:
            raise Refused(
                f"channel {instance.name} is not what it was when alert {code} was submitted; submit it again",
                rule="approval-changed",
            )

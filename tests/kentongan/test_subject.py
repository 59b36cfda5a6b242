from __future__ import annotations

import dataclasses
import json

from hypothesis import given
from hypothesis import strategies as st

from kentongan.alert import Kind
from kentongan.seam import Mode
from kentongan.settings import Audience
from kentongan.stored import from_json, to_json
from kentongan.subject import Instance, Prepared, Subject, subject_digest

words = st.text(max_size=8)
digests = st.dictionaries(words, words, max_size=3)
audiences = st.builds(Audience, groups=st.lists(words, max_size=2).map(tuple), regions=st.just(("33", "34.02")))
instances = st.builds(
    Instance,
    name=words,
    kind=words,
    mode=st.sampled_from(Mode),
    sandbox=st.booleans(),
    audience=st.none() | audiences,
)
subjects = st.builds(
    Subject,
    alert_id=words,
    kind=st.sampled_from(Kind),
    alert=words,
    renderings=digests,
    instances=st.lists(instances, max_size=3).map(tuple),
    area=st.lists(words, max_size=3).map(tuple),
    correction=st.none() | st.builds(Prepared, alert=words, renderings=digests),
)


def shuffled(subject: Subject) -> Subject:
    """The same subject with all that has no order the other way round."""
    return dataclasses.replace(
        subject,
        renderings=dict(reversed(list(subject.renderings.items()))),
        instances=tuple(
            dataclasses.replace(
                each,
                audience=each.audience
                and Audience(groups=each.audience.groups[::-1], regions=each.audience.regions[::-1]),
            )
            for each in reversed(subject.instances)
        ),
        area=tuple(reversed(subject.area)),
    )


@given(subjects)
def test_order_does_not_change_the_digest(subject: Subject) -> None:
    assert subject_digest(shuffled(subject)) == subject_digest(subject)


@given(subjects, subjects, st.sampled_from([field.name for field in dataclasses.fields(Subject)]))
def test_a_change_in_any_part_changes_the_digest(subject: Subject, other: Subject, part: str) -> None:
    changed = dataclasses.replace(subject, **{part: getattr(other, part)})

    def sorted_out(each: Subject) -> object:
        value = getattr(shuffled(shuffled(each)), part)
        if part == "instances":
            return sorted(
                (
                    i.name,
                    i.kind,
                    i.mode,
                    i.sandbox,
                    i.audience is None,
                    sorted(i.audience.groups) if i.audience else [],
                )
                for i in value
            )
        return sorted(value) if part == "area" else value

    assert (subject_digest(changed) == subject_digest(subject)) == (sorted_out(changed) == sorted_out(subject))


@given(subjects)
def test_a_subject_reads_back_the_same(subject: Subject) -> None:
    read = from_json(Subject, json.loads(json.dumps(to_json(subject))))
    assert subject_digest(read) == subject_digest(subject)
    assert read.correction == subject.correction

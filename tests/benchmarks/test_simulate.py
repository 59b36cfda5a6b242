from __future__ import annotations

import random
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.simulate import Costs, Provider, Site, costs_from, simulate

WITHIN = 300
SITES = st.builds(
    Site,
    hosts=st.integers(1, 50),
    cores=st.integers(1, 8),
    in_flight=st.integers(1, 256),
    writers=st.integers(2, 32),
    commit_ms=st.floats(0.5, 50),
    gathered=st.integers(1, 256),
    database_us=st.floats(1, 500),
    database_cores=st.integers(1, 64),
)
PROVIDERS = st.builds(
    Provider,
    name=st.just("any"),
    rate=st.floats(1, 10_000),
    credentials=st.integers(1, 20),
    round_trip_ms=st.floats(1, 1_000),
    a_day=st.none() | st.integers(1, 1_000_000),
)


@given(recipients=st.integers(1, 5_000_000), site=SITES, provider=PROVIDERS, seed=st.integers())
def test_nobody_is_invented_no_bound_is_beaten_and_more_of_anything_is_never_later(
    recipients: int, site: Site, provider: Provider, seed: int
) -> None:
    costs = Costs()

    def sent(site: Site, provider: Provider) -> int:
        found = simulate(recipients, costs, site, provider, within=WITHIN, chance=random.Random(seed))
        assert found == simulate(recipients, costs, site, provider, within=WITHIN, chance=random.Random(seed))
        assert 0 <= found.reached <= recipients
        assert found.seconds is None or found.reached == recipients
        assert found.reached <= (found.seconds or WITHIN) * provider.rate * provider.credentials + 1
        assert found.reached <= (found.seconds or WITHIN) * site.hosts * site.cores * 1e6 / costs.sender_us + 1
        assert found.breaks_first in found.scarce
        return found.reached * WITHIN - (found.seconds or WITHIN)

    before = sent(site, provider)
    for more in (
        replace(site, hosts=site.hosts + 1),
        replace(site, in_flight=site.in_flight + 16),
        replace(site, writers=site.writers + 1),
        replace(site, commit_ms=site.commit_ms / 2),
        replace(site, database_cores=site.database_cores + 1),
    ):
        assert sent(more, provider) >= before
    assert sent(site, replace(provider, rate=provider.rate * 2)) >= before


def test_costs_are_the_medians_of_a_run_of_the_benchmark() -> None:
    rounds = [{"with_record_cpu_us": value, "ledger_cpu_us": value / 2} for value in (500, 400, 900)]
    found = costs_from({"rows": [{"name": "throughput", "rounds": rounds}, {"not_measured": "no"}]}, Costs(plan_us=7))
    assert found == Costs(sender_us=500, ledger_us=250, plan_us=7)
    with pytest.raises(ValueError, match="no rows"):
        costs_from({}, Costs())

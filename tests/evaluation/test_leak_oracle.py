"""The audit against leaks that were planted by somebody who did not know how it looks for them."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from leak_oracle.clean import PIPELINES
from leak_oracle.leaks import LEAKS, Leak

from nightdesk.evaluation.audit import audit
from nightdesk.evaluation.pipeline import Step

SOME = ("close_to_close",)
HONEST = ("split_adjusted", "latest_publication")
BY_NAME = {leak.name: leak for leak in LEAKS}


def named(leak: Leak) -> None:
    """The step that is wrong is among those told, and told in words."""
    found = audit(leak.steps())
    assert leak.step in {one.step for one in found}, f"{leak.why} Told: {[one.words for one in found]}"
    assert all(one.words for one in found)


def silent(make: Callable[[], list[Step]]) -> None:
    assert [one.words for one in audit(make())] == []


def test_the_oracle_is_large_enough() -> None:
    assert len(LEAKS) >= 40
    assert len({leak.kind for leak in LEAKS}) >= 12
    assert len(PIPELINES) >= 20


@pytest.mark.parametrize("name", SOME)
def test_a_leak_of_each_sort_is_named(name: str) -> None:
    named(BY_NAME[name])


@pytest.mark.parametrize("name", HONEST)
def test_an_honest_pipeline_is_not_accused(name: str) -> None:
    silent(PIPELINES[name])


@pytest.mark.proof
@pytest.mark.parametrize("leak", LEAKS, ids=list(BY_NAME))
def test_every_leak_is_named(leak: Leak) -> None:
    named(leak)


@pytest.mark.proof
@pytest.mark.parametrize("name", list(PIPELINES))
def test_no_honest_pipeline_is_accused(name: str) -> None:
    silent(PIPELINES[name])

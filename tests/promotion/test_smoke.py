"""The smoke prediction: what is wrong with a loaded model, said in words, or nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from tracking_samples import sample_bundle, tonight

from nightdesk.models.bundle import Bundle
from nightdesk.models.recipe import Matrix, Vector
from nightdesk.promotion.smoke import smoke_fault

ROWS = 10


@dataclass(frozen=True)
class Says:
    """A model that says what it is told to."""

    score: Callable[[int], Vector]

    def predict(self, features: Matrix) -> Vector:
        return self.score(len(features))

    def save(self, folder: Path) -> None:
        raise AssertionError("a smoke prediction saves nothing")


def saying(*scores: float) -> Bundle:
    return Bundle(sample_bundle().manifest, Says(lambda rows: np.array(scores[:rows])))


def distinct(count: int) -> Bundle:
    return saying(*(float(min(n, count - 1)) for n in range(ROWS)))


def test_a_sound_model_has_no_fault() -> None:
    assert smoke_fault(sample_bundle(), sample_bundle(), tonight()) is None


def test_a_model_that_misses_a_feature_says_which() -> None:
    wider = replace(sample_bundle().manifest, features=("first", "gone"))
    loaded = Bundle(wider, sample_bundle().fitted)
    assert smoke_fault(loaded, loaded, tonight()) == "the model needs 2 features, got none called 'gone'"


@pytest.mark.parametrize("wild", [float("nan"), float("inf"), float("-inf")])
def test_a_score_that_is_not_finite_is_a_fault(wild: float) -> None:
    bundle = saying(*range(ROWS - 1), wild)
    assert smoke_fault(bundle, bundle, tonight(ROWS)) == "scores must be finite, got 1 of 10 that are not"


def test_a_loaded_model_that_scores_otherwise_is_a_fault() -> None:
    scores = [float(n) for n in range(ROWS)]
    nearly = [*scores[:-1], np.nextafter(scores[-1], 100)]
    fault = smoke_fault(saying(*nearly), saying(*scores), tonight(ROWS))
    assert fault == "the model loaded from the registry must score as the fitted one, got other scores"
    assert smoke_fault(saying(*scores), saying(*scores), tonight(ROWS)) is None


def test_half_the_scores_must_differ() -> None:
    assert smoke_fault(distinct(5), distinct(5), tonight(ROWS)) is None
    fault = smoke_fault(distinct(4), distinct(4), tonight(ROWS))
    assert fault == "at least 50% of the scores must differ, got 40%"


def test_a_night_without_symbols_cannot_show_that_a_model_is_sound() -> None:
    assert smoke_fault(saying(), saying(), tonight(0)) == "at least 50% of the scores must differ, got 0%"

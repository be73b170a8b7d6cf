"""The smoke prediction: a fit, as loaded from the registry, must score tonight's symbols before it may serve."""

from __future__ import annotations

import numpy as np
import polars as pl

from nightdesk.ensemble.members import Incomplete
from nightdesk.errors import ModelBroken
from nightdesk.models.bundle import Bundle
from nightdesk.models.combination import FittedCombination

MIN_DISTINCT = 0.5
"""Smallest share of distinct scores: a model that says the same of half the symbols ranks nothing."""


def smoke_fault(loaded: Bundle, fitted: Bundle, tonight: pl.DataFrame) -> str | None:
    """Say what is wrong with a model as loaded from the registry, or None where nothing is.

    `tonight` holds the features of the as-of day. The loaded model must score as the fitted one did, bit for bit, with
    finite and mostly distinct scores, and be no ensemble that is short of a member.
    """
    fault = short_fault(loaded) or serving_fault(loaded, tonight)
    if fault is None and not np.array_equal(loaded.score(tonight), fitted.score(tonight)):
        return "the model loaded from the registry must score as the fitted one, got other scores"
    return fault


def serving_fault(loaded: Bundle, tonight: pl.DataFrame) -> str | None:
    """Say why a model that was fitted on an earlier night cannot score `tonight`'s features, or None where it can."""
    try:
        scores = loaded.score(tonight)
    except ModelBroken as error:
        return str(error)
    if not np.isfinite(scores).all():
        return f"scores must be finite, got {int((~np.isfinite(scores)).sum())} of {len(scores)} that are not"
    distinct = len(np.unique(scores)) / max(len(scores), 1)
    if distinct < MIN_DISTINCT:
        return f"at least {MIN_DISTINCT:.0%} of the scores must differ, got {distinct:.0%}"
    return None


def short_fault(loaded: Bundle) -> str | None:
    """What is said of an ensemble that is short of a member, which never serves; None of any other model."""
    fitted = loaded.fitted
    if not isinstance(fitted, FittedCombination) or not fitted.missing:
        return None
    return Incomplete((*(one.name for one in fitted.members), *fitted.missing), fitted.missing).reason

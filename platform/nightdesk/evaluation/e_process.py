"""The e-process on paired daily differences: evidence that may be looked at every night and stopped on at any."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from nightdesk.errors import BadInput
from nightdesk.scoring.checks import check_horizon
from nightdesk.scoring.observed import FloatArray

LAMBDAS: Final = (0.5, 1.0, 1.5, 2.0, 2.4)
CLIP: Final = 0.4


def e_path(differences: npt.ArrayLike, horizon: int) -> FloatArray:
    """Evidence after each night that the first of a pair is better than the second.

    The mean over fixed lambda of the running product of 1 + lambda clip(d, -0.4, 0.4). Null: given all that was known
    before, the clipped difference is at most 0 on average; then the path reaches 1 / alpha with chance alpha at most
    (Ville 1939). Where labels overlap, every `horizon`-th night is a stream without overlap, with a process of its own,
    and the path is their mean: valid at any night fixed before; what looking every night adds is measured by the
    proofs, for Ville's bound holds for each stream but is not known for their mean.

    Parameters
    ----------
    differences
        Rank IC of the first less that of the second (or the second's loss less the first's, scaled alike), one value a
        trading night in order, shape (..., nights). NaN or None: no pair on that night; it changes nothing, but keeps
        its place, for nights are dealt to streams by position.
    horizon
        Trading days held, 1 to 60.

    Returns
    -------
    Same shape; above 0, 1 where nothing is known. Only what was clipped counts: no single night can decide.

    Raises
    ------
    BadInput
        The horizon breaks its rule, or a difference is infinite.
    """
    check_horizon(horizon)
    nightly = np.asarray(differences, dtype=np.float64)
    if np.isinf(nightly).any():
        raise BadInput(f"differences must be finite or missing, got {int(np.isinf(nightly).sum())} infinite: find why")
    clipped = np.clip(np.where(np.isnan(nightly), 0.0, nightly), -CLIP, CLIP)
    if not clipped.shape[-1]:
        return clipped
    evidence = np.zeros_like(clipped)
    for rate in LAMBDAS:
        evidence += _products(1.0 + rate * clipped, horizon)
    return _mean_of_streams(evidence / len(LAMBDAS), horizon)


def _products(factors: FloatArray, horizon: int) -> FloatArray:
    """Running product of each stream, at the nights it moved on."""
    *lead, nights = factors.shape
    rounds = -(-nights // horizon)
    padded = np.ones((*lead, rounds * horizon))
    padded[..., :nights] = factors
    products: FloatArray = np.cumprod(padded.reshape(*lead, rounds, horizon), axis=-2, dtype=np.float64)
    return products.reshape(*lead, rounds * horizon)[..., :nights]


def _mean_of_streams(evidence: FloatArray, horizon: int) -> FloatArray:
    """Mean over streams: the last `horizon` nights hold the newest value of each; one not begun yet stands at 1."""
    begun = np.concatenate([np.ones((*evidence.shape[:-1], horizon - 1)), evidence], axis=-1)
    mean: FloatArray = np.lib.stride_tricks.sliding_window_view(begun, horizon, axis=-1).mean(axis=-1)
    return mean

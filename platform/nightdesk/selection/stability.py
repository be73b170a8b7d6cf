"""How much selections agree: the same features chosen again and again, or others each time, beyond what is chance."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import stats

from nightdesk.errors import BadInput
from nightdesk.scoring.observed import FloatArray
from nightdesk.selection.selector import Mask

Counts = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Agreement:
    """How much selections agree.

    Attributes
    ----------
    stability : of Nogueira, Sechidis & Brown (2018): 1 where all are the same, 0 what choosing at random comes to, and
        below 0 for less than that; None where every feature is always chosen, or none ever.
    lower, upper : its interval for independent samples. Training sets that overlap agree more than such: it is then
        too narrow, and says how much the selections differ from each other, not how another history would choose.
    jaccard : mean over pairs of the share of features in both among those in either; chance is not taken off.
    kuncheva : mean over pairs of Kuncheva's (2007) index; None where selections differ in size, or leave nothing out.
    share : of the selections that chose each feature, 0 to 1.
    """

    stability: float | None
    lower: float | None
    upper: float | None
    jaccard: float
    kuncheva: float | None
    share: FloatArray


def agreement(chosen: Mask, level: float = 0.95) -> Agreement:
    """Say how much selections (rows) of the same features (columns) agree; true where a feature is chosen.

    Raises BadInput for fewer than two selections, one that chose nothing, or a level outside 0 to 1.
    """
    if chosen.ndim != 2 or len(chosen) < 2:
        raise BadInput(f"agreement needs at least two selections, got {len(chosen)}: take more days, or more retrains")
    if not chosen.any(axis=1).all():
        raise BadInput("a selection must have chosen something, got an empty one: leave it out")
    if not 0.0 < level < 1.0:
        raise BadInput(f"level must lie between 0 and 1, got {level}: choose 0.95 for 95 %")
    value, error = _nogueira(chosen.astype(np.float64))
    reach = None if error is None else float(stats.norm.ppf(0.5 + level / 2.0)) * error
    sizes, both = chosen.sum(axis=1), chosen.astype(np.int64) @ chosen.T.astype(np.int64)
    pairs = np.triu_indices(len(chosen), 1)
    return Agreement(
        value,
        None if value is None or reach is None else value - reach,
        None if value is None or reach is None else value + reach,
        float(np.mean(both[pairs] / (sizes[pairs[0]] + sizes[pairs[1]] - both[pairs]))),
        _kuncheva(sizes, both[pairs], chosen.shape[1]),
        chosen.mean(axis=0),
    )


def _nogueira(chosen: FloatArray) -> tuple[float | None, float | None]:
    """The measure of Nogueira et al. (2018), their equation 4, and its standard error, their theorem 7."""
    times, features = chosen.shape
    share, size = chosen.mean(axis=0), chosen.sum(axis=1)
    mean_size = size.mean()
    chance = mean_size / features * (1.0 - mean_size / features)
    if chance == 0.0:
        return None, None
    value = 1.0 - times / (times - 1) * float(np.mean(share * (1.0 - share))) / chance
    alone = (
        chosen @ share / features
        - size * mean_size / features**2
        + value / 2.0 * (2.0 * mean_size * size / features**2 - size / features - mean_size / features + 1.0)
    ) / chance
    variance = 4.0 / times**2 * float(((alone - alone.mean()) ** 2).sum())
    return value, math.sqrt(variance)


def _kuncheva(sizes: Counts, both: Counts, features: int) -> float | None:
    """Of selections of these sizes, and of how many features each pair has in common."""
    size = int(sizes[0])
    if (sizes != size).any() or size == features:
        return None
    chance = size**2 / features
    return float(np.mean((both - chance) / (size - chance)))

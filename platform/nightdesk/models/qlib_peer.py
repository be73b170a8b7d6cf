"""A named peer: LightGBM with the parameters that qlib publishes for Alpha158, on the 158 features of Alpha158.

From microsoft/qlib, examples/benchmarks/LightGBM/workflow_config_lightgbm_Alpha158.yaml (commit 052aad79), and what its
qlib/contrib/model/gbdt.py (commit 02963689) adds: at most 1000 rounds, stopped once 50 brought no lower loss on the
validating years, which are two of nine. `subsample` stands there without `bagging_freq`, so LightGBM draws no rows,
here as there. Threads change no tree, and are the desk's own.

What is nightdesk's: the label (the rank of the return at the horizon, where qlib takes the z-score of the next day's),
the rows, and the splits. Penalties are in units of the label, and qlib's has variance 1: ranks are scaled to that.
"""

from __future__ import annotations

from typing import Final

from nightdesk.features.alpha158 import INDICATORS
from nightdesk.models.recipe import Recipe

PEER: Final = "qlib_lightgbm"

CITED: Final[tuple[tuple[str, float | int | str], ...]] = (
    ("colsample_bytree", 0.8879),
    ("learning_rate", 0.2),
    ("subsample", 0.8789),
    ("lambda_l1", 205.6999),
    ("lambda_l2", 580.9768),
    ("max_depth", 8),
    ("num_leaves", 210),
)
"""As in qlib's file, in its order; `loss: mse` is what the family fits by, `num_threads: 20` is left out."""

_STOPPED: Final = (("rounds", 1000), ("early_stopping", 50), ("validation", 2 / 9))
_UNIT_VARIANCE: Final = (("target_scale", 12**0.5),)
"""Ranks are spread evenly from -0.5 to 0.5: a variance of one twelfth."""

QLIB_LIGHTGBM: Final = Recipe(
    PEER, "lightgbm", tuple(one.name for one in INDICATORS), (*_STOPPED, *_UNIT_VARIANCE, *CITED)
)

SAID: Final = (
    f"{PEER} is LightGBM with the parameters that qlib publishes for Alpha158 (microsoft/qlib, examples/benchmarks/"
    "LightGBM/workflow_config_lightgbm_Alpha158.yaml), on Alpha158; label, rows and splits are nightdesk's own."
)
"""What is said of it wherever its figures stand."""

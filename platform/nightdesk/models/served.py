"""The code that MLflow runs to serve a bundle: `mlflow.pyfunc.load_model("models:/...")` comes here."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
import polars as pl
from numpy.typing import NDArray

from nightdesk.models.bundle import load_bundle


class Served(mlflow.pyfunc.PythonModel):  # type: ignore[misc, name-defined]
    """A bundle behind MLflow's interface: a frame of features in, one score a row out."""

    def load_context(self, context: Any) -> None:
        """Load the bundle that was logged with this model."""
        self.bundle = load_bundle(Path(context.artifacts["bundle"]))

    def predict(self, context: Any, model_input: pd.DataFrame, params: Any = None) -> NDArray[np.float64]:
        """Score each row; missing features are NaN."""
        del context, params
        return self.bundle.score(pl.from_pandas(model_input, nan_to_null=True))


mlflow.models.set_model(Served())

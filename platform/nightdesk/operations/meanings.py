"""What the morning report tells of ensembles and of calibrations, read from the models themselves."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import polars as pl

from nightdesk.errors import ModelBroken
from nightdesk.models.artifacts import ModelVersion, load_version, model_name
from nightdesk.models.combination import ENSEMBLE, SHORT, FittedCombination
from nightdesk.operations.calibrating import calibration_of
from nightdesk.operations.night import Night
from nightdesk.report.contents import Meaning, Together
from nightdesk.store.decisions import Serving
from nightdesk.tables import HORIZON, MODEL


def ensembles_of(night: Night, walked: pl.DataFrame) -> Iterator[Together]:
    """The newest ensemble at each horizon; `walked` is as `store.decisions.newest_walk_forward` gives it."""
    own = walked.filter(
        pl.col(MODEL).is_in([ENSEMBLE, SHORT]), pl.col("version").is_not_null(), pl.col("kind") == "model"
    )
    for row in own.sort(HORIZON).iter_rows(named=True):
        name = model_name(night.realm, row[HORIZON])
        version = ModelVersion(name, row["version"], "", row["model_content"])
        try:
            fitted = load_version(night.tracking, version).fitted
        except ModelBroken as error:
            yield Together(row[HORIZON], row[MODEL], (), (), str(error))
        else:
            if isinstance(fitted, FittedCombination):
                weights = tuple((one.name, one.weight) for one in fitted.members)
                yield Together(row[HORIZON], row[MODEL], weights, fitted.missing, fitted.reason)


def meanings_of(night: Night, served: Iterable[Serving]) -> Iterator[Meaning]:
    """How the calibration of each served model did; of one that cannot be read, why."""
    for one in served:
        try:
            kept = calibration_of(night, one)
        except ModelBroken as error:
            yield Meaning(one.horizon, one.model, None, str(error))
        else:
            said = kept.reason if kept.found is None else kept.found.calibration.confidence_said
            yield Meaning(one.horizon, one.model, kept.found, said)

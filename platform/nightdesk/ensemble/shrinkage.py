"""How much of a mean over days to believe: nothing where it is no larger than its own error, nearly all where it is."""

from __future__ import annotations

from dataclasses import dataclass

from nightdesk.scoring.intervals import mean_interval
from nightdesk.scoring.observed import Values


@dataclass(frozen=True, slots=True)
class Shrunk:
    """A mean over days (unit of the values; 0 where undefined) and the share of it to believe, 0 to 1."""

    mean: float
    believed: float

    @property
    def value(self) -> float:
        """The mean, shrunk toward 0."""
        return self.mean * self.believed if self.believed else 0.0


def shrunk_mean(daily: Values, horizon: int) -> Shrunk:
    """Shrink the mean of daily values toward 0 by their own error under overlap (positive-part James & Stein 1961).

    The share believed is 1 - (standard error / mean)^2, at least 0; the error is that of `scoring.intervals`. Too few
    days for an error (fewer than max(20, 3 horizon)) are not believed at all.
    """
    found = mean_interval(daily, horizon)
    if found.mean is None or found.standard_error is None or found.mean == 0.0:
        return Shrunk(0.0 if found.mean is None else found.mean, 0.0)
    return Shrunk(found.mean, max(0.0, 1.0 - (found.standard_error / found.mean) ** 2))

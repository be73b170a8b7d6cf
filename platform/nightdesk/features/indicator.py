"""The record that defines one indicator: what it reads, what it means, and how much history it needs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from nightdesk.errors import BadInput
from nightdesk.features.definition import code_content, content_of_parts
from nightdesk.features.primitives import Values

Parameter = int | float


@dataclass(frozen=True)
class Indicator:
    """One feature: a function over runs of bars, and everything a reader or the engine must know of it.

    A *run* is a longest stretch of one symbol's consecutive bars on which every input is known. The engine
    calls `compute` on the runs of many symbols at once, several threads beside each other, and each run starts
    afresh: a null input nulls its own bar and every window that holds it; a recursive indicator warms up again
    after it. So a value is null on the first `warm_up` bars of a run, where an input is null, and nowhere else.
    All windows count a symbol's own bars, not calendar days.

    Every indicator that is `scale_free` must stay the same when a symbol's prices are multiplied by c > 0 and its
    volumes divided by c.

    Attributes
    ----------
    name : unique, in lower case with underscores (Alpha158 keeps qlib's names); the column of the feature matrix.
    group : the family it belongs to, as its file is called.
    inputs : columns of the bars, in the order in which `compute` takes them.
    parameters : keyword arguments of `compute`; part of the definition.
    warm_up : number of a run's first bars whose value is null.
    look_back : number of bars, the current one included, from which alone the value is the one on all
        history.
    tolerance : 0.0 where that holds bit for bit (finite windows: `look_back` is then `warm_up + 1`); else the
        largest absolute difference, in the indicator's own unit (recursive ones, on bars whose typical move
        does not shrink a thousandfold within `look_back`).
    unit : of the value; returns are fractions, volatilities annualised fractions.
    meaning : formula in words, and the value where a window is flat or untraded.
    source : the publication that defines it.
    compute : takes `runs` (int64, one row of first and end bar a run) and one float64 array an input, NaN
        where null, all of the same length; returns a float64 array of that length, NaN where the value is
        null. It writes neither to these nor to what a kernel gives it: others share them.
    scale_free : False for one that the price basis changes. On bars adjusted later (for splits that nobody knew of
        yet) it would see the future: it belongs to no set of features meant for them.
    """

    name: str
    group: str
    inputs: tuple[str, ...]
    parameters: Mapping[str, Parameter]
    warm_up: int
    look_back: int
    tolerance: float
    unit: str
    meaning: str
    source: str
    compute: Callable[..., Values]
    scale_free: bool = True

    def __post_init__(self) -> None:
        """Raise BadInput where the record contradicts itself."""
        if not self.inputs:
            raise BadInput(f"indicator {self.name} must read at least one column, got none: name its inputs")
        if self.warm_up < 0 or self.look_back <= self.warm_up:
            raise BadInput(
                f"indicator {self.name} must have 0 <= warm_up < look_back, got {self.warm_up} and "
                f"{self.look_back}: count the current bar in look_back"
            )
        if not 0.0 <= self.tolerance < float("inf"):
            raise BadInput(
                f"indicator {self.name} must have a finite tolerance of at least 0, got {self.tolerance}: "
                "choose 0.0 for a finite window"
            )
        if self.tolerance == 0.0 and self.look_back != self.warm_up + 1:
            raise BadInput(
                f"indicator {self.name} has tolerance 0.0, so look_back must be warm_up + 1, got "
                f"{self.look_back} and {self.warm_up}: state a tolerance if it is recursive"
            )

    @property
    def content(self) -> str:
        """16 hex digits that name this definition.

        They change with name, inputs, parameters, warm-up, look-back or tolerance, and with any code that `compute`
        reaches; not with the wording. Raises BadInput where that code cannot be read.
        """
        record = (self.name, self.inputs, sorted(self.parameters.items()))
        needs = (self.warm_up, self.look_back, self.tolerance)
        return content_of_parts((repr(record), repr(needs), code_content(self.compute)))


def define(
    name: str,
    group: str,
    inputs: tuple[str, ...],
    compute: Callable[..., Values],
    warm_up: int,
    unit: str,
    meaning: str,
    source: str,
    parameters: Mapping[str, Parameter] | None = None,
    look_back: int | None = None,
    tolerance: float = 0.0,
) -> Indicator:
    """Return the record of a scale-free indicator, of a finite window unless `look_back` and `tolerance` are given."""
    return Indicator(
        name=name,
        group=group,
        inputs=inputs,
        parameters=parameters or {},
        warm_up=warm_up,
        look_back=warm_up + 1 if look_back is None else look_back,
        tolerance=tolerance,
        unit=unit,
        meaning=meaning,
        source=source,
        compute=compute,
    )

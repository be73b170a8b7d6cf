"""A search space: which parameters of a family are searched, and between which values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:  # whoever offers a space need not load Optuna each night
    from optuna.distributions import BaseDistribution

Value: TypeAlias = float | int | str


@dataclass(frozen=True, slots=True)
class Number:
    """Any number from `low` to `high`, both included; `log`: as likely in each power of ten; `whole`: no fraction."""

    low: float
    high: float
    log: bool = False
    whole: bool = False

    @property
    def distribution(self) -> BaseDistribution:
        """As Optuna has it."""
        from optuna.distributions import FloatDistribution, IntDistribution

        if self.whole:
            return IntDistribution(int(self.low), int(self.high), log=self.log)
        return FloatDistribution(self.low, self.high, log=self.log)

    def holds(self, value: Value | None) -> bool:
        """Whether a search may come to `value`."""
        fits = not isinstance(value, str) and value is not None and self.low <= value <= self.high
        return fits and (not self.whole or float(value) == int(value))  # type: ignore[arg-type]


@dataclass(frozen=True, slots=True)
class Choice:
    """One of `values`."""

    values: tuple[Value, ...]

    @property
    def distribution(self) -> BaseDistribution:
        """As Optuna has it."""
        from optuna.distributions import CategoricalDistribution

        return CategoricalDistribution(self.values)

    def holds(self, value: Value | None) -> bool:
        """Whether a search may come to `value`."""
        return value in self.values


@dataclass(frozen=True, slots=True)
class Space:
    """What is searched for one family: each parameter by its own name, and how many trials the two profiles make.

    A family of one's own offers its space as an attribute `space`.
    """

    dimensions: tuple[tuple[str, Number | Choice], ...]
    quick: int = 8
    full: int = 20

    @property
    def distributions(self) -> dict[str, BaseDistribution]:
        """By parameter, as Optuna has them."""
        return {name: one.distribution for name, one in self.dimensions}

    def within(self, parameters: Mapping[str, Value]) -> dict[str, Value] | None:
        """The searched ones of `parameters`; None where one is missing or lies outside."""
        inside = all(one.holds(parameters.get(name)) for name, one in self.dimensions)
        return {name: parameters[name] for name, _ in self.dimensions} if inside else None

    def plain(self) -> dict[str, Any]:
        """As JSON can hold it; `space_from` reads it."""
        return asdict(self)


def space_from(plain: Mapping[str, Any]) -> Space:
    """The space that `Space.plain` gave."""
    dimensions: list[tuple[str, Number | Choice]] = []
    for name, one in plain["dimensions"]:
        dimensions.append((name, Choice(tuple(one["values"])) if "values" in one else Number(**one)))
    return Space(tuple(dimensions), plain["quick"], plain["full"])

"""From where on a batch of bars is refused or remarked upon."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from nightdesk.errors import BadSetting

_SHARES: Final = (
    *("broken_share", "thin_day_share", "ohlc_tolerance", "large_move"),
    *("price_error", "action_gap", "action_confidence"),
)


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Limits of the checks of bars; each share is a fraction of 1, and outside 0 to 1 raises BadSetting.

    Attributes
    ----------
    broken_share
        Share of broken rows above which a batch is refused.
    thin_day_share
        Share of the day before's symbols below which a day, and with it the batch, is refused.
    handful
        So many broken rows, or symbols less, refuse nothing by themselves, unless they are more than half of
        all: in a small universe one symbol is a large share.
    ohlc_tolerance
        Relative rounding within which the order of open, high, low and close may be broken.
    large_move
        Absolute return from close to close above which a move is noted.
    stale_days
        So many equal closes of a symbol in a row are noted.
    price_error
        Absolute return from which a close that is taken back the next day, or lies outside its own day's range, is
        noted as a suspected error.
    action_gap
        Absolute overnight return, beyond the market's, from which a split or spin-off is suspected.
    action_confidence
        Confidence from which such a suspicion is told; below it a move is news, and noted only if it is large.
    """

    broken_share: float = 0.01
    thin_day_share: float = 0.8
    handful: int = 5
    ohlc_tolerance: float = 1e-4
    large_move: float = 0.35
    stale_days: int = 5
    price_error: float = 0.08
    action_gap: float = 0.1
    action_confidence: float = 0.5

    def __post_init__(self) -> None:
        """Validate the ranges."""
        for name in _SHARES:
            value = getattr(self, name)
            if not 0 <= value <= 1:
                raise BadSetting(f"quality {name} must be a share from 0 to 1, got {value}: 0.01 is 1 %")
        if self.handful < 0 or self.stale_days < 2:
            raise BadSetting(
                "quality handful must be 0 or more and stale_days 2 or more, "
                f"got {self.handful} and {self.stale_days}: choose larger ones"
            )

    def too_many(self, bad: int, total: int, share: float) -> bool:
        """Whether `bad` of `total` is above `share`, and either more than a handful or more than half."""
        return bad > share * total and (bad > self.handful or 2 * bad > total)


DEFAULTS: Final = Thresholds()
"""The limits of a batch for which nobody set others."""

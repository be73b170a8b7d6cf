"""Names of the columns that labels add to a frame, and that some of them ask for."""

from __future__ import annotations

from typing import Final

ENTRY_DATE: Final = "entry_date"
EXIT_DATE: Final = "exit_date"
KNOWN_DATE: Final = "known_date"
DELISTED: Final = "delisted"
DAILY_VOLATILITY: Final = "daily_volatility"
FORWARD_VOLATILITY: Final = "forward_volatility"
DIRECTION: Final = "direction"
SIGNAL: Final = "signal"
BARRIER: Final = "barrier"
AT_OPEN: Final = "at_open"

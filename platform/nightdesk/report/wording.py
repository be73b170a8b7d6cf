"""Numbers, dates and sentences as the page words them; what is missing is said to be, never shown as zero."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, TypeGuard

from nightdesk.errors import UnknownName
from nightdesk.promotion.backtest_gate import BY_BACKTEST
from nightdesk.publish.publication import NO_ADVICE as NO_ADVICE
from nightdesk.report.contents import CLOSED, LATE, NEW, MarketReport, NightReport, ServedModel, Survivorship

LIVE: Final = "live"
MISSING: Final = "–"
UNDEFINED: Final = "undefined"
PROVEN: Final = "proven"
PUBLISHED, STALE, REFUSED = "published", "stale", "refused"
STATUSES: Final = (PUBLISHED, STALE, REFUSED)

# Written out, because strftime would answer in the language of whoever runs the night.
WEEKDAYS: Final = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
MONTHS: Final = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip

PRICE_BASES: Final[Mapping[str, str]] = {
    "raw": "Prices are raw, as traded, and adjusted on reading for the splits known that night; "
    "they exclude dividends.",
    "adjusted_as_known": "Prices are adjusted for what was known on each day, and for nothing later; "
    "they exclude dividends.",
    "adjusted_later": "Prices were adjusted later, with knowledge of later splits: so only scale-free "
    "features are used, which a constant factor per symbol leaves unchanged. Prices exclude dividends.",
}

STATES: Final[Mapping[str, str]] = {
    NEW: "new bars",
    CLOSED: "no new trading day since the night before",
    LATE: "its bars have not come",
}


def is_known(value: float | None) -> TypeGuard[float]:
    """Whether there is a number: neither null, NaN nor infinite."""
    return value is not None and math.isfinite(value)


def reading_sentence(report: NightReport) -> str:
    """Say what a replayed night read; nothing for a live one, which can only read what is known."""
    if report.corrected:
        return (
            "Corrected replay: it read the newest versions of the days up to this one, also what was put right later. "
            "Nobody could have decided so on that evening."
        )
    return "" if report.realm == LIVE else "Replay as was: it read what was known on that evening, and nothing later."


def signed(value: float | None, digits: int = 3) -> str:
    """Give a number with its sign (`+0.021`), or `undefined`."""
    return f"{value:+.{digits}f}".replace("-", "−") if is_known(value) else UNDEFINED


def between(lower: float | None, upper: float | None) -> str:
    """Give an interval (`−0.004 to +0.046`), or `undefined` where either end is."""
    return f"{signed(lower)} to {signed(upper)}" if is_known(lower) and is_known(upper) else UNDEFINED


def score(value: float | None) -> str:
    """Give a score in its model's scale: four decimals, or two significant digits where those are zeros."""
    if not is_known(value):
        return MISSING
    tiny = value != 0.0 and abs(value) < 0.0005
    return (f"{value:+.1e}" if tiny else f"{value:+.4f}").replace("-", "−")


def percent(value: float | None) -> str:
    """Give a fraction in percent, one decimal, without the sign (`99.8`), or a dash."""
    return f"{100 * value:.1f}" if is_known(value) else MISSING


def price(value: float | None) -> str:
    """Give a price: two decimals, or four significant digits below one; a dash where there is none."""
    if not is_known(value):
        return MISSING
    return f"{value:,.2f}" if value == 0.0 or abs(value) >= 1.0 else f"{value:.4g}"


def smallest_edge(value: float | None) -> str:
    """Give the smallest edge that a test finds (`0.019`); infinite: none up to 0.4; `undefined` where there is none."""
    if value is None:
        return UNDEFINED
    return "none up to 0.4" if math.isinf(value) else f"{value:.3f}"


def three(value: float | None) -> str:
    """Give a number to three decimals (`0.667`), or `undefined`."""
    return f"{value:.3f}" if is_known(value) else UNDEFINED


def weights(members: Sequence[tuple[str, float]]) -> str:
    """Give the members of an ensemble with their weights: `ridge 50 %, lightgbm 50 %`; a dash where none is known."""
    return ", ".join(f"{name} {100 * weight:.0f} %" for name, weight in members) or MISSING


def text(value: object) -> str:
    """Give anything as text (dates as 2017-06-30), or a dash for None and for nothing."""
    return MISSING if value is None or value == "" else str(value)


def count(value: int | None) -> str:
    """Give a whole number with its thousands apart, or a dash."""
    return MISSING if value is None else f"{value:,}"


def long_day(day: dt.date) -> str:
    """Give a date with its weekday, in English wherever the night runs: `Friday, 30 June 2017`."""
    return f"{WEEKDAYS[day.weekday()]}, {day.day} {MONTHS[day.month - 1]} {day.year}"


def listed(items: Iterable[object]) -> str:
    """Join as in a sentence: `5, 20 and 60`."""
    words = [str(item) for item in items]
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def in_days(horizons: Iterable[int]) -> str:
    """Name horizons as in a sentence: `5, 20 and 60 days`, `1 day`."""
    values = list(horizons)
    return f"{listed(values)} {'day' if values == [1] else 'days'}"


def span(counts: Iterable[int]) -> str:
    """Give the range of whole numbers: `795 to 850`, one where all are the same, a dash for none."""
    found = sorted(set(counts))
    ends = found if len(found) < 2 else [found[0], found[-1]]
    return " to ".join(count(end) for end in ends) or MISSING


def check_status(status: str) -> None:
    """Raise UnknownName for a status that the page would not know how to show."""
    if status not in STATUSES:
        raise UnknownName.among("status", status, STATUSES)


def served_sentence(report: NightReport) -> str:
    """Say what is served, and of which day."""
    day = long_day(report.as_of)
    if report.status == REFUSED:
        return f"Nothing was published for {day}; what was published before stays as it was."
    if not report.serving:
        return f"No model is served as of {day}: there is no ranking to read."
    models: dict[str, list[int]] = {}
    for one in report.serving:
        models.setdefault(one.model, []).append(one.horizon)
    what = listed(f"{model} at {in_days(horizons)}" for model, horizons in models.items())
    return f"Served as of the close of {day}: {what}."


def symbols_sentence(symbols: Sequence[tuple[str, float]]) -> str:
    """Say which symbols changed most; shares of all symbols' change are fractions."""
    if not symbols:
        return "No symbol is known on both sides of the change."
    most = listed(f"{symbol} ({100 * share:.1f} %)" for symbol, share in symbols)
    return (
        f"Of all symbols' change most is of {most}: a few large shares are a fault of those, equal ones of the source."
    )


def skill_sentence(serving: Sequence[ServedModel]) -> str:
    """Say where skill is proven; anything that is not called proven is not."""
    proven = [one.horizon for one in serving if one.skill == PROVEN]
    unproven = [one.horizon for one in serving if one.skill != PROVEN]
    parts = []
    if proven:
        parts.append(f"Proven at {in_days(proven)}: it beat the best baseline on forecasts logged before the outcome.")
    if unproven:
        where = f" at {in_days(unproven)}" if proven else ""
        parts.append(f"Unproven{where}: no evidence yet that it beats the best baseline.")
    backtested = [one.horizon for one in serving if one.skill == BY_BACKTEST]
    if backtested:
        parts.append(f"At {in_days(backtested)} the model was chosen by backtest, which luck passes easily.")
    return " ".join(parts)


def advice_sentence(report: NightReport) -> str:
    """Say what to do with the page."""
    if report.status == REFUSED:
        return "Do not act on this page: mend what the reasons name, then run the night again."
    if not report.serving:
        return "Nothing here is to be acted on yet."
    stale = "It is stale: read the reasons before anything else. " if report.status == STALE else ""
    if any(one.skill == PROVEN for one in report.serving):
        return f"{stale}Weigh trading costs before you act, and take what is unproven as names to look at."
    return f"{stale}Take it as a list of names to look at, not as a reason to trade."


def training_sentence(report: NightReport) -> str:
    """Say whether models were trained this night, and why."""
    said = "Models were trained this night" if report.trained else "No model was trained this night"
    return f"{said}: {report.training_reason}" if report.training_reason else f"{said}."


def price_sentence(basis: str) -> str:
    """Say what the prices are; raises UnknownName for a basis that no source may declare."""
    if basis not in PRICE_BASES:
        raise UnknownName.among("price basis", basis, PRICE_BASES)
    return PRICE_BASES[basis]


def markets_sentence(markets: Sequence[MarketReport]) -> str:
    """Say who leads, and what that means for the others."""
    lead = markets[0]
    return (
        f"{lead.name} leads: its calendar ({lead.calendar}) decides the nights, and its close with its publication lag "
        "is the moment up to which anything is known. Every other market is read as known at that moment, on its own "
        "calendar, and filled at its own first open after it. Models learn from all of them together, each symbol's "
        "label ranked within its own market; rank IC is measured within each market, and its markets' mean, weighted "
        "by their symbols, is what is shown."
    )


def market_state(market: MarketReport) -> str:
    """Say how a market stands; raises UnknownName for a state that the page would not know how to show."""
    if market.state not in STATES:
        raise UnknownName.among("state of a market", market.state, STATES)
    if market.state != LATE:
        return STATES[market.state]
    have = f"its newest is of {market.newest}" if market.newest else "it has none"
    return f"{STATES[LATE]}: {have}, so it is not forecast"


def shares(value: float | None) -> str:
    """Give a number of shares: whole, or with what is traded of one; a dash where there is none."""
    return f"{value:,.10g}" if is_known(value) else MISSING


def survivorship_sentence(found: Survivorship | None) -> str:
    """Say how far the data holds survivors only."""
    if found is None:
        return (
            "Survivorship is unknown: there is no dated index membership to check these symbols against, so "
            "results may be biased upward by symbols that are not here."
        )
    members = f"{count(found.members)} symbols that were members of {found.index_name} at some time"
    if found.without_bars == 0:
        return f"All {members} have bars."
    lost = count(found.without_bars)
    return f"{lost} of {members} have no bars: every result here is biased upward by that."

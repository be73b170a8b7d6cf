"""Training at its full size: a first night that tunes, the weekly retrain of every family, a night without either."""

from __future__ import annotations

import datetime as dt
import json
import sqlite3
import tempfile
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nightdesk.features.matrix import matrix_of
from nightdesk.features.selection import Choice, choose
from nightdesk.sessions import trading_days
from nightdesk.sources import Source, open_source
from tests.benchmarks.night import Run, stages_of, watched
from tests.benchmarks.page import Section, Target, seconds
from tests.benchmarks.sample import sample

SAMPLE_DAYS = (dt.date(2017, 6, 28), dt.date(2017, 6, 29), dt.date(2017, 6, 30))
GROUPS = ("nightly", "alpha158", "momentum", "trend", "volatility")
"""About 250 features."""

RECIPES = ("ridge", "lightgbm", "xgboost", "random_forest", "voter")
TRY_DAYS = 800
GIB, MIB = 2**30, 2**20


@dataclass(frozen=True)
class Market:
    """Where the bars come from (settings), the last three trading days, and how many features are built of them."""

    settings: dict[str, str]
    days: tuple[dt.date, dt.date, dt.date]
    features: int


def measure(symbols: int | None) -> list[Section]:
    """A night that tunes with profile quick, a retrain with profile full, and the night after it, once each."""
    market = _market(symbols)
    every = {**market.settings, "NIGHTDESK_FEATURES__GROUPS": json.dumps(GROUPS), "NIGHTDESK_HORIZONS": "[5, 20]"}
    weekly = {**every, "NIGHTDESK_TRAINING__RECIPES": json.dumps(RECIPES)}
    first, second, third = market.days
    # Kernels are compiled first, as in every part: that a new installation does once.
    matrix_of(sample(None).verdict.good.head(2000), choose(Choice(GROUPS)))
    with tempfile.TemporaryDirectory(prefix="nightdesk-bench-", ignore_cleanup_errors=True) as folder:
        home = Path(folder) / "home"
        runs = [
            _run(home, "first night, profile quick", first, ["nightly"], every),
            _run(home, "weekly retrain, profile full", second, ["train", "--profile", "full"], weekly),
            _run(home, "night without training", third, ["nightly"], weekly),
        ]
        found = _found(home)
    return [_whole(runs, market.features), _by_stage(runs), _searches(found)]


def _market(symbols: int | None) -> Market:
    if symbols is None:
        return Market({}, SAMPLE_DAYS, _features(open_source("sample")))
    options = {"symbols": symbols, "days": TRY_DAYS, "seed": 5}
    source = open_source("synthetic", **options)
    *_, first, second, third = trading_days(source.facts.calendar, source.first_day(), source.last_day())
    settings = {"NIGHTDESK_SOURCE__NAME": "synthetic", "NIGHTDESK_SOURCE__OPTIONS": json.dumps(options)}
    return Market(settings, (first, second, third), _features(source))


def _features(source: Source) -> int:
    """How many features a night builds: bars that are adjusted later forbid some."""
    return len(choose(Choice(GROUPS), source.facts.price_basis == "adjusted_later"))


def _run(home: Path, name: str, day: dt.date, command: list[str], settings: dict[str, str]) -> Run:
    taken, peak = watched(home, [*command, "--as-of", str(day), "--quiet"], **settings)
    return Run(name, taken, peak, stages_of(home, day))


def _found(home: Path) -> list[dict[str, Any]]:
    """What each search came to, as the ledger holds it."""
    wanted = "SELECT result FROM stages WHERE stage LIKE 'tune-%' ORDER BY finished_at"
    with closing(sqlite3.connect(home / "store.db")) as connection:
        return [one for (text,) in connection.execute(wanted) for one in json.loads(text)]


def _whole(runs: list[Run], features: int) -> Section:
    rows = tuple((run.name, seconds(run.seconds), f"{run.peak / GIB:.2f}") for run in runs)
    sentence = (
        f"`nightdesk nightly`, `nightdesk train --profile full` and `nightdesk nightly` on three days in a row in a "
        f"new home: {features} features, horizons 5 and 20, recipes {', '.join(RECIPES)} in the retrain and the usual "
        "two in the first night, once each; kernels compiled before. Peak memory is the resident memory of all "
        "processes together, so pages that two share count twice."
    )
    quick, full, night = runs
    targets = (
        Target("first night with profile quick, 250 features, 2 horizons", 300, quick.seconds, "s", most=True),
        Target("memory for it", 4 * GIB / MIB, quick.peak / MIB, "MiB", most=True),
        Target("weekly retrain with profile full, 5 families", 2400, full.seconds, "s", most=True),
        Target("memory for it", 6 * GIB / MIB, full.peak / MIB, "MiB", most=True),
        Target("night without training, 250 features", 40, night.seconds, "s", most=True),
    )
    return Section("Training", sentence, ("command", "wall s", "peak GiB"), rows, targets)


def _by_stage(runs: list[Run]) -> Section:
    known = [dict(run.stages) for run in runs]
    names = dict.fromkeys(name for one in known for name in one)
    rows = [(name, *(seconds(one[name]) if name in one else "" for one in known)) for name in names]
    rest = [max(0.0, run.seconds - sum(one.values())) for run, one in zip(runs, known, strict=True)]
    rows.append(("all else: start, Prefect, fetch, check, end", *map(seconds, rest)))
    sentence = "Seconds as the store's own ledger holds them. A stage `tune-...` searches both horizons side by side."
    return Section("Training, stage by stage", sentence, ("stage", *(run.name for run in runs)), tuple(rows))


def _searches(found: list[dict[str, Any]]) -> Section:
    rows = tuple(
        (
            f"{one['recipe']} h{one['horizon']}, {one['profile']}",
            f"{one['trials']} of {one['planned']}",
            one["stopped"] or "",
            "yes" if one["beats"] else "no",
        )
        for one in found
    )
    sentence = (
        "Trials made, why a search ended before all were, and whether its best beat the recipe on days that no trial "
        "had seen."
    )
    return Section("What the searches came to", sentence, ("search", "trials", "stopped", "beats"), rows)

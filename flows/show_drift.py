"""What the command line shows of drift: what a night found of its models' inputs and outcomes."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterable, Sequence

from rich.table import Table

from flows.show import console
from nightdesk.errors import NothingThere
from nightdesk.home import Home
from nightdesk.settings import Settings
from nightdesk.store.database import open_store
from nightdesk.store.monitoring import drift_of, newest_watched, outcomes_of


def show_drift(settings: Settings, realm: str, as_of: dt.date | None) -> None:
    """Show what the night of `as_of` (None: the newest that judged drift) found.

    Raises NothingThere where it judged nothing.
    """
    engine = open_store(settings.store.url or Home(settings.home).store_url)
    day = newest_watched(engine, realm) if as_of is None else as_of
    inputs = None if day is None else drift_of(engine, realm, day, day)
    if day is None or inputs is None or inputs.is_empty():
        asked = "any night" if as_of is None else f"the night of {as_of}"
        raise NothingThere(
            f"drift is judged by nights that begin with a served model, got none for {asked} in realm {realm!r}: "
            "run the night of the next trading day; nightdesk history shows who is served"
        )
    out = console()
    rows = [
        (str(row["horizon"]), row["model"], row["verdict"], f"{row['share'] or 0:.0%}", row["reason"])
        for row in inputs.iter_rows(named=True)
    ]
    out.print(_table(f"Inputs on {day}", ("horizon", "model", "verdict", "drifted", "why"), rows))
    for flagged, symbols in inputs.filter(inputs["since"].is_not_null()).select("flagged", "symbols").unique().rows():
        lines = [
            (one["feature"], one["since"], f"{one['psi']:.2f}", f"{one['lean']:+.3f}", f"{one['nulls']:.1%}")
            for one in json.loads(flagged)
        ]
        columns = ("feature", "since", "stability index", "lean", "missing")
        out.print(_table("Features that drifted", columns, lines))
        most = [(symbol, f"{share:.1%}") for symbol, share in json.loads(symbols)]
        out.print(_table("Symbols that changed most", ("symbol", "share of all change"), most))
    kept = [
        (str(row["horizon"]), row["verdict"], str(row["nights"]), row["reason"])
        for row in outcomes_of(engine, realm, day, day).iter_rows(named=True)
    ]
    out.print(_table("Matured forecasts", ("horizon", "verdict", "nights", "why"), kept))


def _table(title: str, columns: Iterable[str], rows: Iterable[Sequence[str]]) -> Table:
    table = Table(*columns, title=title, title_justify="left", title_style="bold", box=None, pad_edge=False)
    for row in rows:
        table.add_row(*row)
    return table

"""What the command line shows of trials: how many were made, the newest of them, and who opened the sealed stretch."""

from __future__ import annotations

import datetime as dt

import polars as pl
from rich.table import Table

from flows.show import console
from nightdesk.home import Home
from nightdesk.settings import Settings
from nightdesk.store.database import open_store
from nightdesk.store.trials import Opening, all_trials, openings_by

NEWEST = 20


def show_trials(settings: Settings, now: dt.datetime, *, everything: bool) -> None:
    """Show the ledger of trials: counts by realm and kind, the newest rows (or all), and every opening."""
    engine = open_store(settings.store.url or Home(settings.home).store_url)
    tried, opened, out = all_trials(engine), openings_by(engine, now), console()
    if tried.is_empty():
        out.print("No trial so far: nights that train, and nightdesk evaluate, enter theirs.")
    else:
        counts = tried.group_by("realm", "kind").agg(pl.len(), pl.col("recipe").n_unique().alias("recipes"))
        out.print(
            f"{tried.height:,} trials of {tried['recipe'].n_unique()} recipes; a look at a model is judged as the best "
            "of all that were scored on its days",
            soft_wrap=True,
        )
        out.print(_table("By realm", ("realm", "kind", "trials", "recipes"), counts.sort("realm", "kind")))
        shown = tried if everything else tried.tail(NEWEST)
        title = "All" if shown.height == tried.height else f"The newest {shown.height} (--all shows the others)"
        columns = ("tried_at", "realm", "kind", "name", "horizon", "as_of", "first_day", "last_day", "seed", "by")
        rows = shown.select(pl.col("tried_at").dt.strftime("%Y-%m-%d %H:%M:%S"), *columns[1:])
        heads = ("tried (UTC)", "realm", "kind", "name", "horizon", "as of", "scored from", "to", "seed", "by")
        out.print(_table(title, heads, rows))
    seal = settings.evaluation.sealed_from
    out.print("No stretch is sealed." if seal is None else f"Sealed from {seal} on.")
    if opened:
        named = ("opened (UTC)", "model", "horizon", "as of", "sealed from", "by", "reason")
        out.print(_table("Openings of the sealed stretch", named, pl.DataFrame([_opening(one) for one in opened])))


def _opening(one: Opening) -> dict[str, object]:
    return {
        "opened": f"{one.opened_at:%Y-%m-%d %H:%M:%S}",
        "model": one.name,
        "horizon": one.horizon,
        "as_of": one.as_of,
        "sealed_from": one.sealed_from,
        "by": one.by,
        "reason": one.reason,
    }


def _table(title: str, heads: tuple[str, ...], rows: pl.DataFrame) -> Table:
    table = Table(*heads, title=title, title_justify="left", title_style="bold", box=None, pad_edge=False)
    for row in rows.iter_rows():
        table.add_row(*map(str, row))
    return table

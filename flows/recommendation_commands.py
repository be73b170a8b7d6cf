"""Commands about what is recommended, and what following it on paper has come to."""

from __future__ import annotations

import datetime as dt
from typing import Annotated

import typer

from flows.command_start import ISO, SHOWN, prepare

commands = typer.Typer(rich_markup_mode=None)


@commands.command()
def recommendations(
    horizon: Annotated[
        int | None, typer.Option(metavar="DAYS", help="Horizon of the forecast; each of them if left out.")
    ] = None,
    symbol: Annotated[str | None, typer.Option(help="One symbol, for example AAPL, with its reasons.")] = None,
    date: Annotated[
        dt.datetime | None,
        typer.Option(formats=[ISO], metavar=SHOWN, help="Night of this date; else the newest."),
    ] = None,
    realm: Annotated[str, typer.Option(help="live, or the name of a replay.")] = "live",
    top: Annotated[int, typer.Option(min=1, help="How many are shown at each horizon.")] = 10,
) -> None:
    """Show what a night recommends: action, target, size and reasons. Research, not advice."""
    settings = prepare()
    from flows.show_recommendations import show_recommendations, show_symbol
    from nightdesk.operations.recommending import recommended_on

    found = recommended_on(settings, realm, None if date is None else date.date())
    if symbol is None:
        show_recommendations(found, horizon, top)
    else:
        show_symbol(found, symbol.upper(), horizon)


@commands.command()
def book(
    horizon: Annotated[
        int | None, typer.Option(metavar="DAYS", help="Horizon of the book; each of them if left out.")
    ] = None,
    realm: Annotated[str, typer.Option(help="live, or the name of a replay.")] = "live",
) -> None:
    """Show what following the published nights on paper has made, after costs, beside the backtest's expectation."""
    settings = prepare()
    from flows.show_recommendations import show_book

    show_book(settings, realm, horizon)

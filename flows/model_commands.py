"""Commands about models: what they say and why, who serves and whether it deserves to, and how to find a better one."""

from __future__ import annotations

import datetime as dt
import sys
from getpass import getuser
from typing import Annotated, Literal

import typer

from flows.command_start import FAILED, ISO, SHOWN, prepare
from nightdesk.errors import BadDate
from nightdesk.home import Home

commands = typer.Typer(rich_markup_mode=None)


@commands.command()
def predict(
    symbol: Annotated[str, typer.Argument(help="Symbol, for example AAPL.")],
    realm: Annotated[str, typer.Option(help="live, or the name of a replay.")] = "live",
) -> None:
    """Show the last published forecasts of one symbol, and how far to trust them."""
    settings = prepare()
    from flows.show import show_prediction

    show_prediction(settings, realm, symbol.upper())


models_app = typer.Typer(rich_markup_mode=None)
commands.add_typer(models_app, name="models")


@models_app.callback(invoke_without_command=True)
def models(
    context: typer.Context, realm: Annotated[str, typer.Option(help="live, or the name of a replay.")] = "live"
) -> None:
    """List who is served at each horizon, and the newest fits beside them; verify tries them."""
    if context.invoked_subcommand is not None:
        context.obj = realm
        return
    settings = prepare()
    from flows.show import show_models

    show_models(settings, realm)


@models_app.command()
def verify(
    context: typer.Context,
    realm: Annotated[str | None, typer.Option(help="live, or the name of a replay.", show_default="live")] = None,
    everything: Annotated[bool, typer.Option("--all", help="Every version that a night registered.")] = False,
) -> None:
    """Load each model that serves or speaks in shadow and let it score; exit code 1 where one cannot."""
    settings = prepare()
    from flows.show_verified import show_verified
    from nightdesk.operations.verifying import verify_models

    now = dt.datetime.now(dt.UTC)
    if not show_verified(verify_models(settings, realm or context.obj, now, everything=everything)):
        sys.exit(FAILED)


@commands.command()
def history(
    realm: Annotated[str, typer.Option(help="live, or the name of a replay.")] = "live",
    on: Annotated[
        dt.datetime | None, typer.Option(formats=[ISO], metavar=SHOWN, help="Who was served on this date.")
    ] = None,
) -> None:
    """List nights and decisions; with --on, who was served on a date, and why."""
    settings = prepare()
    from flows.show import show_history

    if on is not None and on.date() > dt.datetime.now(dt.UTC).date():
        raise BadDate(f"--on must not lie in the future, got {on.date()}: choose today or earlier")
    show_history(settings, realm, None if on is None else on.date())


@commands.command()
def evaluate(
    recipe: Annotated[str, typer.Argument(metavar="RECIPE", help="Recipe to evaluate, for example ridge.")],
    horizon: Annotated[int, typer.Option(help="Trading days held, 1 to 60.")] = 5,
    as_of: Annotated[
        dt.datetime | None,
        typer.Option(formats=[ISO], metavar=SHOWN, help="Data up to this day; the newest in the store if left out."),
    ] = None,
    unseal: Annotated[
        str | None, typer.Option(metavar="REASON", help="Score sealed days too; the reason is logged and reported.")
    ] = None,
    seeds: Annotated[int, typer.Option(help="How many other seeds are tried, 0 to 20.")] = 3,
) -> None:
    """Evaluate a recipe on past data, count the look, show the main figures, and write a page."""
    current = prepare()
    from flows.show_evaluation import show_evaluation
    from nightdesk.operations.evaluating import Look
    from nightdesk.operations.evaluating import evaluate as look_at

    look = Look(horizon, getuser(), None if as_of is None else as_of.date(), unseal, seeds)
    found = look_at(recipe, look, current, dt.datetime.now(dt.UTC))
    show_evaluation(found, Home(current.home).evaluation_page(found.name, found.horizon, found.as_of))


@commands.command()
def compare(
    recipes: Annotated[
        list[str] | None,
        typer.Argument(metavar="[RECIPE]...", help="Recipes to compare; the five usual families if left out."),
    ] = None,
    horizon: Annotated[
        list[int] | None,
        typer.Option(metavar="DAYS", help="Trading days held, 1 to 60; may be given again. The desk's if left out."),
    ] = None,
    as_of: Annotated[
        dt.datetime | None,
        typer.Option(formats=[ISO], metavar=SHOWN, help="Data up to this day; the newest in the store if left out."),
    ] = None,
) -> None:
    """Walk recipes, qlib's LightGBM and all baselines forward on past data, count each fit, and say who beats whom."""
    current = prepare()
    from flows.show_comparison import show_comparison
    from nightdesk.operations.comparing import Wish
    from nightdesk.operations.comparing import compare as walk

    day = None if as_of is None else as_of.date()
    wish = Wish(getuser(), tuple(recipes or ()), tuple(horizon or ()), day)
    show_comparison(walk(wish, current, dt.datetime.now(dt.UTC)))


@commands.command()
def tune(
    recipe: Annotated[str, typer.Argument(metavar="RECIPE", help="Recipe to tune, for example lightgbm.")],
    horizon: Annotated[int, typer.Option(help="Trading days held, 1 to 60.")] = 5,
    as_of: Annotated[
        dt.datetime | None,
        typer.Option(formats=[ISO], metavar=SHOWN, help="Data up to this day; the newest in the store if left out."),
    ] = None,
    profile: Annotated[
        Literal["quick", "full"] | None, typer.Option(help="How many trials within which time; as set if left out.")
    ] = None,
    trials: Annotated[int | None, typer.Option(min=1, help="Trials in all, earlier starts included.")] = None,
    seconds: Annotated[float | None, typer.Option(min=0.1, help="End after so long with what was done.")] = None,
    workers: Annotated[int | None, typer.Option(min=1, max=64, help="Processes that make trials.")] = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="Show no trial as it ends, only the result.")] = False,
) -> None:
    """Search better parameters for a recipe, and judge the best on days that no trial has seen."""
    current = prepare()
    from flows.show import follow_progress
    from flows.show_tuning import show_tuned
    from nightdesk.operations.tuning import Wish
    from nightdesk.operations.tuning import tune as search

    # Where nobody sits and waits, only the result is worth a line.
    follow_progress(quiet or not sys.stderr.isatty())
    day = None if as_of is None else as_of.date()
    wish = Wish(recipe, horizon, getuser(), day, profile, trials, seconds, workers)
    show_tuned(search(wish, current, dt.datetime.now(dt.UTC)))


@commands.command()
def trials(
    everything: Annotated[bool, typer.Option("--all", help="Every row, not only the newest.")] = False,
) -> None:
    """List fits and looks so far, which deflate the next one, and openings of the sealed stretch."""
    current = prepare()
    from flows.show_trials import show_trials

    show_trials(current, dt.datetime.now(dt.UTC), everything=everything)


@commands.command()
def explain(
    symbol: Annotated[
        str | None, typer.Argument(metavar="[SYMBOL]", help="Symbol, for example AAPL; all together if left out.")
    ] = None,
    horizon: Annotated[
        int | None, typer.Option(metavar="DAYS", help="Horizon of the forecast; each of them if left out.")
    ] = None,
    realm: Annotated[str, typer.Option(help="live, or the name of a replay.")] = "live",
    top: Annotated[int, typer.Option(min=1, help="How many features are told one by one.")] = 8,
    retrains: Annotated[
        bool, typer.Option("--retrains", help="What moves the scores of all, retrain by retrain.")
    ] = False,
    out_of_sample: Annotated[
        bool,
        typer.Option("--out-of-sample", help="What the ranking loses without a feature on unseen days; fits again."),
    ] = False,
) -> None:
    """Say why the served model ranks a symbol where it does, or what moves the scores of all; the latter is drawn."""
    current = prepare()
    from flows.show_explanation import show_importances, show_overall, show_reasons, show_worth
    from nightdesk.errors import BadInput
    from nightdesk.operations.explaining import draw_told, reasons_of, tell
    from nightdesk.operations.importance_over_time import draw_importances, importances
    from nightdesk.operations.worth import worth_of_features

    home, now = Home(current.home), dt.datetime.now(dt.UTC)
    asked = "--retrains" if retrains else "--out-of-sample"
    if retrains and out_of_sample:
        raise BadInput("--retrains and --out-of-sample are two questions, got both: ask one after the other")
    if (retrains or out_of_sample) and symbol is not None:
        raise BadInput(f"{asked} looks at all symbols together, got {symbol} too: leave out the one or the other")
    if out_of_sample:
        for worth in worth_of_features(current, realm, horizon, now):
            show_worth(worth, top)
        return
    if retrains:
        for found in importances(current, realm, horizon, now):
            show_importances(found, draw_importances(found, home, realm), top)
        return
    for told in tell(current, realm, horizon, now):
        if symbol is None:
            show_overall(told, draw_told(told, home, realm), top)
        else:
            show_reasons(told, reasons_of(told, symbol.upper()), top)


@commands.command()
def selection(
    recipe: Annotated[str, typer.Argument(metavar="RECIPE", help="Recipe that chooses features.")] = "selected",
    horizon: Annotated[int, typer.Option(help="Trading days held, 1 to 60.")] = 5,
    times: Annotated[int, typer.Option(help="How many times it is fitted over the history, 2 to 40.")] = 8,
    retrains: Annotated[
        bool, typer.Option("--retrains", help="Compare what registered fits chose instead; nothing is fitted.")
    ] = False,
    realm: Annotated[str, typer.Option(help="live, or the name of a replay.")] = "live",
) -> None:
    """Show which features a recipe chooses over time, how much that agrees, and draw it."""
    current = prepare()
    from flows.show_selection import show_selection
    from nightdesk.operations.night import plan_night
    from nightdesk.operations.selecting import choosing, chosen_by_retrains, chosen_over_time, draw_chosen

    choosing(recipe)
    night = plan_night(current, realm, None, "never", dt.datetime.now(dt.UTC))
    found = chosen_by_retrains(night, recipe, horizon) if retrains else chosen_over_time(night, recipe, horizon, times)
    show_selection(found, draw_chosen(night, found))

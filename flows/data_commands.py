"""Commands about data: loading, checks, drift, features, and rows that are held back."""

from __future__ import annotations

import datetime as dt
import sys
from getpass import getuser
from pathlib import Path
from typing import Annotated, Literal

import typer

from flows.command_start import FAILED, ISO, SHOWN, prepare

commands = typer.Typer(rich_markup_mode=None)


@commands.command()
def ingest(
    table: Annotated[Literal["membership", "fundamentals", "factors"], typer.Argument(help="What the file holds.")],
    path: Annotated[Path, typer.Argument(metavar="PATH", help="CSV or Parquet, also in gzip or alone in a zip.")],
    index: Annotated[str | None, typer.Option(metavar="NAME", help="Index whose members these are.")] = None,
    history: Annotated[
        bool, typer.Option("--history", help="Rows that were not there count as known by rule, though this comes late.")
    ] = False,
    date_format: Annotated[str | None, typer.Option(help="How dates are written, as strptime has it.")] = None,
    separator: Annotated[str | None, typer.Option(help="Between the cells of a CSV line: , ; | or tab.")] = None,
    decimal: Annotated[str | None, typer.Option(help="Decimal sign: . or ,")] = None,
    thousands: Annotated[str | None, typer.Option(help="Thousands separator; none: refused.")] = None,
    encoding: Annotated[str | None, typer.Option(help="Encoding of CSV text: latin-1, utf-16.")] = None,
) -> None:
    """Load a file of your own into a table beside the bars; the same file again adds nothing."""
    current = prepare()
    from nightdesk.operations.ingest import Load
    from nightdesk.operations.ingest import ingest as load
    from nightdesk.sources.cell_form import cell_form

    form = cell_form(
        date_format=date_format,
        separator="\t" if separator == "tab" else separator,
        decimal=decimal,
        thousands=thousands,
        encoding=encoding,
    )
    done = load(current, table, Load(path.expanduser(), form, index, history), dt.datetime.now(dt.UTC))
    added = done.added
    print(
        f"{table} of {done.source} from {path.name}: {added.rows_in:,} rows in, {added.new:,} new, "
        f"{added.restated:,} restated; new ones known by {'rule' if done.basis == 'rule' else 'rule or arrival'}"
    )


@commands.command()
def quality(
    as_of: Annotated[
        dt.datetime | None,
        typer.Option(formats=[ISO], metavar=SHOWN, help="As known on this trading day; the newest known if left out."),
    ] = None,
) -> None:
    """Check all bars as they were known on a day, show what is odd, and write a page a table."""
    current = prepare()
    from flows.show_quality import show_quality
    from nightdesk.operations.night import LIVE, plan_night

    show_quality(plan_night(current, LIVE, None if as_of is None else as_of.date(), "never", dt.datetime.now(dt.UTC)))


@commands.command()
def drift(
    as_of: Annotated[
        dt.datetime | None,
        typer.Option(formats=[ISO], metavar=SHOWN, help="Night that judged it; the newest that did if left out."),
    ] = None,
    realm: Annotated[str, typer.Option(help="live, or the name of a replay.")] = "live",
) -> None:
    """Show whether the served models' inputs drifted, since when and where, and whether they keep their promise."""
    current = prepare()
    from flows.show_drift import show_drift

    show_drift(current, realm, None if as_of is None else as_of.date())


@commands.command()
def features(
    name: Annotated[
        str | None, typer.Argument(metavar="NAME", help="Feature to describe; all are listed if left out.")
    ] = None,
    symbol: Annotated[str | None, typer.Option(metavar="SYMBOL", help="Draw the feature of this symbol.")] = None,
    catalogue: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the catalogue page there.")] = None,
    picture: Annotated[
        str | None, typer.Option(metavar="KIND", help="Draw all chosen features: clusters, missing or stability.")
    ] = None,
) -> None:
    """List the features that can be built, describe one, or draw it for a symbol or all of them together."""
    current = prepare()
    from flows.show_features import show_feature, show_features, show_picture, show_study, write_catalogue
    from nightdesk.errors import BadInput

    if symbol is not None and name is None:
        raise BadInput(f"--symbol draws one feature, got {symbol} and no feature: name it before --symbol")
    if picture is not None and name is not None:
        raise BadInput(f"--picture draws all chosen features, got {name} too: leave it out, or draw it by --symbol")
    if catalogue is not None:
        write_catalogue(catalogue)
    elif picture is not None:
        show_study(current, picture)
    elif name is None:
        show_features(current)
    elif symbol is None:
        show_feature(name)
    else:
        show_picture(current, name, symbol.upper())


@commands.command()
def audit(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME]...", help="Features; all that are registered if left out.")
    ] = None,
    module: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Your own Python file: its features and lists of steps instead.")
    ] = None,
) -> None:
    """Look for look-ahead in features, or in a pipeline of your own; exit code 1 where something leaks."""
    prepare(secrets=False)
    from flows.show_audit import show_audit
    from nightdesk.errors import BadInput
    from nightdesk.operations.audit import audit_module, audit_registered

    if module is not None and names:
        raise BadInput(f"--module audits all of its file, got {', '.join(names)} too: leave out the one or the other")
    if not show_audit(audit_registered(names or []) if module is None else audit_module(module)):
        sys.exit(FAILED)


quarantine = typer.Typer(
    help="Rows that broke a rule of their table: look at them, release them, or drop them.",
    rich_markup_mode=None,
)
commands.add_typer(quarantine, name="quarantine")

Key = Annotated[
    str, typer.Argument(metavar="KEY", help="Key of a row, or how it begins: see nightdesk quarantine list.")
]
Reason = Annotated[str, typer.Option(help="Why, for whoever reads the log.")]
By = Annotated[
    str,
    typer.Option(
        metavar="NAME", help="Who decides; stored with the decision.", default_factory=getuser, show_default="you"
    ),
]


@quarantine.command(name="list")
def list_rows(
    everything: Annotated[bool, typer.Option("--all", help="Those released and dropped too.")] = False,
) -> None:
    """List the rows that are held, with their keys."""
    current = prepare()
    from flows.show_quality import show_held
    from nightdesk.operations.quality import list_quarantine

    show_held(list_quarantine(current, everything=everything))


@quarantine.command()
def show(key: Key) -> None:
    """Show one row as it came, why it is held, and everything that was decided about it."""
    current = prepare()
    from flows.show_quality import show_row
    from nightdesk.operations.quality import held_row

    show_row(held_row(current, key))


@quarantine.command()
def release(
    key: Key,
    reason: Reason,
    by: By,
    corrected: Annotated[
        list[str] | None, typer.Option("--set", metavar="COLUMN=VALUE", help="Correct a value; may be given again.")
    ] = None,
    replace: Annotated[bool, typer.Option("--replace", help="Although the store has a bar of that day.")] = False,
) -> None:
    """Let a row into the bars, known from now on; nights before now never see it."""
    current = prepare()
    from flows.show import follow_progress
    from flows.show_quality import show_released
    from nightdesk.operations.quality import release_row

    follow_progress(quiet=True)
    now = dt.datetime.now(dt.UTC)
    show_released(*release_row(current, key, corrected or [], by, reason, now, replace=replace))


@quarantine.command()
def drop(key: Key, reason: Reason, by: By) -> None:
    """Rule that a row never comes in; it stays readable, and can be released after all."""
    current = prepare()
    from flows.show_quality import show_row
    from nightdesk.operations.quality import drop_row

    show_row(drop_row(current, key, by, reason, dt.datetime.now(dt.UTC)))

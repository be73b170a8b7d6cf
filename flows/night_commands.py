"""Commands that run something: nights, replays, trainings, clean-up, and what a person decides of models."""

from __future__ import annotations

import datetime as dt
import sys
from typing import Annotated, Literal, cast

import typer

from flows.command_start import BUSY, FAILED, ISO, SHOWN, fail, prepare
from flows.temporary_server import begin_server, hand_over
from nightdesk.disk import check_writable

commands = typer.Typer(rich_markup_mode=None)

Train = Literal["auto", "always", "never"]


@commands.command()
def nightly(
    as_of: Annotated[
        dt.datetime | None,
        typer.Option(formats=[ISO], metavar=SHOWN, help="Trading day to decide on; the newest known if left out."),
    ] = None,
    train: Annotated[Train, typer.Option(help="auto: when due; always; never.")] = "auto",
    quiet: Annotated[bool, typer.Option("--quiet", help="Show no progress, only the summary.")] = False,
) -> None:
    """Run one night: ingest, check, features, training where due, forecasts, report."""
    settings = prepare()
    from nightdesk.operations.night import LIVE, closed_today, plan_night
    from nightdesk.operations.summaries import NightSummary
    from nightdesk.store.nights import done_summary, held

    asked = None if as_of is None else as_of.date()
    # Planned here first, so that a wrong date, a night that runs already, or a full disk is one line before any server
    # is started; and before Prefect is loaded, so that the server starts meanwhile.
    try:
        check_writable(settings.home)
        planned = plan_night(settings, LIVE, asked, train, dt.datetime.now(dt.UTC))
        with held(planned.engine, planned.home.locks, LIVE, planned.as_of):
            done = done_summary(planned.engine, LIVE, planned.as_of)
        repeated = done is not None and train != "always"
        server = None if repeated else begin_server()
    except Exception:
        # Raised again, whatever it is. What tells of it loads Prefect: only where there is something to tell.
        from flows.alerts import told_if_failed

        with told_if_failed(settings, LIVE, asked, in_run=False):
            raise
    from flows.alerts import look_around
    from flows.nightly import REPEATED, SKIPPED, SUMMARY, NightParameters
    from flows.nightly import nightly as flow
    from flows.show import follow_progress, night_failed, show_summary

    if done is not None and repeated:
        look_around(planned)
        closed = closed_today(planned, dt.datetime.now(dt.UTC)) if asked is None else None
        if closed is not None:
            print(f"{closed}, which is done.")
        show_summary(SUMMARY.validate_json(done), settings, repeated=True)
        return
    follow_progress(quiet)
    hand_over(server)
    state = flow(NightParameters(as_of=asked, train=train), return_state=True)
    if state.name == SKIPPED:
        fail(state.message or "", BUSY)
    if not state.is_completed():
        fail(night_failed(state), FAILED)
    show_summary(cast(NightSummary, state.result()), settings, repeated=state.name == REPEATED)


@commands.command()
def replay(
    first: Annotated[dt.datetime, typer.Option("--from", formats=[ISO], metavar=SHOWN, help="First date.")],
    last: Annotated[dt.datetime, typer.Option("--to", formats=[ISO], metavar=SHOWN, help="Last date, included.")],
    realm: Annotated[
        str, typer.Option(help="Where the replay lives; carried on where it has nights already.")
    ] = "replay",
    corrected: Annotated[
        bool,
        typer.Option("--corrected", help="With what was put right since; the realm's name then ends in -corrected."),
    ] = False,
    unseal: Annotated[
        str | None, typer.Option(metavar="REASON", help="Replay sealed days too; the reason is logged and reported.")
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="Show no progress, only the summary.")] = False,
) -> None:
    """Run past nights again, each with only what was known then, in a realm of their own."""
    settings = prepare()
    from pydantic import ValidationError

    from flows.replay import LONGEST_REASON, ReplayParameters, nights_to_replay
    from flows.replay import replay as flow
    from flows.show import follow_progress, night_failed, show_replay
    from nightdesk.errors import BadInput

    try:
        parameters = ReplayParameters(
            first=first.date(), last=last.date(), realm=realm, corrected=corrected, unseal=unseal
        )
    except ValidationError:
        if unseal is not None and len(unseal) > LONGEST_REASON:
            raise BadInput(
                f"--unseal must be a reason of at most {LONGEST_REASON} characters, got {len(unseal)}: say it shorter"
            ) from None
        raise BadInput(
            f"a realm's name is 1 to 32 lowercase letters, digits and dashes, got {realm!r}: choose another"
        ) from None
    nights_to_replay(settings, parameters, dt.datetime.now(dt.UTC))
    server = begin_server()
    follow_progress(quiet)
    hand_over(server)
    state = flow(parameters, return_state=True)
    if not state.is_completed():
        fail(night_failed(state), FAILED)
    show_replay(state.result())


@commands.command()
def train(
    as_of: Annotated[
        dt.datetime | None,
        typer.Option(formats=[ISO], metavar=SHOWN, help="Trading day to learn up to; the newest known if left out."),
    ] = None,
    realm: Annotated[str, typer.Option(help="live, or the name of a replay.")] = "live",
    profile: Annotated[
        Literal["full", "quick", "none"] | None,
        typer.Option(help="How far recipes are tuned before; tuning.weekly if left out."),
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="Show no progress, only the summary.")] = False,
) -> None:
    """Tune and fit every recipe on the newest data and refresh the served one; nothing is forecast."""
    settings = prepare()
    from flows.nightly import SKIPPED
    from flows.retrain import RetrainParameters
    from flows.retrain import retrain as flow
    from flows.show import follow_progress, run_failed, show_retrain
    from nightdesk.operations.night import plan_night
    from nightdesk.operations.summaries import RetrainSummary

    asked = None if as_of is None else as_of.date()
    plan_night(settings, realm, asked, "always", dt.datetime.now(dt.UTC))
    server = begin_server()
    follow_progress(quiet)
    hand_over(server)
    wanted = RetrainParameters(as_of=asked, realm=realm, profile=profile, reason="asked for at the command line")
    state = flow(wanted, return_state=True)
    if state.name == SKIPPED:
        fail(state.message or "", BUSY)
    if not state.is_completed():
        fail(run_failed("the retrain", state), FAILED)
    show_retrain(cast(RetrainSummary | None, state.result()), state.message or "")


@commands.command()
def backfill(
    first: Annotated[dt.datetime, typer.Option("--from", formats=[ISO], metavar=SHOWN, help="First date.")],
    last: Annotated[dt.datetime, typer.Option("--to", formats=[ISO], metavar=SHOWN, help="Last date, included.")],
    keep_going: Annotated[
        bool, typer.Option("--keep-going", help="Go on with the next night where one fails.")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Show no progress, only the summary.")] = False,
) -> None:
    """Run the nights of a range that were missed; those that are done are passed over."""
    settings = prepare()
    from flows.backfill import BackfillParameters, nights_to_fill
    from flows.backfill import backfill as flow
    from flows.show import follow_progress, run_failed, show_backfill

    parameters = BackfillParameters(first=first.date(), last=last.date(), keep_going=keep_going)
    nights_to_fill(settings, parameters)
    server = begin_server()
    follow_progress(quiet)
    hand_over(server)
    state = flow(parameters, return_state=True)
    if not state.is_completed():
        fail(run_failed("the backfill", state), FAILED)
    filled = state.result()
    show_backfill(filled)
    if filled.failed:
        sys.exit(FAILED)


@commands.command()
def cleanup(
    keep: Annotated[int, typer.Option(min=1, help="How many of the newest versions of each model stay.")] = 10,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be removed.")] = False,
) -> None:
    """Remove old model versions with their files; never one that is served, named by a decision, or the best."""
    settings = prepare()
    from flows.show import show_cleaned
    from nightdesk.operations.cleanup import clean_up

    show_cleaned(clean_up(settings, keep, dry_run=dry_run))


@commands.command()
def approve(
    as_of: Annotated[dt.datetime, typer.Option(formats=[ISO], metavar=SHOWN, help="Night whose promotion is meant.")],
    by: Annotated[str, typer.Option(metavar="NAME", help="Who answers; stored with the answer.")],
    refuse: Annotated[bool, typer.Option("--refuse", help="Refuse: the champion stays.")] = False,
    note: Annotated[str, typer.Option(help="Why, for whoever reads the history.")] = "",
) -> None:
    """Approve, or refuse, the promotion of a night that waits for it or went on without it."""
    current = prepare()
    from flows.show import show_approved
    from nightdesk.errors import BadInput
    from nightdesk.operations.approval import approve as answer
    from nightdesk.operations.night import LIVE, plan_night
    from nightdesk.store.approvals import APPROVED, REFUSED, Reply

    name = by.strip()
    if not 0 < len(name) <= 64:
        raise BadInput(f"--by must be a name of 1 to 64 characters, got {by!r}: give yours")
    now = dt.datetime.now(dt.UTC)
    night = plan_night(current, LIVE, as_of.date(), "auto", now)
    show_approved(answer(night, Reply(REFUSED if refuse else APPROVED, name, note.strip()), now), night.as_of)


Horizon = Annotated[int, typer.Option(metavar="DAYS", help="Horizon at which the served model is meant.")]
Who = Annotated[str, typer.Option("--by", metavar="NAME", help="Who decides; stored with the decision.")]
Why = Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why, for whoever reads the history.")]
Realm = Annotated[str, typer.Option(help="live, or the name of a replay.")]


@commands.command()
def rollback(
    horizon: Horizon,
    by: Who,
    reason: Why,
    realm: Realm = "live",
    undo: Annotated[bool, typer.Option("--undo", help="Take the newest rollback back instead.")] = False,
) -> None:
    """Serve the former champion again from the next night on, or undo that."""
    current = prepare()
    from flows.show_evidence import show_decided
    from nightdesk.operations.by_hand import Order, roll_back
    from nightdesk.operations.by_hand import undo as take_back

    act = take_back if undo else roll_back
    show_decided(act(current, Order(realm, horizon, by, reason), dt.datetime.now(dt.UTC)))


@commands.command()
def replace(
    recipe: Annotated[str, typer.Option(metavar="NAME", help="Recipe whose newest fit shall serve.")],
    horizon: Horizon,
    by: Who,
    reason: Why,
    realm: Realm = "live",
) -> None:
    """Serve another recipe's newest fit from the next night on, by hand; skill stays what the evidence says."""
    current = prepare()
    from flows.show_evidence import show_decided
    from nightdesk.operations.by_hand import Order, replace_by_hand

    show_decided(replace_by_hand(current, Order(realm, horizon, by, reason), recipe, dt.datetime.now(dt.UTC)))

"""What the command line shows of an explanation: why a symbol ranks so, or what moves the scores of all."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from rich.table import Table

from flows.show import UNDEFINED, console
from nightdesk.features.stages import every_feature
from nightdesk.operations.explaining import Reason, Reasons, Told
from nightdesk.operations.importance_over_time import Importances
from nightdesk.operations.worth import Worth
from nightdesk.publish.publication import PUBLISHED
from nightdesk.report.wording import score

CLOSING = "These are reasons of the model, not causes in the market. Research, not advice."


def show_reasons(told: Told, found: Reasons, top: int) -> None:
    """Show why a symbol ranks where it does: its `top` reasons, the rest in one line, and the sum."""
    out = console()
    place = f"rank {found.rank} of {found.among} at {told.serving.horizon} days"
    out.print(f"{found.symbol} as of the close of {told.newest.as_of}: {place}{_stale(told)}", soft_wrap=True)
    out.print(f"score {score(found.score)}, said by {_speaker(told)}, {told.serving.skill}", soft_wrap=True)
    told_alone = [reason for reason in found.reasons[:top] if reason.adds != 0.0]
    for reason in told_alone:
        out.print(f"  {_added(reason.adds)}  {_sentence(reason)}", soft_wrap=True)
    rest = found.reasons[len(told_alone) :]
    if rest:
        out.print(f"  {_added(sum(one.adds for one in rest))}  the other {len(rest)} features together", soft_wrap=True)
    out.print(f"  {_added(found.base)}  what it says before it looks at {found.symbol}", soft_wrap=True)
    out.print(_how(told), soft_wrap=True)


def show_overall(told: Told, picture: Path, top: int) -> None:
    """Show what moves the scores of all symbols: the mean size of what each feature adds, and the picture's place."""
    out, known = console(), every_feature()
    size = np.abs(told.added.values).mean(axis=0)
    whole = size.sum() or 1.0
    among = f"{told.rows.height} symbols at {told.serving.horizon} days"
    out.print(
        f"What moves the scores of {among}, night of {told.newest.as_of}{_stale(told)}: {_speaker(told)}",
        soft_wrap=True,
    )
    for column in np.argsort(-size, kind="stable")[:top].tolist():
        name = told.names[column]
        meaning = f": {known[name].meaning}" if name in known else ""
        out.print(f"  {size[column]:.4f}  {size[column] / whole:4.0%}  {name}{meaning}", soft_wrap=True)
    out.print(_how(told), soft_wrap=True)
    out.print(f"Picture: {picture}", soft_wrap=True)


def show_importances(found: Importances, picture: Path, top: int) -> None:
    """Show what moved the scores at the first and the last retrain and in the mean, and where the picture lies."""
    out, mean = console(), found.shares.mean(axis=0)
    out.print(
        f"What moves the scores of {found.model} at {found.horizon} days: {len(found.days)} retrains from "
        f"{found.days[0]} to {found.days[-1]}, each asked on the symbols of {found.as_of}",
        soft_wrap=True,
    )
    table = Table(box=None, pad_edge=False)
    for heading in ("feature", "mean", "first", "last"):
        table.add_column(heading)
    for column in np.argsort(-mean, kind="stable")[:top].tolist():
        shares = (mean[column], found.shares[0, column], found.shares[-1, column])
        table.add_row(found.names[column], *(f"{share:.1%}" for share in shares))
    out.print(table)
    if found.left_out:
        out.print(f"{found.left_out} fits are left out: broken, or of features that are defined otherwise now.")
    out.print(CLOSING)
    out.print(f"Picture: {picture}", soft_wrap=True)


def show_worth(found: Worth, top: int) -> None:
    """Show what the ranking loses without each of its `top` features, on days that no fit had seen."""
    out = console()
    apart = "every test day" if found.step == 1 else f"every {found.step}th test day"
    out.print(
        f"What the ranking of {found.model} at {found.horizon} days loses without a feature: {found.days} days from "
        f"{found.first_day} to {found.last_day} ({apart}), each said by a fit that had not seen it; data of "
        f"{found.trained_as_of}",
        soft_wrap=True,
    )
    table = Table(box=None, pad_edge=False)
    for heading in ("feature", "loss of rank IC", "95 % interval"):
        table.add_column(heading)
    for one in found.importances[:top]:
        mean, lower, upper = one.loss.mean, one.loss.lower, one.loss.upper
        if mean is None or lower is None or upper is None:
            table.add_row(one.feature, UNDEFINED, "")
        else:
            table.add_row(one.feature, f"{mean:+.4f}", f"{lower:+.4f} to {upper:+.4f}")
    out.print(table)
    above = sum(one.loss.lower is not None and one.loss.lower > 0.0 for one in found.importances)
    out.print(
        f"{above} of {len(found.importances)} intervals lie above zero; by luck alone about "
        f"{0.025 * len(found.importances):.1f} would. Features that say the same cover for each other. {CLOSING}",
        soft_wrap=True,
    )


def _sentence(reason: Reason) -> str:
    if reason.value is None or reason.above is None:
        return f"{reason.feature} is missing: {reason.meaning}"
    unit = f" ({reason.unit})" if reason.unit else ""
    return f"{reason.feature} is {reason.value:.4g}{unit}, {_standing(reason.above)}: {reason.meaning}"


def _standing(above: float) -> str:
    return f"higher than {above:.0%} of the symbols" if above >= 0.5 else f"lower than {1 - above:.0%} of the symbols"


def _added(value: float) -> str:
    return f"{round(value, 4) + 0.0:+.4f}"  # a zero has no minus


def _speaker(told: Told) -> str:
    return f"{told.serving.model} version {told.serving.version}"


def _how(told: Told) -> str:
    if told.added.exact:
        return f"Exact: the lines add up to the score. {CLOSING}"
    largest = float(told.added.errors.max(initial=0.0))
    return f"From drawn orders of features, each line within {2 * largest:.4f}; they add up to the score. {CLOSING}"


def _stale(told: Told) -> str:
    return "" if told.newest.status == PUBLISHED else f"  STALE: {told.newest.reason}"

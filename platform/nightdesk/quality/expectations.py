"""Runs declared rules on a frame through Great Expectations, and says which rows fail which rule."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

import polars as pl

from nightdesk.errors import DataRefused
from nightdesk.quality.suite import Rule

ROW: Final = "row"
REASON: Final = "reason"


def failed_rows(frame: pl.DataFrame, rules: Sequence[Rule]) -> pl.DataFrame:
    """Rows of `frame` that fail one of `rules`, each of which must speak of rows.

    Returns
    -------
    DataFrame
        row (position in `frame`, from 0) and reason (the rule's code), each pair once, sorted.

    Raises
    ------
    DataRefused
        A rule could not be run: what was not checked is not let through.
    """
    outcomes = zip(rules, _run(frame, rules), strict=True)
    parts = [
        pl.DataFrame({ROW: outcome.get("unexpected_index_list") or []}, schema={ROW: pl.UInt32}).with_columns(
            pl.lit(rule.code).alias(REASON)
        )
        for rule, outcome in outcomes
    ]
    return pl.concat(parts).unique().sort(ROW, REASON)


def column_mismatch(frame: pl.DataFrame, rule: Rule) -> tuple[list[str], list[str]]:
    """Columns that `frame` lacks, and those too many, by a rule on their set; raises DataRefused."""
    (outcome,) = _run(frame.head(0), (rule,))
    mismatched = outcome.get("details", {}).get("mismatched", {})
    return mismatched.get("missing", []), mismatched.get("unexpected", [])


def _run(frame: pl.DataFrame, rules: Sequence[Rule]) -> Iterator[dict[str, Any]]:
    """Yield the result of each rule, in the order of `rules`."""
    # Three seconds of import, paid only where a suite really runs.
    import great_expectations as gx
    import great_expectations.expectations as catalogue
    from great_expectations.data_context.types.base import ProgressBarsConfig

    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = ProgressBarsConfig(globally=False)
    asset = context.data_sources.add_pandas("frame").add_dataframe_asset("frame")
    batch = asset.add_batch_definition_whole_dataframe("whole").get_batch({"dataframe": frame.to_pandas()})
    suite = gx.ExpectationSuite(
        name="rules",
        expectations=[
            getattr(catalogue, rule.expectation)(**rule.arguments, meta={"position": position})
            for position, rule in enumerate(rules)
        ],
    )
    # The frame's index, 0 to n - 1, is the row id: a named column instead costs 0.1 ms for each failed row.
    detail = {"result_format": "COMPLETE", "return_unexpected_index_query": False}
    answers = batch.validate(suite, result_format=detail).results
    # Great Expectations answers in an order of its own.
    for answer in sorted(answers, key=lambda one: one.expectation_config.meta["position"]):
        rule = rules[answer.expectation_config.meta["position"]]
        if trouble := _raised(answer.exception_info):
            raise DataRefused(
                f"rule {rule.code} must run to let a batch through, got {trouble}: mend the rule or the batch"
            )
        yield answer.result


def _raised(info: dict[str, Any] | None) -> str:
    """The message of an exception inside the check itself: one alone, or one for each metric."""
    parts = [info or {}, *(part for part in (info or {}).values() if isinstance(part, dict))]
    return "; ".join(str(part.get("exception_message")) for part in parts if part.get("raised_exception"))

"""Renders what was found of one model as a page, or as the part of a notebook: no script, nothing from outside."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from nightdesk.evaluation.evaluate import Evaluation
from nightdesk.evaluation.forecast_metrics import MEANINGS
from nightdesk.report import wording
from nightdesk.report.template import template
from nightdesk.store.trials import Opening

TEMPLATE: Final = "evaluation.html.jinja"
OF_THE_STRATEGY: Final = "sharpe_gross"
"""The first metric of MEANINGS that is of what was earned."""


def render_evaluation(found: Evaluation, openings: Sequence[Opening]) -> str:
    """Render the page: HTML, byte for byte the same for an equal evaluation; what is undefined is said to be."""
    return template(TEMPLATE).render(whole=True, **_filled(found, openings))


def summarise_evaluation(found: Evaluation, openings: Sequence[Opening]) -> str:
    """As `render_evaluation`, without the frame of a page: what a notebook shows in its cell."""
    return template(TEMPLATE).render(whole=False, **_filled(found, openings))


def verdict_sentences(found: Evaluation) -> list[str]:
    """What the evaluation comes to, in sentences."""
    verdict, deflated = found.verdict, found.deflated
    difference = verdict.difference
    if verdict.best_baseline is None:
        said = ["No baseline has a rank IC with an interval here: there is nothing to beat."]
    else:
        beats = "It beats" if verdict.beats else "It does not beat"
        said = [
            f"{beats} the best baseline, {verdict.best_baseline}: the paired difference in daily rank IC is "
            f"{wording.signed(difference.mean)} ({wording.between(difference.lower, difference.upper)})."
        ]
    tried = "the first trial" if deflated.trials == 1 else f"the best of {wording.count(deflated.trials)} trials"
    if deflated.probability is None:
        said.append(f"Its returns do not vary, so that nothing can be said of it as {tried} on these days.")
    else:
        held = "holds" if deflated.significant else "does not hold"
        said.append(
            f"As {tried} on these days, it {held}: the chance that it is better than the best of as many without skill "
            f"is {wording.percent(deflated.probability)} %; 95 % are asked for."
        )
    return said


def _filled(found: Evaluation, openings: Sequence[Opening]) -> dict[str, object]:
    names = list(MEANINGS)
    first = names.index(OF_THE_STRATEGY)
    return {
        "found": found,
        "verdict": verdict_sentences(found),
        "of_forecasts": [(name, found.metrics[name], MEANINGS[name]) for name in names[:first]],
        "of_returns": [(name, found.metrics[name], MEANINGS[name]) for name in names[first:]],
        "baselines": found.baselines.to_dicts(),
        "slices": [
            (what, part.to_dicts())
            for what, part in (
                ("year", found.by_year),
                ("sector", found.by_sector),
                ("volatility regime known that evening", found.by_regime),
                ("stretch", found.by_stretch),
            )
            if part is not None and part.height
        ],
        "costs": found.costs.to_dicts(),
        "noise": found.noise.to_dicts(),
        "openings": openings,
        "words": wording,
    }

"""Verdicts in words: the question that each answers, and its figures as they are shown."""

from __future__ import annotations

from nightdesk.evaluation.e_process import CLIP
from nightdesk.promotion.superiority import MIN_PAIRS
from nightdesk.store.evidence import OPEN, REPLACEMENT, RETURN, SKILL, Verdict

UNKNOWN = "unknown"


def question(verdict: Verdict) -> str:
    """What was asked: `may lightgbm replace ridge?`."""
    if verdict.kind == REPLACEMENT:
        return f"may {verdict.model} replace {verdict.against}?"
    if verdict.kind == RETURN:
        return f"must {verdict.model} take its place back from {verdict.against}?"
    return f"is the skill of {verdict.model} proven?"


def shown(verdict: Verdict) -> tuple[str, str, str, str]:
    """The answer, the highest evidence of what is needed, pairs of nights, and the smallest edge that is found."""
    highest = UNKNOWN if verdict.highest is None else f"{verdict.highest:.2f}"
    pairs = str(verdict.nights) if verdict.pairs is None else f"{verdict.pairs} of {verdict.nights}"
    edge = UNKNOWN if verdict.detectable is None else f"{verdict.detectable:.4f}"
    if verdict.detectable is None and (verdict.pairs or 0) >= MIN_PAIRS:
        edge = f"above {CLIP}"
    return _answer(verdict), f"{highest} of {verdict.needed:.0f}", pairs, edge


def told(verdict: Verdict) -> str:
    """One line: `5 days, may lightgbm replace ridge? open (evidence 1.03 of 80)`."""
    answer, evidence, *_ = shown(verdict)
    return f"{verdict.horizon} days, {question(verdict)} {answer} (evidence {evidence})"


def _answer(verdict: Verdict) -> str:
    return "unproven" if (verdict.kind, verdict.outcome) == (SKILL, OPEN) else verdict.outcome

"""Years of nights in which no challenger is better than the champion: how many replace it all the same."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from nightdesk.evaluation.e_process import e_path
from nightdesk.evaluation.power import NIGHTS, overlapping_noise
from nightdesk.promotion.superiority import SHARES

YEAR = 252
LEAD_IN = 3
DEVIATION = 0.08

Draw = Callable[[np.random.Generator, int, int, int], np.ndarray]


def luck(random: np.random.Generator, runs: int, nights: int, horizon: int) -> np.ndarray:
    """Paired differences of nothing but luck, overlapping as labels do."""
    return DEVIATION * overlapping_noise(random, runs, nights, horizon)


def persisting(random: np.random.Generator, runs: int, nights: int, horizon: int) -> np.ndarray:
    """Luck, and an edge of either sign that lasts some 100 nights (deviation 0.01): zero on average, not as it goes."""
    edge = np.empty((runs, nights))
    edge[:, 0] = 0.01 * random.standard_normal(runs)
    for night in range(1, nights):
        edge[:, night] = 0.99 * edge[:, night - 1] + 0.01 * np.sqrt(1 - 0.99**2) * random.standard_normal(runs)
    return edge + luck(random, runs, nights, horizon)


def replaced_years(years: int, horizon: int, seed: int, draw: Draw = luck, chain: int = 20) -> tuple[int, int]:
    """Years with any replacement, and years counted, at least `years`.

    In chains of years, each with four challengers that arrive on nights of chance and spend the four shares in order;
    their tests run on into later years, up to 504 nights. The first years, which no older tests reach into, do not
    count. Challengers owe nothing to each other: nothing makes one of four succeed oftener.
    """
    random = np.random.default_rng(seed)
    chains = -(-years // chain)
    replaced = np.zeros((chains, LEAD_IN + chain), dtype=bool)
    each = np.arange(chains)
    for year in range(LEAD_IN + chain):
        arrivals = np.sort(random.integers(0, YEAR, (chains, len(SHARES))), axis=1)
        for number, alpha in enumerate(SHARES):
            above = e_path(draw(random, chains, NIGHTS, horizon), horizon) >= 1.0 / alpha
            known = year * YEAR + arrivals[:, number] + above.argmax(axis=1) + horizon + 1
            happened = above.any(axis=1) & (known // YEAR < LEAD_IN + chain)
            replaced[each[happened], known[happened] // YEAR] = True
    return int(replaced[:, LEAD_IN:].sum()), chains * chain

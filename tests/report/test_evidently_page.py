"""Evidently's page of a few features: it stands alone, names them, and stays small."""

from __future__ import annotations

import re

import numpy as np
import polars as pl
import pytest

from nightdesk.report.evidently_page import evidently_page

NAMES = [f"feature_{number}" for number in range(5)]


def side(seed: int, shift: float) -> pl.DataFrame:
    random = np.random.default_rng(seed)
    return pl.DataFrame({name: random.normal(shift, 1.0, 2000) for name in NAMES}).with_columns(
        pl.when(pl.col(NAMES[0]) > 1.5).then(None).otherwise(pl.col(NAMES[0])).alias(NAMES[0])
    )


def test_it_stands_alone_names_the_features_and_stays_small() -> None:
    pytest.importorskip("evidently", reason="Evidently draws the page, and is not installed")
    html = evidently_page(side(1, 0.0), side(2, 0.5), "live, night of 2017-06-30")
    assert len(html.encode()) < 4_100_000
    assert all(name in html for name in NAMES)
    assert re.findall(r"<(?:script|link|img|iframe)[^>]+(?:src|href)=[\"']?(?!data:)[^>]+", html) == []

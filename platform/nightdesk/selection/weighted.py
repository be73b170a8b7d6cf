"""Ranks, scaling and correlation of weighted rows: a weight of two counts as the row standing there twice."""

from __future__ import annotations

import numpy as np
from sklearn.preprocessing import StandardScaler

from nightdesk.scoring.observed import FloatArray


def ranks(values: FloatArray, weight: FloatArray) -> FloatArray:
    """The share of the weight below each value, ties counted half: one column, each result between 0 and 1."""
    levels, place = np.unique(values, return_inverse=True)
    held = np.bincount(place, weights=weight, minlength=len(levels))
    middle: FloatArray = (np.cumsum(held) - held / 2.0) / held.sum()
    return middle[place]


def rank_columns(features: FloatArray, weight: FloatArray) -> FloatArray:
    """`ranks` of each column (rows, columns)."""
    return np.column_stack([ranks(column, weight) for column in features.T])


def standardised(features: FloatArray, weight: FloatArray) -> FloatArray:
    """Columns of mean 0 and variance 1 under `weight`; a column without variance becomes 0."""
    scaled: FloatArray = StandardScaler().fit_transform(features, sample_weight=weight)
    return scaled


def correlation(features: FloatArray, target: FloatArray, weight: FloatArray) -> FloatArray:
    """Correlation of each column with `target` (rows), -1 to 1; 0 where either does not vary."""
    scaled = standardised(np.column_stack([features, target]), weight)
    found: FloatArray = (weight / weight.sum()) @ (scaled[:, :-1] * scaled[:, -1:])
    return np.clip(found, -1.0, 1.0)


def correlations(features: FloatArray, weight: FloatArray) -> FloatArray:
    """Correlation of each column with each (columns, columns), -1 to 1; 0 where one does not vary."""
    scaled = standardised(features, weight)
    found: FloatArray = scaled.T @ (scaled * (weight / weight.sum())[:, None])
    return np.clip(found, -1.0, 1.0)

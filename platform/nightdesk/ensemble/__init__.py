"""Several models as one: weights, stacking, one calibration layer, intervals and confidence, each kept as JSON."""

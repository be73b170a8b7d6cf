"""Monitoring: what last nights forecast, what came of it, and whether to train again."""

"""Metrics, daily rank IC and honest intervals, as pure functions that every later stage may use."""

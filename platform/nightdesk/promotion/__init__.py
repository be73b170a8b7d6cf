"""Promotion: who is served, decided by pure functions from evidence, carried out so that a kill cannot split it."""

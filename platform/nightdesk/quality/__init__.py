"""Checks of incoming tables: declared suites, findings with reason codes, quarantine, a gate."""

"""Honest pipelines, and the same with one leak planted in each: what a look-ahead audit is measured on."""

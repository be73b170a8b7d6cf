"""Recommendations: risk, action, target and suggested size of each ranked symbol, with reasons in words."""

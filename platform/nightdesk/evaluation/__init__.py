"""Evaluation: how good forecasts were on days that no fit had seen."""

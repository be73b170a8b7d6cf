"""What MLflow must be told in every process that loads models; set before it is imported."""

from __future__ import annotations

SAFE = {
    # A model in our registry that only unpickling could load is none of ours.
    "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false",
    # MLflow would print a link to each run, with the password of the server's URL in it.
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
}
"""Variables that are set whatever the environment says: no default that somebody may lift."""

# One image for Prefect's server and worker, MLflow's server and the one-shots: they are one environment, told apart by
# their commands. Built from the root of the repository, on the Python for which infra/constraints.txt was resolved.
FROM python:3.11.13-slim-bookworm AS build
RUN python -m venv /opt/venv
ENV PATH=/opt/venv/bin:$PATH
WORKDIR /opt/nightdesk
COPY . .
# Editable: deployments run from the folder of prefect.yaml, with the sources beside it.
RUN --mount=type=cache,target=/root/.cache/pip \
    pip install --disable-pip-version-check -c infra/constraints.txt -e . \
    && python -m compileall -q platform flows tasks infra

FROM python:3.11.13-slim-bookworm
# LightGBM's wheel brings everything but OpenMP.
RUN apt-get update && apt-get install --yes --no-install-recommends libgomp1 && rm -rf /var/lib/apt/lists/* \
    && useradd --uid 10001 --user-group --create-home --home-dir /var/lib/nightdesk nightdesk
COPY --from=build /opt/venv /opt/venv
COPY --from=build /opt/nightdesk /opt/nightdesk
# No git is in here, and MLflow would say so at length at each run.
ENV PATH=/opt/venv/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 GIT_PYTHON_REFRESH=quiet
WORKDIR /opt/nightdesk
# By number, so that Kubernetes too can see that it is not root.
USER 10001:10001

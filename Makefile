# make demo    asks the demo models, builds a pack, routes new tasks through a gateway and prints what came of it
# make serve   keeps a demo gateway running for curl
# make test    the tests           make test-slow  those that take longer
# make check   lint, types, import rules      make fix    formats and mends what it can
# make docs    the reference from the code, and all pages as a site in build/site
# make ui-test  the dashboard in a real Chromium, and its pictures for the documentation
# make faults  a fleet of gateways and scorers, broken in a dozen ways, and counted
# make fuzz    broken requests against a gateway (REQUESTS), its OpenAPI document (EXAMPLES), memory under sound ones (STEADY)
# make conformance  the clients that people use, and HTTP by hand, against a gateway
# make lm-eval lm-evaluation-harness against a gateway (LM_EVAL=its program)
# make bench   what a request costs, beside nginx and LiteLLM's proxy (12 minutes; BENCH=--quick: 3)
# make bench-scoring  what embedders and the scorer cost (needs a benchmark folder, as replay does)
# make replay  real benchmark results through HTTP (needs a benchmark folder beside the checkout, see benchmarks/)

PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
# Where PyTorch's CPU build is not what plain pip finds, name PyTorch's CPU index: make demo TORCH_INDEX=https://…
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
PIP := $(BIN)/python -m pip --disable-pip-version-check --no-input -q
export HF_HUB_OFFLINE ?= 1
export TOKENIZERS_PARALLELISM ?= false

.PHONY: faults demo serve test test-slow check fix docs fuzz conformance lm-eval bench bench-scoring bench-index replay ui-test clean

demo: $(VENV)/demo.stamp
	$(BIN)/python -m demo run

serve: $(VENV)/demo.stamp
	$(BIN)/python -m demo serve

test: $(VENV)/dev.stamp $(VENV)/redis.stamp
	$(BIN)/python -m pytest -n 2 --dist loadfile -m "not slow"

test-slow: $(VENV)/dev.stamp $(VENV)/redis.stamp
	$(BIN)/python -m pytest -n 2 --dist loadfile -m slow

# Every fault of a fleet, counted (FAULTS=names, FAULT_SECONDS=of load for each; see --help for repeats).
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
	  || apt-get install -y -q chromium || echo "no Chromium, and none to be had: the tests will say so"
	$(BIN)/python -m pytest tests/gateway/ui
	$(BIN)/python -m benchmarks.screenshots

docs: $(VENV)/dev.stamp
	$(BIN)/python -m docs.tables
	$(BIN)/python -W ignore -m mkdocs build --strict --quiet -d build/site
	$(BIN)/python -m pytest -q tests/docs

fuzz: $(VENV)/conformance.stamp
	$(BIN)/python -m qa.fuzzing --requests $(REQUESTS) --examples $(EXAMPLES) --steady $(STEADY) --results results/fuzz.json

conformance: $(VENV)/conformance.stamp build/conformance/node.stamp
	$(BIN)/python -m qa.conformance --node build/conformance --results results/conformance.json

lm-eval: $(VENV)/dev.stamp
	$(BIN)/python benchmarks/lm_eval_run.py --lm-eval $(LM_EVAL)

bench: $(VENV)/dev.stamp build/benchroute.stamp build/litellm.stamp
	$(BIN)/python -m benchmarks.speed $$(test -x build/benchroute/bin/python && echo --benchroute build/benchroute) $(BENCH)

bench-scoring: $(VENV)/bench.stamp
	$(BIN)/python -m benchmarks.scoring --benchmark $(BENCHMARK) --results results/scoring.json

bench-index: $(VENV)/bench.stamp
	$(BIN)/python -m benchmarks.indexing --results results/indexing.json --figure results/indexing.svg

replay: $(VENV)/dev.stamp
	$(BIN)/python benchmarks/replay.py --benchmark $(BENCHMARK) --pool carrot --results results/replay.json

$(VENV)/torch.stamp: constraints.txt
	$(PYTHON) -m venv $(VENV)
	@echo "installing PyTorch's CPU build (once)"
	$(PIP) install $(if $(TORCH_INDEX),--index-url $(TORCH_INDEX)) -r constraints.txt
	@touch $@

# Where it cannot be had, the tests that need it are skipped, and say so.
$(VENV)/redis.stamp: $(VENV)/torch.stamp
	@command -v redis-server >/dev/null || { echo "installing redis-server (once)"; \
	  apt-get -qq update && apt-get -qq install --yes redis-server; } >/dev/null 2>&1 \
	  || echo "redis-server cannot be installed here: its tests will be skipped"
	@touch $@

$(VENV)/demo.stamp: $(VENV)/torch.stamp pyproject.toml
	@echo "installing benchroute and what the demo needs (once)"
	$(PIP) install -c constraints.txt -e '.[demo]'
	@touch $@

$(VENV)/dev.stamp: $(VENV)/torch.stamp pyproject.toml
	@echo "installing benchroute and what development needs (once)"
	$(PIP) install -c constraints.txt -e '.[dev]'
	@touch $@ $(VENV)/demo.stamp

$(VENV)/bench.stamp: $(VENV)/dev.stamp pyproject.toml
	@echo "installing the indexes that ours is compared with (once)"
	$(PIP) install -c constraints.txt -e '.[bench]'
	@touch $@

$(VENV)/conformance.stamp: $(VENV)/dev.stamp pyproject.toml
	@echo "installing the clients of make conformance (once)"
	$(PIP) install -c constraints.txt -e '.[conformance]'
	@touch $@

# Where npm cannot be had the report says that openai for Node was not run, and why.
build/conformance/node.stamp: qa/conformance/clients/node/package.json
	@mkdir -p $(@D) && cp $< $(@D)/
	-cd $(@D) && npm install --no-audit --no-fund --no-package-lock --silent && touch node.stamp

# As production installs it, on the fastest Python here. Where that cannot be, the one of development is measured.
build/benchroute.stamp: pyproject.toml
	@echo "installing benchroute to measure, on $(BENCH_PYTHON) (once)"
	@mkdir -p build && rm -rf build/benchroute
	@$(BENCH_PYTHON) -m venv build/benchroute && build/benchroute/bin/python -m pip --disable-pip-version-check --no-input -q install \
		-c constraints.txt -e '.[scorer]' && build/benchroute/bin/python -m compileall -q build/benchroute/lib || rm -rf build/benchroute
	@touch $@

# Its own environment: its pins would hold ours back. Where it cannot be had the report leaves it out, and says so.
build/litellm.stamp:
	@mkdir -p build && $(BENCH_PYTHON) -m venv build/litellm
	@echo "installing LiteLLM's proxy to measure beside (once)"
	-build/litellm/bin/python -m pip --disable-pip-version-check --no-input -q install 'litellm[proxy]==1.106.12' \
		&& build/litellm/bin/python -m compileall -q build/litellm/lib && touch $@

# axe-core finds what somebody with a screen reader or poor sight would stumble over. Without npm that test is skipped.
build/ui/node.stamp:
	@mkdir -p $(@D)
	-cd $(@D) && npm install --no-audit --no-fund --no-package-lock --silent axe-core@4 && touch node.stamp

clean:
	rm -rf $(VENV) .demo results build dist *.egg-info

# Every goal sets itself up: it makes .venv and installs what it needs, pinned by constraints.txt, then runs.
# Set-up is repeated only when pyproject.toml or constraints.txt change. `make` alone lists the goals.

# The first Python that is new enough; name another with `make PYTHON=/path/to/python3.12 test`.
PYTHON ?= $(firstword $(foreach p,python3 python3.11 python3.12 python3.13 python3.14 python,\
	$(shell command -v $(p) >/dev/null 2>&1 && $(p) -c $(new_enough) >/dev/null 2>&1 && echo $(p))))
new_enough := 'import sys; sys.exit(sys.version_info < (3, 11))'

VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check install -qq --constraint constraints.txt
WORKERS ?= 3

# The detector needs no torch and is ready in a fraction of the time; developing adds the rest to the same place.
DETECTOR := $(VENV)/.installed-detector
EVERYTHING := $(VENV)/.installed-everything

# The tests start this program some hundred times: what Python compiled is kept, whatever a container's image says.
unexport PYTHONDONTWRITEBYTECODE

# One thread a process: the tests run side by side, and a pool of threads in each would only fight for the cores.
ONE_THREAD := OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 MKL_NUM_THREADS=1
# More workers than cores, for many tests wait for programs that they started. A file stays with one worker: what its
# tests share, a trained model or a running detector, is made once.
PYTEST := $(ONE_THREAD) $(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder --durations=40 --durations-min=2

# The tests of the page drive a real browser; they say so and skip where there is none.
CHROMIUM := command -v chromium chromium-browser google-chrome >/dev/null 2>&1 \
	|| { command -v apt-get >/dev/null 2>&1 && [ "$$(id -u)" = 0 ] \
	&& echo "installing chromium for the tests of the page" \
	&& apt-get update -qq >/dev/null 2>&1 && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq chromium >/dev/null 2>&1; } \
	|| echo "no chromium: the tests of the page in a browser are skipped (apt install chromium)"

.DEFAULT_GOAL := help
.PHONY: help demo test check-fast lint format types layers pytest coverage figures bench stress soak doctor setup setup-demo clean distclean

help: ## list the goals
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(DETECTOR) ## simulated people over real ZeroMQ into the detector, two minutes; ARGS='--rate 8' is shorter
	@$(BIN)/dyadwatch demo $(ARGS)

CHECKS := $(MAKE) --no-print-directory lint layers figures

# Types are checked on one core while all else runs; pytest's closing line is the last unless a type is wrong.
test: $(EVERYTHING) ## everything that must hold: lint, types, layers, no class name twice, tests
	@echo "checking types beside all else; errors are printed after the tests"
	@$(BIN)/basedpyright >$(VENV)/types.log 2>&1 & types=$$!; trap 'kill $$types 2>/dev/null' EXIT INT TERM; \
	$(CHECKS) || exit; $(PYTEST); tests=$$?; wait $$types || { cat $(VENV)/types.log; exit 1; }; exit $$tests

check-fast: lint layers ## seconds instead of minutes: lint, layers, and the tests not marked slow
	@$(PYTEST) -q -m "not slow"

lint: $(EVERYTHING) ## ruff: rules and formatting
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .

format: $(EVERYTHING) ## rewrite the files as `make lint` wants them
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

types: $(EVERYTHING) ## basedpyright
	@$(BIN)/basedpyright

layers: $(EVERYTHING) ## import-linter: tools -> API -> stream | exporters -> core, and where torch may be imported
	@PYTHONPATH=.typing $(BIN)/lint-imports

pytest: $(EVERYTHING) ## the tests alone
	@$(PYTEST)

coverage: $(EVERYTHING) ## the tests with the lines of core and stream that they run; takes about half as long again
	@$(PYTEST) -q --cov=core --cov=stream --cov-report=term:skip-covered

figures: $(EVERYTHING) ## size of the source, its longest parts, names that occur twice; fails on public classes
	@$(BIN)/python tests/figures.py

bench: $(EVERYTHING) ## cost of each station and latency end to end, on this machine
	@$(BIN)/dyadwatch bench

stress: $(EVERYTHING) ## hostile messages of every kind beside a source that behaves; at most ten minutes
	@$(BIN)/dyadwatch bench stress

soak: $(EVERYTHING) ## an hour of faults, restarts and refused messages: memory must stay flat
	@$(BIN)/dyadwatch bench soak

doctor: $(DETECTOR) ## what is installed and whether it runs
	@$(BIN)/dyadwatch doctor

setup: $(EVERYTHING) ## only install what developing needs
setup-demo: $(DETECTOR) ## only install what a detector needs

clean: ## remove caches and build leftovers
	rm -rf build dist *.egg-info .pytest_cache .ruff_cache .hypothesis .import_linter_cache .benchmarks
	find core stream exporters tools tests -name __pycache__ -type d -prune -exec rm -rf {} +

distclean: clean ## remove the installed environment too
	rm -rf $(VENV)

$(BIN)/python:
	@if [ -z "$(PYTHON)" ]; then \
	  echo "dyadwatch needs Python 3.11 or newer; found only: $$(python3 --version 2>&1)." \
	    "Install one, or name it: make PYTHON=/path/to/python3.11 $(MAKECMDGOALS)" >&2; exit 1; fi
	@$(PYTHON) -c $(new_enough) || { \
	  echo "PYTHON is $(PYTHON); expected a program that is Python 3.11 or newer" >&2; exit 1; }
	@echo "making $(VENV) with $$($(PYTHON) --version 2>&1)"
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); \
	  echo "python could not make $(VENV); on Debian and Ubuntu: apt install python3-venv" >&2; exit 1; }

$(DETECTOR): pyproject.toml constraints.txt | $(BIN)/python
	@echo "installing the detector into $(VENV) (once, some 20 seconds)"
	@$(PIP) --editable '.[cpu]'
	@touch $@

$(EVERYTHING): pyproject.toml constraints.txt | $(BIN)/python
	@echo "installing the detector and everything to train and test it into $(VENV) (once, one to two minutes)"
	@$(PIP) --editable '.[camera,cpu,foxglove,train,lsl,notify,view,dev]'
	@[ -x /usr/sbin/mosquitto ] || [ "$$(id -u)" != 0 ] || ! command -v apt-get >/dev/null || \
	  RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive timeout 120 apt-get install -y -qq --no-install-recommends mosquitto \
	  >/dev/null 2>&1 || echo "no MQTT broker to test against: apt-get install mosquitto; those tests are skipped"
	@$(CHROMIUM)
	@touch $(DETECTOR) $@

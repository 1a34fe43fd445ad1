# Needs python3 >= 3.11 and nothing else; uses uv where it is installed.
#   make demo    land the embedded demo API        make bench        speed against rivals
#                TARGET=s3 or TARGET=azure: in an object store that ends with the demo
#   make demo-batch   a dozen pipelines of it side by side; SVG=FILE draws what is shown meanwhile
#   make test    checks and the whole suite        make bench-full   the same, longer, and memory
#   make lint    checks only                       make lock         pin the requirements anew
#   make clean   remove what these have made

SHELL := /bin/sh
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
BENCH := .bench-venv
RECORDS ?= 200000
TARGET ?= local

# The first of these that runs and is new enough; a name on PATH alone proves nothing (pyenv's shims).
FIND_PYTHON = for p in "$(PYTHON)" python3.13 python3.12 python3.11; do \
	  if "$$p" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then \
	    python=$$p; break; fi; \
	done; \
	if [ -z "$$python" ]; then \
	  echo "bronze-engine needs Python 3.11 or newer, and $(PYTHON) is not." \
	    "Install one, or name it: make PYTHON=/path/to/python3.12" >&2; exit 1; fi

# $(call install,REQUIREMENTS,VENV): exactly what the file pins, checked against its hashes.
install = if command -v uv >/dev/null 2>&1; then \
	  uv pip install --quiet --python $(2)/bin/python --require-hashes -r $(1); \
	else \
	  $(2)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $(1); \
	fi

# The package itself, editable, with the build tools that the requirements have pinned.
install_package = if command -v uv >/dev/null 2>&1; then \
	  uv pip install --quiet --python $(VENV)/bin/python --no-deps --no-build-isolation -e .; \
	else \
	  $(BIN)/python -m pip install --quiet --disable-pip-version-check \
	    --no-deps --no-build-isolation -e .; \
	fi

.PHONY: demo demo-batch test lint bench bench-full lock env clean
.DELETE_ON_ERROR:

# Of each TARGET: what it needs beside the package, and how the demo is told.
DEMO_NEEDS_s3 = $(VENV)/.emulators
DEMO_NEEDS_azure = .azurite/.installed
DEMO_OPTION_s3 = --emulator s3
DEMO_OPTION_azure = --emulator azure

demo: $(VENV)/.runtime $(DEMO_NEEDS_$(TARGET))
	@case "$(TARGET)" in local|s3|azure) ;; *) \
	  echo "TARGET is local, s3 or azure, not $(TARGET)" >&2; exit 1;; esac
	$(strip $(BIN)/bronze demo --records $(RECORDS) $(DEMO_OPTION_$(TARGET)))

demo-batch: $(VENV)/.runtime
	$(strip $(BIN)/bronze demo --batch --records $(RECORDS) $(if $(SVG),--svg $(SVG)))

# A server that can't be installed here skips its tests, with the reason; in CI it fails them.
SERVERS = .localstack-venv/.installed $(if $(shell command -v npm),.azurite/.installed)

# What is installed is so side by side. Two workers a core, for tests wait for servers, clocks and
# processes half of their time; whoever is done first takes over tests of the others.
test:
	-@$(MAKE) --no-print-directory --keep-going --jobs 3 $(VENV)/.dev $(SERVERS)
	@$(MAKE) --no-print-directory lint
	$(BIN)/python -m pytest --dist worksteal \
	  --numprocesses $$($(BIN)/python -c 'import os; print(min(16, 2 * (os.cpu_count() or 1)))')

lint: $(VENV)/.dev
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy --num-workers auto
	$(BIN)/lint-imports

# What docs/benchmarks.md shows, and its chart: ten minutes on two cores. A rival that can't be
# installed is skipped, and the page says so. bench-full takes hours, and 20 GB of disk.
BENCH_SIZE = --short --rounds 3
BENCH_PAGE = --json docs/benchmarks.json --page docs/benchmarks.md

bench: $(VENV)/.dev
	-@$(MAKE) --no-print-directory $(BENCH)/.rivals
	$(BIN)/python -m benchmarks http postgres files upload batch end_to_end silver_merge $(BENCH_SIZE) $(BENCH_PAGE)

bench-full: $(VENV)/.dev
	-@$(MAKE) --no-print-directory $(BENCH)/.rivals
	$(BIN)/python -m benchmarks http postgres files upload batch end_to_end silver_merge --full --rounds 5 $(BENCH_PAGE)
	$(BIN)/python -m benchmarks memory batch_memory --full --rounds 1 $(BENCH_PAGE)
	$(BIN)/python -m benchmarks batch_scheduler concurrency adaptive tune --full $(BENCH_PAGE)
	$(BIN)/python -m benchmarks guard quality copy_binary --full $(BENCH_PAGE)

env: $(VENV)/.dev

$(BIN)/python:
	@$(FIND_PYTHON); echo "making $(VENV) with $$python"; \
	if command -v uv >/dev/null 2>&1; then uv venv --quiet --python "$$python" $(VENV); \
	else "$$python" -m venv $(VENV); fi

# The development set holds the runtime set, so whoever has it needs no second install.
$(VENV)/.runtime: requirements/runtime.txt pyproject.toml | $(BIN)/python
	@if [ ! -e $(VENV)/.dev ]; then $(call install,requirements/runtime.txt,$(VENV)); fi
	@$(install_package)
	@touch $@

$(VENV)/.dev: requirements/dev.txt pyproject.toml | $(BIN)/python
	@$(call install,requirements/dev.txt,$(VENV))
	@$(install_package)
	@touch $@ $(VENV)/.runtime

# Azure's emulator, for the tests of its store and for `make demo TARGET=azure`; needs npm.
.azurite/.installed:
	@command -v npm >/dev/null || { \
	  echo "TARGET=azure needs Node.js 18 or newer with npm, on which Azurite runs." \
	    "Install it, or try TARGET=s3, which needs neither" >&2; exit 1; }
	@mkdir -p .azurite
	npm install --prefix .azurite --no-save --no-package-lock --no-audit --no-fund azurite@3.35.0
	@touch $@

# LocalStack's S3, for the tests: its pins are not ours.
.localstack-venv/.installed: requirements/localstack.txt | $(BIN)/python
	@rm -rf .localstack-venv
	@$(BIN)/python -m venv .localstack-venv
	@{ $(call install,requirements/localstack.txt,.localstack-venv) } || { rm -rf .localstack-venv; exit 1; }
	@touch $@

# moto, which the development set holds too.
$(VENV)/.emulators: requirements/emulators.txt $(VENV)/.runtime
	@if [ ! -e $(VENV)/.dev ]; then $(call install,requirements/emulators.txt,$(VENV)); fi
	@touch $@

# Rivals live in an environment of their own: their dependencies must not decide ours.
$(BENCH)/.rivals: requirements/rivals.txt | $(BIN)/python
	@rm -rf $(BENCH)
	@$(BIN)/python -m venv $(BENCH)
	@{ $(call install,requirements/rivals.txt,$(BENCH)); } || { rm -rf $(BENCH); exit 1; }
	@touch $@

# Pins for every platform and every Python that is supported, with the hashes of all files.
COMPILE = .lock/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-header --no-annotate $(UPGRADE)

lock: | $(BIN)/python
	@test -x .lock/bin/uv || { $(BIN)/python -m venv .lock && .lock/bin/python -m pip install --quiet uv; }
	$(COMPILE) pyproject.toml requirements/build.in -o requirements/runtime.txt
	$(COMPILE) --group emulators -c requirements/runtime.txt -o requirements/emulators.txt
	$(COMPILE) pyproject.toml requirements/build.in --group dev -c requirements/runtime.txt \
	  -c requirements/emulators.txt -o requirements/dev.txt
	$(COMPILE) requirements/localstack.in -o requirements/localstack.txt
	$(COMPILE) requirements/rivals.in -o requirements/rivals.txt

clean:
	rm -rf $(VENV) $(BENCH) .lock .azurite .localstack-venv bronze logs build dist .mypy_cache .ruff_cache .pytest_cache \
	  .hypothesis .import_linter_cache
	find src tests benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +

# make install        .venv with all that users and developers need (TORCH_INDEX=<address> for another build of torch)
# make demo           fit, learning rate and predictions on real images, in demo-run/
# make test           the tests (JOBS=4 for more processes; PYTHON=python3.13 for another Python, in .venv-3.13)
# make test-all       with the slow ones too: many networks, the reference recipes whole, the wheel; before a release
# make test-oldest    the tests with the oldest versions that pyproject.toml allows, in .venv-oldest
# make test-wheel     builds the wheel, installs it away from this folder, and fits and predicts with it
# make test-isa       the tests with the processor's features reduced, and bfloat16 forced on
# make check          ruff, ruff format, mypy, and that imports run downward
# make bench          the figures of benchmarks/README.md

PYTHON ?= python3
TORCH_INDEX ?=
# Tests run in as many processes, each of which imports torch: about 1 GB.
JOBS ?= 2
# Each Python has an environment of its own, for one that exists keeps the Python it was made with.
ifndef VENV
VENV := $(if $(filter python3,$(PYTHON)),.venv,.venv-$(shell $(PYTHON) -c 'import sys; print("%d.%d" % sys.version_info[:2])'))
endif
CONSTRAINTS ?= constraints.txt
EXTRAS ?= demo,tables,medical,export,int8,serve,structured-report,ray,launch,tensorboard,dev
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
PIP := $(BIN)/python -m pip --disable-pip-version-check
TORCH := $(shell grep -E '^(torch|torchvision)==' $(CONSTRAINTS))
DEMO := demo-run

.PHONY: help install demo test test-all test-oldest test-wheel test-isa check bench
.DEFAULT_GOAL := help

help:
	@sed -n 's/^# make/make/p' Makefile

install: $(STAMP)

$(STAMP): pyproject.toml $(CONSTRAINTS)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "error: $(PYTHON) is not Python 3.11 or newer; give one: make install PYTHON=python3.12" >&2; exit 2; }
	test -x $(BIN)/pip || $(PYTHON) -m venv $(VENV)
	$(if $(TORCH_INDEX),$(PIP) install --no-deps --index-url $(TORCH_INDEX) $(TORCH))
	$(PIP) install -c $(CONSTRAINTS) -e '.[$(EXTRAS)]'
	@touch $@
	@echo "installed: $(BIN)/sightx --help"

demo: install
	mkdir -p $(DEMO)
	test -e $(DEMO)/solar/labels.csv || $(BIN)/sightx demo $(DEMO)/solar
	cd $(DEMO) && $(abspath $(BIN))/sightx fit demo:solar --recipe medical-medium
	cd $(DEMO) && $(abspath $(BIN))/sightx lr-find demo:solar --recipe medical-medium
	cd $(DEMO) && $(abspath $(BIN))/sightx predict solar/images --overwrite
	@echo
	@echo "the run            $(DEMO)/runs/latest"
	@echo "its predictions    $(DEMO)/predictions.csv"
	@echo "the images         $(DEMO)/solar/ (labels.csv names their grades)"
	@echo "now your own       $(BIN)/sightx fit FOLDER"

test: install
	$(BIN)/python -m pytest -n $(JOBS) --dist loadfile -m "not slow"

test-all: install
	$(BIN)/python -m pytest -n $(JOBS) --dist loadfile
	@echo "before a release, also: make test-oldest"

test-oldest:
	$(MAKE) test VENV=.venv-oldest CONSTRAINTS=constraints-oldest.txt EXTRAS=demo,tables,medical,export,int8,serve,structured-report,ray,launch,tensorboard,test

test-wheel: install
	$(BIN)/python -m pytest tests/test_wheel.py

test-isa: install
	ONEDNN_MAX_CPU_ISA=AVX2 $(MAKE) test
	ONEDNN_MAX_CPU_ISA=AVX512_CORE $(MAKE) test
	SIGHTX_TEST_BFLOAT16=1 $(MAKE) test

check: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m pytest tests/test_imports.py tests/test_layout.py

bench: install
	$(BIN)/python benchmarks/bench.py

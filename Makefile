# make install        .venv with all that users and developers need (TORCH_INDEX=<address> for another build of torch)
# make demo           fit, learning rate and predictions on real images, in demo-run/
# make test           the tests (JOBS=4 for more processes)
# make test-all       with the slow ones too: many networks, the reference recipes whole; before a release
# make test-isa       the tests with the processor's features reduced, and bfloat16 forced on
# make check          ruff, ruff format, mypy, and that imports run downward
# make bench          the figures of benchmarks/README.md

PYTHON ?= python3
TORCH_INDEX ?=
# Tests run in as many processes, each of which imports torch: about 1 GB.
JOBS ?= 2
BIN := .venv/bin
STAMP := .venv/.installed
PIP := $(BIN)/python -m pip --disable-pip-version-check
TORCH := $(shell grep -E '^(torch|torchvision)==' constraints.txt)
DEMO := demo-run

.PHONY: help install demo test test-all test-isa check bench
.DEFAULT_GOAL := help

help:
	@sed -n 's/^# //p' Makefile

install: $(STAMP)

$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "error: $(PYTHON) is older than Python 3.11; give a newer one: make install PYTHON=python3.12" >&2; exit 2; }
	test -x $(BIN)/pip || $(PYTHON) -m venv .venv
	$(if $(TORCH_INDEX),$(PIP) install --no-deps --index-url $(TORCH_INDEX) $(TORCH))
	$(PIP) install -c constraints.txt -e '.[demo,dev]'
	@touch $@
	@echo "installed: $(BIN)/sightx --help"

demo: install
	mkdir -p $(DEMO)
	test -e $(DEMO)/solar/labels.csv || $(BIN)/sightx demo $(DEMO)/solar
	cd $(DEMO) && ../$(BIN)/sightx fit demo:solar --recipe medical-medium
	cd $(DEMO) && ../$(BIN)/sightx lr-find demo:solar --recipe medical-medium
	cd $(DEMO) && ../$(BIN)/sightx predict solar/images --overwrite
	@echo
	@echo "the run            $(DEMO)/runs/latest"
	@echo "its predictions    $(DEMO)/predictions.csv"
	@echo "the images         $(DEMO)/solar/ (labels.csv names their grades)"
	@echo "now your own       $(BIN)/sightx fit FOLDER"

test: install
	$(BIN)/python -m pytest -n $(JOBS) --dist loadfile -m "not slow"

test-all: install
	$(BIN)/python -m pytest -n $(JOBS) --dist loadfile

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

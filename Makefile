# Everything happens in .venv; scripts/bootstrap.sh makes it and installs what the machine lacks.
ifeq ($(OS),Windows_NT)  # in Git Bash
PYTHON ?= python
BIN := .venv/Scripts
else
PYTHON ?= python3
BIN := .venv/bin
endif
export PYTHON

.PHONY: help demo test lint format docs docs-assets dist benchmarks screenshots clean

help:
	@echo "make demo        fill in hidden sections of a real MRI and of simulated tissue, into demo-output/"
	@echo "make test        lint and all tests"
	@echo "make lint        ruff, mypy, import-linter, manifest check"
	@echo "make docs        the documentation into site/, and a check of every page in headless Chromium"
	@echo "make docs-assets all pictures of README and docs, from the real window and the real command line"
	@echo "make dist        wheel and sdist into dist/, checked by twine"
	@echo "make benchmarks  start-up times, speed beside scipy, quality on simulated tissue, delay of the window"
	@echo "make screenshots only the pictures of the window"
	@echo "make clean       remove .venv and what the tools left"

demo:
	@scripts/bootstrap.sh demo
	$(BIN)/depth-interp demo

# With compiled modules kept: otherwise each of the processes that tests start compiles them anew.
test: lint
	env -u PYTHONDONTWRITEBYTECODE $(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

lint:
	@scripts/bootstrap.sh test
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	$(BIN)/npe2 validate napari-depth-interp

format:
	@scripts/bootstrap.sh test
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

benchmarks:
	@scripts/bootstrap.sh test
	$(BIN)/python benchmarks/startup.py
	$(BIN)/python benchmarks/classical.py
	$(BIN)/python benchmarks/quality.py
	scripts/with-display.sh $(BIN)/python benchmarks/gui_latency.py

docs:
	@scripts/bootstrap.sh docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict
	$(BIN)/python scripts/check_docs.py site

docs-assets: screenshots
	@scripts/bootstrap.sh docs
	scripts/with-display.sh $(BIN)/python scripts/docs_assets.py

dist:
	@scripts/bootstrap.sh test
	rm -rf dist
	$(BIN)/python -m build --no-isolation
	$(BIN)/python -m twine check --strict dist/*

screenshots:
	@scripts/bootstrap.sh test
	scripts/with-display.sh $(BIN)/python scripts/screenshots.py

clean:
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis demo-output site dist

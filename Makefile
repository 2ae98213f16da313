# make bench: the study `digits` from nothing; make test: all tests; make lint: style and types; make speed: the
# speed of the suite beside plain PyTorch and stock Avalanche; make docs: the site; make package: wheel and sdist
PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin

.PHONY: install bench test test-slow fuzz lint format docs reference package studies speed gpu torture clean

install: $(VENV)/.installed

$(VENV)/.installed: pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --editable .
	touch $@

$(VENV)/.installed-tests: pyproject.toml $(VENV)/.installed
	$(BIN)/python -m pip install --quiet --editable ".[tests]"
	touch $@

bench: $(VENV)/.installed
	$(BIN)/cl-bench run experiment=digits >/dev/null   # the report shows the table
	$(BIN)/cl-bench report results/digits

test: $(VENV)/.installed-tests
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist worksteal   # a process imports 1 GB

test-slow: $(VENV)/.installed-tests
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m slow

# every reader against mutated files, 5,000 of each test; other ones each time
fuzz: $(VENV)/.installed-tests
	CL_BENCH_FUZZ=5000 OMP_NUM_THREADS=1 $(BIN)/python -m pytest tests/test_fuzz.py tests/data/test_fuzz.py

lint: $(VENV)/.installed-tests
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(VENV)/.installed-tests
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# build/site, with the report of results/reference and its figures; warnings are errors. `make test` builds it
# without figures
docs: $(VENV)/.installed-tests
	rm -rf build/reference && mkdir -p build && cp -R results/reference build/reference
	$(BIN)/cl-bench report build/reference > build/reference.txt
	CL_BENCH_REFERENCE=build/reference NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet

# results/reference/README.md, docs/comparison.md and the pages like it, from the results; figures become small
reference: $(VENV)/.installed-tests
	$(BIN)/python -m docs.hooks.reference
	$(BIN)/python -m docs.hooks.comparison

# dist/: sdist and wheel, and a study run from an environment that has the wheel alone
package: $(VENV)/.installed-tests
	$(BIN)/python -m build --no-isolation --outdir dist .
	$(BIN)/python -m pytest -m slow tests/test_packaging.py

# the tables and figures of results/reference, about 3 hours on 2 cores
studies: $(VENV)/.installed
	for study in digits every_method comparison; do \
		$(BIN)/cl-bench run experiment=$$study results_dir=results/reference && \
		$(BIN)/cl-bench report results/reference/$$study || exit 1; \
	done

# results/reference/speed.{csv,json,png,svg} and the tables of docs/speed.md, about 40 minutes
speed: $(VENV)/.installed
	OMP_NUM_THREADS=1 $(BIN)/python -m speed --output results/reference --document docs/speed.md

# results/gpu: eight minutes of a GPU, what matters most first; the same again goes on; see docs/gpu.md
gpu: $(VENV)/.installed
	$(BIN)/python -m gpu --minutes 8 --output results/gpu $(GPU)

# results/torture.md: a kill at every call that changes the disk, and every strategy killed 200 times in all; about
# 45 minutes
torture: $(VENV)/.installed-tests
	OMP_NUM_THREADS=1 $(BIN)/python tests/runner/torture.py > results/torture.md

clean:
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache

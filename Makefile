# Two commands for a newcomer: `make demo` and `make test`. Each sets up what it needs.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PAGE := demo/report/index.html

.PHONY: demo test check lint types docs bench lock clean

demo: $(VENV)/.installed
	$(BIN)/matscale demo --out demo
	@echo "Open $(PAGE) in a browser."

test: $(VENV)/.test
	$(BIN)/pytest -n auto --dist loadfile

check: lint types docs

lint: $(VENV)/.check
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.check
	$(BIN)/mypy

docs: $(VENV)/.check
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

bench: $(VENV)/.installed
	$(BIN)/python bench/reading.py

$(VENV)/.installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --upgrade pip
	$(BIN)/pip install --quiet --constraint constraints.txt --editable .
	@touch $@

$(VENV)/.test: $(VENV)/.installed
	$(BIN)/pip install --quiet --constraint constraints.txt --group test
	@touch $@

$(VENV)/.check: $(VENV)/.test
	$(BIN)/pip install --quiet --constraint constraints.txt --group check
	@touch $@

# Versions that are known to work together; run in a fresh environment after changing pyproject.
lock: $(VENV)/.check
	$(BIN)/pip freeze --exclude-editable | sed 's/+cpu$$//' | grep -v '^matscale' > constraints.txt

clean:
	rm -rf $(VENV) demo site .pytest_cache .mypy_cache .ruff_cache

# Two commands for a newcomer: `make demo` and `make test`. Each sets up what it needs.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PAGE := demo/report/index.html

.PHONY: demo test check lint types docs bench readme lock clean

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

# The README's picture and table, from real data: SUBMISSIONS is the folder of atomgpt.csv.zip and
# cdvae.csv.zip; the datasets are fetched or in MATSCALE_DATA. Takes a quarter of an hour.
SUBMISSIONS ?= $(MATSCALE_DATA)/supercon3d
SCORED := readme-results
readme: $(VENV)/.installed
	$(BIN)/matscale score reconstruction $(SUBMISSIONS)/atomgpt.csv.zip $(SUBMISSIONS)/cdvae.csv.zip \
		--train supercon3d --told atomgpt=composition,tc --told cdvae=composition,positions,cell \
		--out $(SCORED)/reconstruction
	$(BIN)/matscale score novelty $(SUBMISSIONS)/atomgpt.csv.zip --train supercon3d \
		--held-out supercon3d --out $(SCORED)/novelty
	$(BIN)/matscale score crystal-to-particle --data perov-h3 --split material \
		--out $(SCORED)/crystal-to-particle
	$(BIN)/matscale score particle-to-crystal --data diverse --split material \
		--out $(SCORED)/particle-to-crystal
	$(BIN)/python bench/readme.py $(SCORED)

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
	rm -rf $(VENV) demo site readme-results .pytest_cache .mypy_cache .ruff_cache

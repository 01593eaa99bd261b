# `make` lists what can be done. On a fresh machine nothing but make and Python 3.11 or newer is needed.

DEVELOPMENT ?= 1
PORT ?= 8000
VAR_DIR ?= var
export DEVELOPMENT PORT VAR_DIR

PYTHON_FOUND = $(shell for python in $(PYTHON) python3 python3.14 python3.13 python3.12 python3.11; do \
	"$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo "$$python" && break; done)
BIN = .venv/bin
INSTALL = $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-input --require-hashes
# With the compiled catalogues the pages speak every language; they are made from the folders locale/, and never committed.
CATALOGUES = $(patsubst %.po,%.mo,$(wildcard locale/*/LC_MESSAGES/*.po */locale/*/LC_MESSAGES/*.po))
TESTS ?= tests
DRILLS ?=
JOBS ?= 2
LOCK = $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
	--no-emit-index-url --no-emit-find-links
SOURCES = bench campaign config donations limits organisers outbox privacy protests tests tools manage.py
TEMPLATES = $(shell find templates -name '*.html' 2>/dev/null)

.DEFAULT_GOAL := help
.PHONY: help run test bench drill lint fmt screenshots lock messages clean
.SILENT:
.DELETE_ON_ERROR:

help: ## List these targets
	sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1|\2/p' $(MAKEFILE_LIST) | awk -F'|' '{ printf "%-20s %s\n", $$1, $$2 }'
	echo
	echo "  make run PORT=8001          another port"
	echo "  make run VAR_DIR=/srv/data  another folder for the data"

run: .venv/base $(CATALOGUES) ## Run the whole program; on the first start it sets itself up
	$(BIN)/python manage.py up --with-parent

test: .venv/dev $(CATALOGUES) ## Run every test, on PostgreSQL with Redis's protocol and on SQLite
	status=0; for on in postgres sqlite; do env -u PYTHONDONTWRITEBYTECODE $(BIN)/pytest --on=$$on -n $(JOBS) --dist worksteal $(TESTS) || status=1; done; exit $$status

bench: .venv/bench ## Measure pages, letters and the import of statements, beside other ways (some 15 minutes)
	$(BIN)/python -m bench

drill: .venv/dev ## Kill, cut off and flood the program while it sends and people sign, and count what is lost
	$(BIN)/python -m bench.drill $(DRILLS)

lint: .venv/dev ## Check style, types, imports, templates, migrations, deployment settings and containers
	.ci/lint

fmt: .venv/dev ## Format the code and the templates
	$(BIN)/ruff check --quiet --fix-only $(SOURCES)
	$(BIN)/ruff format --quiet $(SOURCES)
	$(BIN)/djade --target-version 5.2 $(TEMPLATES) || true
	$(BIN)/djhtml --tabwidth 2 $(TEMPLATES)

screenshots: .venv/dev $(CATALOGUES) ## Take pictures of every page, light and dark, phone and desktop
	$(BIN)/python -m tests.screenshots

lock: .venv/dev ## Pin the dependencies of pyproject.toml anew, with hashes
	$(LOCK) pyproject.toml --output-file requirements/base.txt
	$(LOCK) pyproject.toml --group dev --constraint requirements/base.txt --output-file requirements/dev.txt
	$(LOCK) pyproject.toml --group bench --constraint requirements/dev.txt --output-file requirements/bench.txt

messages: .venv/base ## Collect the texts to translate (needs GNU gettext)
	command -v xgettext >/dev/null || { echo "make messages needs GNU gettext (Debian: apt install gettext)." >&2; exit 1; }
	$(BIN)/python manage.py makemessages --all --no-obsolete --no-location --ignore .venv --ignore var

clean: ## Remove what can be made again; the data in var/ stays
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis $(CATALOGUES)
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

.venv/bin/python:
	[ ! -e .venv ] || [ -w .venv ] || { echo ".venv is another user's, and this user cannot run it: run make as" \
		"that user, or in a copy of the project without .venv." >&2; exit 1; }
	$(if $(PYTHON_FOUND),,echo "Python 3.11 or newer is needed, and none was found. Name one: make PYTHON=/path/to/python3" >&2; exit 1)
	echo "Making .venv with $$($(PYTHON_FOUND) --version)"
	rm -rf .venv
	$(PYTHON_FOUND) -m venv .venv || { rm -rf .venv; \
		echo "Python could not make a virtual environment (on Debian: apt install python3-venv)." >&2; exit 1; }

.venv/base: requirements/base.txt | .venv/bin/python
	echo "Installing what the program needs (once, a minute at most)"
	$(INSTALL) -r requirements/base.txt
	touch $@

.venv/dev: requirements/dev.txt | .venv/bin/python
	echo "Installing what the tests and the linters need (once, a few minutes at most)"
	$(INSTALL) -r requirements/dev.txt
	touch $@ .venv/base

.venv/bench: requirements/bench.txt .venv/dev
	echo "Installing what the bench compares with (once)"
	$(INSTALL) -r requirements/bench.txt
	touch $@

%.mo: %.po | .venv/base
	$(BIN)/pybabel --quiet compile --input-file $< --output-file $@

# make demo              read the example study (synthetic); INPUT=<file or folder> for your own
# make test              run all tests
# make check             style, types, layers
PYTHON ?= $(shell command -v python3.13 || command -v python3.12 || command -v python3.11 || command -v python3)
ENV ?= .venv
DEV_ENV ?= .venv-dev

.PHONY: demo test check docs environment dev-environment clean

demo: environment
ifdef INPUT
	@$(ENV)/bin/fracturax read "$(INPUT)" --out results
else
	@$(ENV)/bin/fracturax demo
endif

test: dev-environment
	@$(DEV_ENV)/bin/python -m pytest -n 2 --dist loadscope

check: dev-environment
	$(DEV_ENV)/bin/ruff format --check .
	$(DEV_ENV)/bin/ruff check .
	$(DEV_ENV)/bin/mypy
	$(DEV_ENV)/bin/lint-imports
	$(DEV_ENV)/bin/python tools/reference.py --check
	$(DEV_ENV)/bin/python tools/numbers.py --check

docs: dev-environment
	$(DEV_ENV)/bin/python tools/reference.py
	$(DEV_ENV)/bin/python tools/numbers.py

environment:
	@echo "Setting up $(ENV): a minute the first time"
	@$(PYTHON) tools/environment.py $(ENV)

dev-environment:
	@$(PYTHON) tools/environment.py $(DEV_ENV) dev

clean:
	rm -rf $(ENV) $(DEV_ENV) results fracturax-demo

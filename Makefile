# make demo              read the example study (synthetic); INPUT=<file or folder> for your own
# make test              run all tests
# make check             style, types, layers
# The first of these that runs and is new enough; the versions are pinned for 3.11.
PYTHON ?= $(shell for python in python3.11 python3.12 python3.13 python3; do \
	$$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$python && break; done)
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
	$(DEV_ENV)/bin/python tools/readme_numbers.py --check

docs: dev-environment
	$(DEV_ENV)/bin/python tools/reference.py
	$(DEV_ENV)/bin/python tools/readme_numbers.py

environment:
	@echo "Setting up $(ENV): a minute the first time"
	@$(PYTHON) tools/environment.py $(ENV)

dev-environment:
	@$(PYTHON) tools/environment.py $(DEV_ENV) dev

clean:
	rm -rf $(ENV) $(DEV_ENV) results fracturax-demo

# make run    the portal with everything it needs, on this machine      make test   the whole suite
#             (EMPTY=1: without the data of the demo)
# make lint   formatter, linter, types, templates                       make bench  the benchmarks
# make pictures  those of docs/, from the demo                          (BASE=<commit>: that commit, measured in turn)
# make audit  known vulnerabilities of what the lock files name (needs the network)
# make chaos  a run full of faults (SEED=7 REQUESTS=400 UNIQUE_NAMES=0)
.DEFAULT_GOAL := run
.PHONY: run test lint bench chaos audit pictures lock clean

PYTHON ?= python3
PY := .venv/bin/python
LOCKED := install --quiet --disable-pip-version-check --require-hashes --only-binary :all:
PIP_INSTALL := $(PY) -m pip $(LOCKED)
NEEDS := the portal needs Python 3.11 or newer
NO_WHEEL := A package could not be installed (see above). Without network: connect and try again. "No matching distribution": \
this Python or machine has no ready-made build; use CPython 3.11 to 3.13 on Linux or macOS, for instance: make $(MAKECMDGOALS) PYTHON=python3.12

run: .venv/.demo-ready
	@$(PY) manage.py demo --end-with-parent

test: .venv/.dev-ready .venv-clients/.ready .venv/.sign-on-ready
	@$(PY) -m tests $(ARGS)

lint: .venv/.dev-ready
	@$(PY) -m ruff format --check .
	@$(PY) -m ruff check .
	@SECRET_KEY=not-used $(PY) -m mypy .
	@.venv/bin/lint-imports --no-logo
	@$(PY) -m djlint --quiet --check --lint templates connections/demo/templates
	@$(PY) -m tests.pictures --check

bench: .venv/.dev-ready
	@$(PY) -m tests.bench $(ARGS)

pictures: .venv/.dev-ready
	@$(PY) -m tests.pictures

# make exports what is given on its command line, so SEED=7 arrives in the environment
chaos: .venv/.dev-ready
	@$(PY) -m tests.chaos

# Outside of .ci/run: what is known changes without a commit. Fails unless every package was audited and none is bad.
audit:
	@{ $(PYTHON) -m venv .venv-audit && .venv-audit/bin/python -m pip install --quiet --disable-pip-version-check \
	  'pip-audit>=2.10,<3'; } || echo "pip-audit could not be installed (see above)"
	@$(PYTHON) -m tests.audit .venv-audit/bin/pip-audit

# The virtual environment. Debian ships Python without the part that makes one (python3-venv): then virtualenv makes it.
.venv/bin/python:
	@command -v $(PYTHON) >/dev/null || { echo "$(PYTHON) was not found: $(NEEDS)."; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "$(PYTHON) is `$(PYTHON) -V 2>&1`: $(NEEDS). If you have one: make $(MAKECMDGOALS) PYTHON=python3.12"; exit 1; }
	@echo "Making the virtual environment .venv"
	@$(PYTHON) -m venv .venv >/dev/null 2>&1 && $(PY) -m pip --version >/dev/null 2>&1 || { \
	  rm -rf .venv .venv-bootstrap; \
	  $(PYTHON) -m pip install --quiet --disable-pip-version-check --target .venv-bootstrap virtualenv && \
	  PYTHONPATH=.venv-bootstrap $(PYTHON) -m virtualenv --quiet .venv && rm -rf .venv-bootstrap; } || { \
	  rm -rf .venv .venv-bootstrap; echo "No virtual environment could be made. On Debian or Ubuntu: apt-get install python3-venv"; exit 1; }

.venv/.demo-ready: requirements-demo.txt .venv/bin/python
	@echo "Installing what the portal needs"
	@$(PIP_INSTALL) -r requirements-demo.txt || { echo '$(NO_WHEEL)'; exit 1; }
	@touch $@

.venv/.dev-ready: requirements-dev.txt .venv/bin/python
	@echo "Installing what the portal and its tests need"
	@$(PIP_INSTALL) -r requirements-dev.txt || { echo '$(NO_WHEEL)'; exit 1; }
	@touch $@ .venv/.demo-ready

# Programs that speak Fivetran's API or read what we export, for the tests that run them; their pins are not ours. Where
# they cannot be installed those tests count as not run.
.venv-clients/.ready: requirements-clients.txt | .venv/.dev-ready
	@echo "Installing the clients that the tests run"
	@$(PY) -m venv --clear --without-pip .venv-clients
	@$(PY) -m pip --python .venv-clients/bin/python $(LOCKED) --no-deps -r $< && touch $@ || \
	  echo "The clients of Fivetran's API could not be installed (see above): what is tried with them is not run."

# What the tests of sign-on log in at and with: the certified provider, which runs in node, and the library of LDAP, which
# is built here. Where they cannot be installed those tests count as not run.
.venv/.sign-on-ready: requirements-ldap.txt tests/sign_on/certified/package-lock.json | .venv/.dev-ready
	@echo "Installing what the tests of sign-on need"
	@npm ci --silent --no-audit --no-fund --prefix tests/sign_on/certified && \
	  $(PY) -m pip install --quiet --disable-pip-version-check --require-hashes -r $< && touch $@ || \
	  echo "Not all of it could be installed (see above): what is tried with it is not run."

# Locks the newest versions that pyproject.toml allows, with hashes and without the names of any host.
COMPILE := .venv-lock/bin/uv pip compile -q --universal --generate-hashes --no-header --no-annotate \
  --python-version 3.11
lock:
	@$(PYTHON) -m venv .venv-lock && .venv-lock/bin/python -m pip install --quiet --disable-pip-version-check 'uv>=0.13.9,<0.14'
	@$(COMPILE) --upgrade pyproject.toml -o requirements.txt
	@$(COMPILE) --upgrade --extra saml -c requirements.txt pyproject.toml -o requirements-saml.txt
	@$(COMPILE) --upgrade --extra ldap -c requirements.txt pyproject.toml -o requirements-ldap.txt
	@$(COMPILE) --upgrade --group demo -c requirements.txt pyproject.toml -o requirements-demo.txt
	@$(COMPILE) --upgrade --group dev -c requirements-demo.txt pyproject.toml -o requirements-dev.txt
	@$(COMPILE) --upgrade --group clients -o requirements-clients.txt

clean:
	@rm -rf .venv .venv-clients .venv-lock .venv-audit .venv-bootstrap .mypy_cache .ruff_cache .pytest_cache staticfiles

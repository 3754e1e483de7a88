# au-edge: `make run` and `make test` need nothing before them but git, python3, make and apt.
#
# .ci/prepare installs what is missing: Debian packages (with sudo unless you are root), Python packages into .venv.

# The Python of the environment: python3, or that of an environment which is there already, unless one is named.
PYTHON ?=
VENV := .venv
# The modules by their names, not the commands beside them: those hold the folder's path and break when it is moved.
IN_VENV := $(VENV)/bin/python -m
ARGS ?=
PYTEST_ARGS ?=
# On how many processors the tests may count; empty: on all.
WORKERS ?=

.PHONY: run test lint format pins clean

run:
	@PYTHON="$(PYTHON)" bash .ci/prepare run
	@$(IN_VENV) edge run --view -o audio.source=auto -o life.enabled=yes -o head.enabled=yes $(ARGS)

test:
	@PYTHON="$(PYTHON)" bash .ci/prepare test
	@WORKERS="$(WORKERS)" bash .ci/test $(PYTEST_ARGS)

lint:
	@PYTHON="$(PYTHON)" bash .ci/prepare test
	@bash .ci/lint

format:
	@PYTHON="$(PYTHON)" bash .ci/prepare test
	$(IN_VENV) ruff check --fix .
	$(IN_VENV) ruff format .

# Which packages install.sh installs as root, by version and SHA-256.
pins:
	@PYTHON="$(PYTHON)" bash .ci/prepare test
	$(IN_VENV) pip install --quiet 'uv>=0.5'
	$(IN_VENV:-m=) systemd/pin.py

clean:
	rm -rf $(VENV) build dist *.egg-info

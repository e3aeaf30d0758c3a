# Every target sets up what it needs: Python 3.11 or later with venv, a C++17 compiler and access to
# a Python package index are all it takes. What is made lies under build/ (make dev: .venv/).

PYTHON ?= python3
VENV ?= build/venv
DEV_VENV ?= .venv
JOBS ?= $(shell getconf _NPROCESSORS_ONLN)
PYTEST_ARGS ?=
# make test EXTRAS=test,finetune installs torch too, and tests what needs it.
EXTRAS ?= test

BIN := $(VENV)/bin
STAMPS := $(VENV)/stamps
SANITIZED := build/sanitized
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet

SOURCES := $(shell find cpp_kernels dialects lowering python tools -type f \
             \( -name '*.py' -o -name '*.pyi' -o -name '*.toml' -o -name '*.cpp' -o -name '*.h' \
                -o -name '*.inc' -o -name CMakeLists.txt -o -name '*.html' -o -name py.typed \) 2>/dev/null)
CPP := $(shell find cpp_kernels -type f \( -name '*.cpp' -o -name '*.h' -o -name '*.inc' \))

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

.PHONY: help
help: ## say what there is
	@sed -n 's/^\([a-z][a-z-]*\):.*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 20

# --- The environment: a virtual environment that holds the wheel, as a user installs it.

$(STAMPS)/venv:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "pulsar2 needs Python 3.11 or later: make PYTHON=... names one" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	@mkdir -p $(STAMPS) && touch $@

$(STAMPS)/wheel: $(STAMPS)/venv pyproject.toml CMakeLists.txt README.md LICENSE $(SOURCES)
	@echo "building and installing the wheel ..."
	@rm -rf build/wheel
	$(PIP) wheel --no-deps --wheel-dir build/wheel .
	$(PIP) install build/wheel/*.whl
	$(PIP) install --force-reinstall --no-deps build/wheel/*.whl
	@touch $@

$(STAMPS)/test: $(STAMPS)/wheel
	$(PIP) install "$$(echo build/wheel/*.whl)[$(EXTRAS)]"
	@touch $@

$(STAMPS)/docs: $(STAMPS)/wheel
	$(PIP) install "$$(echo build/wheel/*.whl)[docs]"
	@touch $@

$(STAMPS)/lint: $(STAMPS)/wheel
	$(PIP) install "$$(echo build/wheel/*.whl)[test,lint]"
	@touch $@

$(STAMPS)/cmake: $(STAMPS)/venv
	$(PIP) install 'cmake>=3.18,<5' 'ninja>=1.11'
	@touch $@

.PHONY: install
install: $(STAMPS)/wheel ## install the wheel into build/venv

.PHONY: dev
dev: ## install for development into .venv: Python files are used where they lie
	$(PYTHON) -m venv $(DEV_VENV)
	$(DEV_VENV)/bin/python -m pip --quiet install 'scikit-build-core>=0.10,<2' 'pybind11>=2.13,<4' ninja
	$(DEV_VENV)/bin/python -m pip --quiet install --no-build-isolation -e '.[test,lint]'

# --- Tests

.PHONY: test
test: test-cpp test-python ## run every test: the C++ core under sanitizers, then everything else

.PHONY: test-cpp
test-cpp: $(STAMPS)/cmake
	@$(BIN)/cmake -S . -B $(SANITIZED) -G Ninja -DCMAKE_MAKE_PROGRAM=$(abspath $(BIN))/ninja \
	  -DCMAKE_BUILD_TYPE=RelWithDebInfo -DCMAKE_CXX_FLAGS_RELWITHDEBINFO="-O1 -g1" \
	  -DPULSAR2_PYTHON=OFF -DPULSAR2_TESTS=ON \
	  -DPULSAR2_SANITIZE=ON --log-level=WARNING
	@$(BIN)/cmake --build $(SANITIZED) --parallel $(JOBS)
	$(BIN)/ctest --test-dir $(SANITIZED) --output-on-failure --parallel $(JOBS)

.PHONY: test-python
test-python: $(STAMPS)/test
	$(BIN)/python -P -m pytest -n $(JOBS) --dist worksteal $(PYTEST_ARGS)

.PHONY: test-lowest
test-lowest: $(STAMPS)/wheel ## run the Python tests with the lowest versions that pyproject.toml accepts
	$(PYTHON) -m venv --clear build/lowest
	$(BIN)/python test/lowest.py > build/lowest.txt
	build/lowest/bin/python -m pip --quiet install -c build/lowest.txt "$$(echo build/wheel/*.whl)[test]"
	build/lowest/bin/python -P -m pytest -n $(JOBS) --dist worksteal $(PYTEST_ARGS)

# --- Checks of the sources

.PHONY: lint
lint: $(STAMPS)/lint links ## check format, style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/clang-format --dry-run -Werror $(CPP)
	$(BIN)/pyright --pythonpath $(BIN)/python

.PHONY: format
format: $(STAMPS)/lint ## format the sources
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIN)/clang-format -i $(CPP)

# The type checker does not know how pyproject.toml maps folders to packages; these links show it.
.PHONY: links
links:
	@rm -rf build/links && mkdir -p build/links/pulsar2
	@ln -s $(CURDIR)/python/pulsar2/* build/links/pulsar2/
	@ln -s $(CURDIR)/dialects $(CURDIR)/lowering $(CURDIR)/tools build/links/pulsar2/

# --- What one runs

.PHONY: example
example: $(STAMPS)/wheel ## on the emulator: classify photographs, find faces, find and read text
	$(BIN)/python examples/efficientnet_lite0/run.py
	$(BIN)/python examples/efficientnet_lite0/run_quantized.py
	$(BIN)/python examples/centerface/run.py
	$(BIN)/python examples/ppocr/run.py

.PHONY: bench
bench: $(STAMPS)/test ## measure, and compare with the targets
	$(BIN)/python -m bench

.PHONY: docs
docs: $(STAMPS)/docs ## write the generated pages of docs/, and the site of all in build/site
	$(BIN)/python -m pulsar2.tools.gen_docs docs
	$(BIN)/python -m mkdocs build --strict --quiet
	@echo "open build/site/index.html; for the search: $(BIN)/python -m mkdocs serve"

.PHONY: clean
clean: ## remove what was built
	rm -rf build dist

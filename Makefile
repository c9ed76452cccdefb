# Two commands do everything: `make demo` runs the detector on the sample images, `make test` runs
# every check. Each makes its own virtual environment and installs what it needs.

PYTHON ?= python3
DEMO := .venv
TEST := .venv-test
BENCH := .venv-bench
PIP_FLAGS := --quiet --disable-pip-version-check -c constraints.txt

# What is installed is the wheel that pip builds from the tree, as a user gets it, and never the tree itself: a module
# that the build leaves out is missed here. So it is installed anew whenever one of these changes (folders, too: a file
# that was removed).
SOURCES := pyproject.toml constraints.txt README.md LICENSE NOTICE .gitignore \
	$(shell find src configs -name __pycache__ -prune -o \( -type f -o -type d \) ! -name '*.pyc' -print)

.PHONY: help demo test lint types unit bench bench-scan bench-serve fuzz build clean

help:
	@echo "make demo   install cinemae into $(DEMO) and run it on samples/"
	@echo "make test   install it with the developers' tools into $(TEST); lint, types, all tests"
	@echo "make bench  measure speed, memory, start-up and size into performance/ (long)"
	@echo "make bench-scan, bench-serve, fuzz  measure a scan, load the service, mutate files (minutes each)"
	@echo "make build  build the wheel and the source archive into dist/"
	@echo "make clean  remove what the other targets made"

$(DEMO)/installed: $(SOURCES)
	$(PYTHON) -m venv $(DEMO)
	$(DEMO)/bin/python -m pip install $(PIP_FLAGS) .
	@touch $@

$(BENCH)/installed: $(SOURCES)
	$(PYTHON) -m venv $(BENCH)
	$(BENCH)/bin/python -m pip install $(PIP_FLAGS) '.[bench]'
	@touch $@

$(TEST)/installed: $(SOURCES)
	$(PYTHON) -m venv $(TEST)
	$(TEST)/bin/python -m pip install $(PIP_FLAGS) '.[dev]'
	@touch $@

demo: $(DEMO)/installed
	$(DEMO)/bin/cinemae detect samples

test: lint types unit

lint: $(TEST)/installed
	$(TEST)/bin/ruff check .
	$(TEST)/bin/ruff format --check .

types: $(TEST)/installed
	$(TEST)/bin/mypy

# The page is tested in a real Chromium: the one that is there, or one that the script gets (and says so before).
$(TEST)/browser: $(TEST)/installed scripts/browser.sh
	@echo "make test: the page is tested in a Chromium. If none is found, one is installed now: on Debian, as root, its"
	@echo "package (some 300 MB with what it needs), elsewhere Playwright's. To use yours instead: CINEMAE_BROWSER=PATH"
	sh scripts/browser.sh $(TEST)/bin/python > $@.new
	@mv $@.new $@

# Two workers with one torch thread each: more threads than cores make small networks slower.
unit: $(TEST)/installed $(TEST)/browser
	CINEMAE_BROWSER="$$(cat $(TEST)/browser)" OMP_NUM_THREADS=1 OMP_WAIT_POLICY=PASSIVE $(TEST)/bin/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

bench: $(BENCH)/installed
	OMP_WAIT_POLICY=PASSIVE $(BENCH)/bin/python -m benchmarks.perf --out performance

bench-scan: $(BENCH)/installed
	OMP_WAIT_POLICY=PASSIVE $(BENCH)/bin/python -m benchmarks.scan --out scan-benchmark.json

bench-serve: $(BENCH)/installed
	OMP_WAIT_POLICY=PASSIVE $(BENCH)/bin/python -m benchmarks.load_serve --clients 64 --minutes 10 --out load.json

fuzz: $(BENCH)/installed
	$(BENCH)/bin/python -m benchmarks.fuzz_decoder --count 10000 --seed 0

build: $(TEST)/installed
	$(TEST)/bin/python -m build

clean:
	rm -rf $(DEMO) $(TEST) $(BENCH) dist .pytest_cache .mypy_cache .ruff_cache .hypothesis

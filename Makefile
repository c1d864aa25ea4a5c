# Every command of the project. `make` lists them; .ci/run calls nothing else to build, check and test.

PYTHON ?= python3
VENV ?= .venv
# Arguments for pytest: make test ARGS="tests/test_demo.py -x"
ARGS ?=
# The tests wait more than they compute: three at a time on two cores halve the time. ARGS="-n 0" runs one at a time.
PYTEST := pytest -n 3

BIN := $(VENV)/bin
WHEELS := build/wheels
SOURCES := Cargo.toml Cargo.lock build.rs pyproject.toml README.md LICENSE $(shell find src python -type f -not -path '*/__pycache__/*')
# One profile for all: cargo's build scripts, which build the native libraries, run once for each profile.
PROFILE := --release

.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory
export MATURIN_NO_INSTALL_RUST = 1
export PIP_DISABLE_PIP_VERSION_CHECK = 1

.PHONY: help ## list the commands
help:
	@sed -n 's/^\.PHONY: \([^ ]*\) ## \(.*\)/  make \1|\2/p' $(MAKEFILE_LIST) | column -t -s '|' 2>/dev/null \
		|| sed -n 's/^\.PHONY: \([^ ]*\) ## \(.*\)/  make \1: \2/p' $(MAKEFILE_LIST)

.PHONY: demo ## build kjson, send real JSON through Kafka and compare what it reads back
demo: $(VENV)/installed
	@$(BIN)/kjson demo

.PHONY: test ## build kjson and run every test
test: $(VENV)/installed test-rust
	@$(PYTHON) tests/kafka/jars.py || { test "$$CI" != true; }
	$(BIN)/python -m $(PYTEST) $(ARGS)

.PHONY: test-rust ## run the Rust tests alone
test-rust: $(VENV)/created
	PYO3_PYTHON=$(abspath $(BIN)/python) cargo --config 'profile.release.lto="off"' test $(PROFILE) --locked --quiet

.PHONY: test-wheel ## run the tests on the wheel in a new environment, without slow tests and a real Kafka (PYTHON=python3.8)
test-wheel: $(WHEELS)/built
	rm -rf build/venvs/wheel
	$(PYTHON) -m venv build/venvs/wheel
	build/venvs/wheel/bin/python -m pip install --quiet -r tests/requirements.txt $(WHEELS)/*.whl
	build/venvs/wheel/bin/python -m $(PYTEST) -m "not slow and not real_kafka" --one-cluster $(ARGS)

.PHONY: bench-json ## compare the codec with orjson, msgspec, json and pythonize
bench-json: $(VENV)/installed
	$(BIN)/python benches/json_codec.py

.PHONY: lint ## check format, style and size of the Rust and the Python code
lint: $(VENV)/tools
	cargo fmt --check
	cargo clippy $(PROFILE) --locked --all-targets -- -D warnings
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/python tests/sizes.py

.PHONY: stub ## write the constructors of the type stub and docs/options.md from the table of options
stub: $(VENV)/installed
	$(BIN)/python -m tests.generate

.PHONY: stubtest ## compare the types with the package, the stub with the compiled module
stubtest: $(VENV)/installed
	$(BIN)/python -m mypy.stubtest kjson

.PHONY: format ## format the Rust and the Python code
format: $(VENV)/tools
	cargo fmt
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

.PHONY: build ## build the wheel into build/wheels
build: $(WHEELS)/built

.PHONY: bench-produce ## compare producers on a real Kafka (ARGS="--rounds 3 --only kjson,confluent")
bench-produce: $(VENV)/installed
	$(BIN)/python -m pip install --quiet -r benches/requirements.txt
	$(BIN)/python -m benches.produce $(ARGS)

.PHONY: bench-consume ## compare consumers on a real Kafka (ARGS="--rounds 3 --only kjson,confluent")
bench-consume: $(VENV)/installed
	$(BIN)/python -m pip install --quiet -r benches/requirements.txt
	$(BIN)/python -m benches.consume $(ARGS)

.PHONY: bench-async ## compare asyncio clients on a real Kafka
bench-async: $(VENV)/installed
	$(BIN)/python -m pip install --quiet -r benches/requirements.txt
	$(BIN)/python -m benches.asynchronous $(ARGS)

.PHONY: soak ## send and read one million messages, with callbacks and failures: memory does not grow
soak: $(VENV)/installed
	KJSON_SOAK=1000000 $(BIN)/python -m pytest tests/test_producer_endurance.py tests/test_consumer_endurance.py tests/test_async_endurance.py -k memory --timeout 1800 $(ARGS)

.PHONY: kafka ## start an Apache Kafka on a free port of this machine, until Ctrl-C
kafka: $(VENV)/installed
	@$(BIN)/python -m tests.kafka

.PHONY: prerequisites ## name missing prerequisites, which make cannot install
prerequisites:
	@missing=0; \
	need() { "$$@" >/dev/null 2>&1 || { echo "missing: $$what" >&2; missing=1; }; }; \
	what="a Rust toolchain, 1.83 or newer (no cargo on the PATH)"; need command -v cargo; \
	what="a C compiler (no $${CC:-cc} on the PATH)"; need command -v $${CC:-cc}; \
	what="Perl with its core modules, for OpenSSL's build"; need perl -MFindBin -MIPC::Cmd -e 1; \
	what="bash, for librdkafka's build"; need command -v bash; \
	what="Python 3.8 or newer with venv (no such $(PYTHON)), named in PYTHON="; \
	need $(PYTHON) -c 'import ensurepip, sys, venv; assert sys.version_info >= (3, 8)'; \
	exit $$missing

.PHONY: clean ## remove what was built
clean:
	rm -rf build dist target $(VENV) .venv-* .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find python tests -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/created:
	@$(MAKE) prerequisites
	$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/tools: $(VENV)/created requirements-dev.txt tests/requirements.txt
	$(BIN)/python -m pip install --quiet -r requirements-dev.txt -r tests/requirements.txt
	@touch $@

$(WHEELS)/built: $(SOURCES) | $(VENV)/tools
	@$(MAKE) prerequisites
	@mkdir -p $(WHEELS)
	rm -f $(WHEELS)/*.whl
	$(BIN)/maturin build $(PROFILE) --locked --interpreter $(BIN)/python --out $(WHEELS)
	@touch $@

$(VENV)/installed: $(VENV)/tools $(WHEELS)/built
	$(BIN)/python -m pip install --quiet --force-reinstall --no-deps $(WHEELS)/*.whl
	@touch $@

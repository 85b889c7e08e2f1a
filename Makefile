# Three commands to begin with: `make demo`, `make live` and `make test`. Everything they install lives in .venv
# and contracts/node_modules.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
PIP    := $(BIN)/python -m pip install --quiet --disable-pip-version-check
NPM    := $(shell command -v npm 2>/dev/null)

.PHONY: demo live test test-full lint format contracts lock clean

demo: $(VENV)/.installed
	$(BIN)/peercharge demo

live: $(VENV)/.installed
	$(BIN)/peercharge live

test: lint $(VENV)/.installed-dev node-packages
	$(BIN)/pytest -n 2 --dist loadgroup -m "not full"

test-full: lint $(VENV)/.installed-dev node-packages
	$(BIN)/pytest -n 2 --dist loadgroup

lint: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(VENV)/.installed-dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# Compile the contracts and write contracts/artifacts; tests compare what is committed.
contracts: $(VENV)/.installed-dev node-packages
	$(BIN)/python contracts/build.py

# Gas per trade, and where it goes; writes benchmarks/results/gas.json.
.PHONY: gas
gas: $(VENV)/.installed-dev node-packages
	$(BIN)/python benchmarks/gas.py --opcodes

# Speed beside the peers'; writes benchmarks/results/speed.json. BENCH=... passes options on, such as
# BENCH="--data FOLDER" where the shared data are not in ../shared/data.
.PHONY: bench bench-peers
bench: $(VENV)/.installed-dev bench-peers
	$(BIN)/python -m benchmarks.speed $(BENCH)

# Trades a second on each kind of network, and a soak with an audit; writes
# benchmarks/results/chain.json. BENCH as above.
.PHONY: bench-chain
bench-chain: $(VENV)/.installed-dev node-packages
	$(BIN)/python scripts/build_node.py
	$(BIN)/python -m benchmarks.throughput $(BENCH)

# The web service under load, beside a lot that trades: 200 viewers, 50 writes a second; writes
# benchmarks/results/web.json. BENCH as above.
.PHONY: bench-web
bench-web: $(VENV)/.installed-dev node-packages
	$(BIN)/python -m benchmarks.web $(BENCH)

# Uncontrolled charging against ACN-Sim and against recorded sessions; BENCH as above.
.PHONY: validation
validation: $(VENV)/.installed-dev bench-peers
	$(BIN)/python -m benchmarks.validation $(BENCH)

# The peers, each in an environment of its own: benchmarks/peers/.venv-*.
bench-peers: $(VENV)/.installed-dev
	$(BIN)/python -m benchmarks.peers.environments

# Change the contracts in one place at a time and see that a test fails; takes an hour or more.
.PHONY: mutate
mutate: $(VENV)/.installed-dev node-packages
	$(BIN)/python contracts/tools/mutate.py

# halmos and slither, in an environment of their own. Without it `make test-full` skips the proofs
# and the analysis.
.PHONY: proof-tools
proof-tools: contracts/tools/.venv/.installed
contracts/tools/.venv/.installed: contracts/tools/requirements-proofs.txt
	$(PYTHON) -m venv contracts/tools/.venv
	contracts/tools/.venv/bin/python -m pip install --quiet --disable-pip-version-check -r $<
	touch $@

# Contract tests need Node.js; without it they are skipped, each with one line.
.PHONY: node-packages
ifdef NPM
node-packages: contracts/node_modules/.installed
contracts/node_modules/.installed: contracts/package-lock.json
	cd contracts && npm ci --no-audit --no-fund --silent
	touch $@
else
node-packages:
	@echo "npm is missing: contract tests will be skipped"
endif

$(VENV)/.created:
	$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "peercharge needs Python 3.11 or newer, this is " + sys.version.split()[0])'
	$(PYTHON) -m venv $(VENV)
	touch $@

# The package as its users install it: a wheel, dependencies pinned with hashes.
$(VENV)/.installed: $(VENV)/.created requirements.lock requirements-build.lock pyproject.toml $(shell find trading contracts/artifacts -type f -not -name '*.pyc')
	$(PIP) --require-hashes -r requirements-build.lock -r requirements.lock
	$(PIP) --no-deps --no-build-isolation --force-reinstall .
	touch $@

# The checkout itself, with what tests and linters need.
$(VENV)/.installed-dev: $(VENV)/.created requirements-dev.lock pyproject.toml
	$(PIP) --require-hashes -r requirements-dev.lock
	$(PIP) --no-deps --no-build-isolation -e .
	touch $@

# Pin all dependencies anew, for every platform and Python from 3.11 on.
lock: $(VENV)/.installed-dev
	$(PIP) uv
	$(BIN)/uv pip compile $(LOCK) pyproject.toml -o requirements.lock
	$(BIN)/uv pip compile $(LOCK) --extra dev -c requirements.lock pyproject.toml -o requirements-dev.lock
	echo hatchling | $(BIN)/uv pip compile $(LOCK) -c requirements-dev.lock - -o requirements-build.lock
LOCK := --quiet --universal --python-version 3.11 --no-emit-index-url --generate-hashes --custom-compile-command 'make lock'

clean:
	rm -rf $(VENV) benchmarks/peers/.venv-* contracts/node_modules contracts/out contracts/cache

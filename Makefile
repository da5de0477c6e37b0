# Everything sets itself up: `make demo` and `make test` need only Python 3.11+, make and git;
# `make e2e` needs root, Debian and Go 1.26+ as well, or a Kubernetes of yours.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check -q
ARGS ?=

.PHONY: help demo test unit coverage simulate faults e2e lint format bench lock clean
help: ## list what can be made
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

$(VENV)/.node: requirements/node.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' || { echo "Apomixis needs Python 3.11 to 3.13; name one: make PYTHON=python3.12 …"; exit 1; }
	@echo "==> Making $(VENV) and installing what a node needs (once; about half a minute)"
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(PIP) install --require-hashes -r requirements/node.txt
	@$(PIP) install --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/.test: requirements/test.txt $(VENV)/.node
	@echo "==> Installing what the tests need (once; about a minute)"
	@$(PIP) install --require-hashes -r requirements/test.txt
	@touch $@

$(VENV)/.debian: tests/debian.txt tests/debian.sh | $(VENV)/.test
	@sh tests/debian.sh tests/debian.txt
	@touch $@

$(VENV)/.kube: tests/kube/debian.txt tests/debian.sh | $(VENV)/.debian
	@sh tests/debian.sh tests/kube/debian.txt
	@touch $@

$(VENV)/.bench: tests/bench/debian.txt tests/debian.sh requirements/bench.txt | $(VENV)/.debian
	@sh tests/debian.sh tests/bench/debian.txt
	@$(PIP) install --require-hashes -r requirements/bench.txt
	@touch $@

demo: $(VENV)/.node ## three nodes and a page to upload to; Ctrl-C ends them
	@$(BIN)/apomixis up --nodes 3 --data .demo --sample $(ARGS)

test: $(VENV)/.debian ## all tests that need no cluster (minutes)
	@$(BIN)/python -m pytest -m "not cluster" -n 3 --dist loadfile $(ARGS)

unit: $(VENV)/.test ## the tests without processes and browsers (seconds), for every save
	@$(BIN)/python -m pytest -n 2 -q tests/unit $(ARGS)

coverage: $(VENV)/.test ## what the unit tests cover, line by line
	@$(BIN)/python -m pytest -n 2 -q tests/unit --cov --cov-report=term-missing:skip-covered $(ARGS)

lint: $(VENV)/.test ## ruff, mypy --strict, import-linter, module length
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy ring node operator tests
	@$(BIN)/lint-imports --no-cache
	@$(BIN)/python tests/module_length.py

format: $(VENV)/.test ## ruff format and the fixes it is sure of
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

simulate: $(VENV)/.test ## the protocol on a simulated cluster: SEEDS=10000 histories, from FIRST=0 on
	@PYTHONPATH=tests $(BIN)/python -m simulation --seeds $(or $(SEEDS),2000) --first $(or $(FIRST),0)

faults: $(VENV)/.debian ## ten minutes of real faults on real nodes: SEEDS=10 histories of SECONDS=60, from FIRST=1 on
	@FAULTS_SEEDS=$(or $(SEEDS),10) FAULTS_FIRST=$(or $(FIRST),1) FAULTS_SECONDS=$(or $(SECONDS),60) $(BIN)/python -m pytest -n 2 -q tests/faults $(ARGS)

e2e: $(if $(KUBECONFIG),$(VENV)/.test,$(VENV)/.kube) ## everything on a real Kubernetes, made here; or on KUBECONFIG=…, LOAD_IMAGE="kind load docker-image"
	@PYTHONPATH=tests $(BIN)/python -m kube run -- $(CURDIR)/$(BIN)/python -m e2e $(ARGS)

bench: $(VENV)/.bench ## numbers next to the peers', as ratios within one run; QUICK=1 for a short one
	@PYTHONPATH=tests $(BIN)/python -m bench $(if $(QUICK),--quick,--out docs/bench) $(ARGS)

lock: ## lock the versions again, with hashes (needs uv)
	uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-header --no-annotate pyproject.toml --extra build --extra node -o requirements/node.txt
	uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-header --no-annotate pyproject.toml --extra build --extra test -c requirements/node.txt -o requirements/test.txt
	uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-header --no-annotate pyproject.toml --extra build --extra bench -c requirements/test.txt -o requirements/bench.txt
	uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-header --no-annotate pyproject.toml --extra build --extra operator -c requirements/test.txt -o requirements/operator.txt

clean: ## remove what was made, the demo's data too
	rm -rf $(VENV) .demo .coverage* .mypy_cache .ruff_cache .pytest_cache .hypothesis

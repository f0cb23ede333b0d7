PYTHON ?= python3
PYTHON313 ?= python3.13
VENV := .venv
BIN := $(VENV)/bin
DEMO := demo

.PHONY: help demo app clip sources cluster test test-slow test-app test-colab notebooks lint publish clean

help:  ## lists what can be made
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## */\t/' | expand -t 14

# Quicker where it is there.
PIP := $(if $(shell command -v uv),uv pip install --quiet --python $(BIN)/python,$(BIN)/pip install --quiet --disable-pip-version-check)
# `$(call install,extras)` installs what .ci/packages.py lists.
install = $(BIN)/python .ci/packages.py $(1) > $(VENV)/packages.txt && $(PIP) -r $(VENV)/packages.txt

# A marker newer than pyproject.toml says that the installation is whole.
$(VENV)/installed: pyproject.toml .ci/packages.py
	$(PYTHON) -m venv --clear $(VENV)
	@echo "Installing what draws and trains, a minute or two the first time ..."
	$(call install)
	$(PIP) --no-deps --editable .
	touch $@

# What only some users need.
$(VENV)/clip $(VENV)/app $(VENV)/sources $(VENV)/cluster: $(VENV)/installed
	$(call install,$(@F))
	touch $@

# The tests want all of it.
$(VENV)/extras: $(VENV)/installed
	@echo "Installing PyTorch and what else the tests want, some minutes the first time ..."
	$(call install,all)
	touch $@

# Drives a browser that is there, such as Debian's package chromium.
$(VENV)/browser: $(VENV)/extras
	$(PIP) playwright
	touch $@

SHEEP := "White sheep on a mountain under blue sky"
COWS := "Two brown cows in the snow"

demo: $(VENV)/installed  ## installs and draws, then the whole job on drawn scenes: a page, demo/index.html
	@test -f $(DEMO)/pasture-128.png || $(BIN)/cvae generate --preset pasture-128 $(SHEEP) $(COWS) --out $(DEMO)/pasture-128.png
	@echo "So draws a model that comes along. Now one of the coursework's is trained, from nothing:"
	$(BIN)/python -m preprocess.pasture --out $(DEMO)/pasture --count 3000
	$(BIN)/python offline_preprocess.py --zip $(DEMO)/pasture/train2017.zip --theme large --out $(DEMO)/shards
	$(BIN)/python clip_wrapper.py $(DEMO)/shards --clip pasture
	@if [ -f $(DEMO)/run/last.keras ]; then $(BIN)/cvae train --run $(DEMO)/run --resume; else \
	$(BIN)/cvae train --variant 64-image --data $(DEMO)/embedded --run $(DEMO)/run --width 0.125 --epochs 20 \
		--batch-size 16 --learning-rate 1e-2 --decay; fi
	$(BIN)/cvae generate --run $(DEMO)/run $(SHEEP) $(COWS)
	$(BIN)/cvae gallery --run $(DEMO)/run
	$(BIN)/python -m cvae.pasture.report --demo $(DEMO)

app: $(VENV)/app  ## installs, then opens the page to draw on
	$(BIN)/cvae app

clip: $(VENV)/clip  ## installs PyTorch too, for OpenAI's own CLIP

sources: $(VENV)/sources  ## installs what reads Parquet files, and images at addresses

cluster: $(VENV)/cluster  ## installs Ray, for --cluster

test: $(VENV)/extras  ## installs, then the tests that people run, 20 minutes on two cores
	$(BIN)/python -m pytest tests/ -m "not slow"

test-slow: $(VENV)/extras  ## the other tests
	$(BIN)/python -m pytest tests/ -m slow

test-app: $(VENV)/browser  ## the page, in Chromium, where that is installed
	$(BIN)/python -m pytest tests/cvae/app

test-colab:  ## the notebooks with the versions that Colab has; needs Python 3.13, as Colab's is
	$(PYTHON313) -m venv .venv-colab
	.venv-colab/bin/pip install --quiet --disable-pip-version-check -r requirements.txt -c notebooks/colab-constraints.txt
	.venv-colab/bin/python -m pytest tests/notebooks

notebooks: $(VENV)/extras  ## runs the notebooks and keeps what they show
	$(BIN)/python notebooks/execute.py

lint: $(VENV)/extras  ## style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

publish:  ## REPOSITORY=https://github.com/someone/something: says everywhere where the project lives
	$(PYTHON) .ci/publish.py "$(REPOSITORY)"

clean:  ## removes the installation and the demo
	rm -rf $(VENV) .venv-colab $(DEMO)

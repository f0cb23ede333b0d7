PYTHON ?= python3
PYTHON313 ?= python3.13
VENV := .venv
BIN := $(VENV)/bin
DEMO := demo

.PHONY: demo test test-colab notebooks lint clean

# A marker newer than requirements.txt says that the installation is whole.
$(VENV)/installed: requirements.txt
	$(PYTHON) -m venv $(VENV)
	@echo "Installing the packages of requirements.txt, a few minutes the first time ..."
	$(BIN)/pip install --quiet --disable-pip-version-check -r requirements.txt
	touch $@

# The whole job on drawn scenes: draw, preprocess, embed, train, generate, judge.
demo: $(VENV)/installed
	$(BIN)/python -m preprocess.pasture --out $(DEMO)/pasture --count 3000
	$(BIN)/python offline_preprocess.py --zip $(DEMO)/pasture/train2017.zip --theme large --out $(DEMO)/shards
	$(BIN)/python clip_wrapper.py $(DEMO)/shards --clip preprocess/pasture/clip.pt
	$(BIN)/python -m cvae train --variant 64-image --data $(DEMO)/embedded --run $(DEMO)/run \
		--width 0.125 --epochs 20 --batch-size 16 --learning-rate 1e-2 --decay --resume
	$(BIN)/python -m cvae generate --run $(DEMO)/run "White sheep on a mountain under blue sky" "Cows in the snow"
	$(BIN)/python -m cvae gallery --run $(DEMO)/run

test: $(VENV)/installed
	$(BIN)/python -m pytest tests/

# The notebooks with the versions that Colab has; needs Python 3.13, as Colab's is.
test-colab:
	$(PYTHON313) -m venv .venv-colab
	.venv-colab/bin/pip install --quiet --disable-pip-version-check -r requirements.txt -c notebooks/colab-constraints.txt
	.venv-colab/bin/python -m pytest tests/notebooks

# Runs the notebooks and keeps what they show.
notebooks: $(VENV)/installed
	$(BIN)/python notebooks/execute.py

lint: $(VENV)/installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

clean:
	rm -rf $(VENV) .venv-colab $(DEMO)

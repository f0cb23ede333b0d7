PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
DEMO := demo

.PHONY: demo test lint clean

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

lint: $(VENV)/installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

clean:
	rm -rf $(VENV) $(DEMO)

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

demo: $(VENV)/installed
	$(BIN)/python -m cvae demo --out $(DEMO)

test: $(VENV)/installed
	$(BIN)/python -m pytest tests/

lint: $(VENV)/installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

clean:
	rm -rf $(VENV) $(DEMO)

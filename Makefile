# The same commands without make, as on Windows: python tools/dev.py demo
PYTHON ?= python3

.PHONY: demo test lint

demo:  ## set up .venv and write output/demo.mp4
	@$(PYTHON) tools/dev.py demo

test:  ## set up .venv and run the tests
	@$(PYTHON) tools/dev.py test

lint:  ## set up .venv, then lint, check the format, the types and the borders
	@$(PYTHON) tools/dev.py lint

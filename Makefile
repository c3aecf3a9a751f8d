# make demo    set up, train the digits twice, write the report
# make test    set up, run the whole suite; of what takes long, a short form (the rest is marked `torture`)
# make check   ruff, pyright, import-linter
# make bench   speed, side by side with the peers; writes docs/benchmarks/{felt,small,mnist,images,recurrent,reports,checkpoints}.md
# make torture the long proofs: every built-in recipe over 50 or 200 steps; writes docs/benchmarks/verification.md;
#              hostile files, random recipes and CSV files: hostile.md, fuzz.md; models in and out: exchange.md;
#              what the analysis says of trainings in which nothing is wrong: healthy.md, and of
#              planted faults: analysis.md; drawn digits: drawings.md; killed and starved runs: survival.md;
#              students' code, wrong and right: check.md; first of all the tests that are marked `torture`
# make results the built-in recipes that take minutes (two hours in all); writes docs/results.md, docs/palindromes.md
# make notebooks  the notebooks of the five parts, executed; TWOFOLD_SHORT=1 make notebooks: a few steps each

PYTHON ?= python3
# Hundreds of commands are started by the tests: they are compiled once, whatever the environment says.
export PYTHONDONTWRITEBYTECODE :=

BIN := .venv/bin
READY := .venv/.ready

.PHONY: demo test check bench torture results pictures notebooks clean

demo: $(READY)
	$(BIN)/twofold run digits

test: $(READY)
	sh scripts/browser
	$(BIN)/python -m pytest -n 2 --dist worksteal

check: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright
	$(BIN)/lint-imports

bench: $(READY)
	$(BIN)/python benchmarks/felt.py
	$(BIN)/python benchmarks/small.py
	$(BIN)/python benchmarks/mnist.py
	$(BIN)/python benchmarks/images.py
	$(BIN)/python benchmarks/recurrent.py
	$(BIN)/python benchmarks/reports.py
	$(BIN)/python benchmarks/checkpoints.py

torture: $(READY)
	$(BIN)/python -m pytest -m torture
	$(BIN)/python benchmarks/verification.py
	$(BIN)/python benchmarks/hostile.py
	$(BIN)/python benchmarks/healthy.py
	$(BIN)/python benchmarks/analysis.py
	$(BIN)/python benchmarks/drawings.py
	$(BIN)/python benchmarks/fuzz.py
	$(BIN)/python benchmarks/survival.py
	$(BIN)/python benchmarks/coordinator.py
	$(BIN)/python benchmarks/executors.py
	$(BIN)/python benchmarks/search.py
	$(BIN)/python benchmarks/shards.py
	$(BIN)/python benchmarks/exchange.py
	$(BIN)/python benchmarks/check.py
	cd examples/cs324 && ../../$(BIN)/python prove_cnn.py

results: $(READY)
	$(BIN)/python benchmarks/results.py
	$(BIN)/python benchmarks/palindromes.py

notebooks: $(READY)
	$(BIN)/python notebooks/make.py

pictures: $(READY)
	$(BIN)/python docs/pictures/make.py

# pip 25.1 brought --group; the virtual environment's own pip may be older.
$(READY): pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade 'pip>=25.1'
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable . --group dev
	touch $(READY)

clean:
	rm -rf .venv runs

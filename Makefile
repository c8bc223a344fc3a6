# Every target sets up what it needs in .venv; nothing has to be installed before but Python 3.11 or newer.
#
#   make demo                                      the main job on real input, with a report
#   make test                                      the tests
#   make pretrain CONFIG=configs/training/nano_adamw.yaml STRATEGY=deepspeed_stage_2 DEVICES=8

PYTHON ?= python3
OUT ?= runs/demo
CONFIG ?= configs/training/nano.yaml
STRATEGY ?= auto
DEVICES ?= auto
NODES ?= 1
HOSTFILE ?=
NAME ?=
WORKERS ?= 2
MINUTES ?= 10
TASK ?= asr
DATA ?= manifest.jsonl
MODEL ?= runs/demo
LANGUAGE ?=
ADAPTER ?= lora
FULL ?=
KILLS ?= 200
SHARDED ?= 60
BENCHES ?= decoding speech int8 grammars long_input step loading training

VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/installed
# What the user says a variable is, or else another default than above.
given = $(if $(filter-out file,$(origin $(1))),$($(1)),$(2))
TRAINER := --trainer.strategy $(STRATEGY) --trainer.devices $(DEVICES) --trainer.num_nodes $(NODES)
LAUNCHED = $(BIN)/deepspeed --hostfile $(HOSTFILE) --no_local_rank --module unimodal fit --config $(CONFIG)

bench_decoding := -m scripts.bench_decoding
bench_grammars := -m scripts.bench_grammars
bench_int8 := scripts/bench_int8.py
bench_long_input := scripts/bench_long_input.py --cases encoder answer
bench_step := scripts/bench.py
bench_speech := -m scripts.bench_speech
bench_loading := scripts/bench_loading.py
bench_training := scripts/bench_training.py --steps 3 --rounds 3

.DEFAULT_GOAL := help
.PHONY: help demo test check format data vocoder pretrain finetune speech systems docs checkpoints results bench soak fuzz programs

help: ## this list
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## (.*)/  make \1\t\2/' | expand -t 22

demo: $(STAMP) programs ## fetch, pretrain, fine-tune, evaluate; OUT=runs/demo gets report.html and metrics.json
	$(BIN)/python scripts/demo.py --out $(OUT)

test: $(STAMP) ## all tests on WORKERS=2 processes
	OMP_NUM_THREADS=1 $(BIN)/pytest -q -n $(WORKERS)

check: $(STAMP) ## ruff, mypy, tests
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	OMP_NUM_THREADS=1 $(BIN)/pytest -q -n $(WORKERS)

format: $(STAMP) ## ruff's fixes and formatting
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

data: $(STAMP) programs ## fetch the corpora into the cache folder
	$(BIN)/python -m unimodal.tasks.corpora

vocoder: $(STAMP) programs ## teach a vocoder on the studio recordings: hours on two cores
	$(BIN)/unimodal fit --config configs/training/vocoder.yaml $(TRAINER)

pretrain: $(STAMP) programs ## train CONFIG with STRATEGY on DEVICES x NODES, or on the machines of HOSTFILE
	$(if $(HOSTFILE),$(LAUNCHED) --trainer.strategy $(STRATEGY),$(BIN)/unimodal fit --config $(CONFIG) $(TRAINER))

finetune: $(STAMP) ## an adapter from your own examples: TASK=asr DATA=manifest.jsonl MODEL= OUT= [LANGUAGE=es] [ADAPTER=lora|FULL=1]
	$(BIN)/unimodal finetune $(TASK) $(DATA) --model $(MODEL) --out $(call given,OUT,runs/$(TASK)) \
	  $(if $(FULL),--full,--adapter $(ADAPTER)) \
	  $(if $(LANGUAGE),--language $(LANGUAGE)) --minutes $(call given,MINUTES,15)

speech: $(STAMP) programs ## six spoken-language tasks in one model, and in a twin of one task each: STEPS= OUT=runs/speech
	$(BIN)/python -m scripts.train_speech --out $(call given,OUT,runs/speech) $(if $(STEPS),--steps $(STEPS))

systems: $(STAMP) ## invariants and claims of all systems, or of NAME
	$(BIN)/unimodal systems check $(or $(NAME),--all)

docs: $(STAMP) ## write the generated pages again
	$(BIN)/unimodal systems table
	$(BIN)/unimodal tasks --manifests docs/manifests.md

checkpoints: $(STAMP) ## run every checkpoint family beside transformers and write docs/checkpoints.md
	OMP_NUM_THREADS=1 $(BIN)/python -m scripts.checkpoints

results: $(STAMP) ## README's results, from a demo's metrics.json
	$(BIN)/python scripts/results.py $(OUT)

bench: $(STAMP) ## speed and memory beside the best rivals, in one run each, and docs/benchmarks.md from it
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e ".[bench]"
	$(foreach name,$(BENCHES),$(BIN)/python $(bench_$(name)) && )$(BIN)/python scripts/benchmarks.py

soak: $(STAMP) ## kill training KILLS=200 times at random, SHARDED=60 of them under ZeRO-2 in two processes
	OMP_NUM_THREADS=1 $(BIN)/python scripts/soak.py --kills $(KILLS) --sharded $(SHARDED) $(if $(PATIENCE),--patience $(PATIENCE))

fuzz: $(STAMP) ## every reader against bytes that mean harm, MINUTES=10 each
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e ".[fuzz]"
	OMP_NUM_THREADS=1 $(BIN)/python scripts/fuzz.py all --seconds $$((60 * $(MINUTES)))

# The stamp is younger than pyproject.toml exactly when the environment is what pyproject.toml asks for.
$(STAMP): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
	  || { echo "unimodal needs Python 3.11 or newer: make PYTHON=python3.11 ..." >&2; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) >/dev/null 2>&1 || { \
	  rm -rf $(VENV); \
	  if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	    apt-get update -qq && apt-get install -y -qq python3-venv && $(PYTHON) -m venv $(VENV); \
	  else echo "cannot make $(VENV): sudo apt-get install python3-venv" >&2; exit 1; fi; }
	@echo "installing into $(VENV) (several minutes at the first time)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -e ".[all,dev]"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -e ".[quality]" >/dev/null 2>&1 \
	  || echo "PESQ could not be compiled (sudo apt-get install gcc python3-dev): it is left out"
	@touch $@

# npm brings one corpus (handwritten digits), espeak-ng and flite make speech; without them the rest goes on.
programs:
	@for program in npm espeak-ng flite; do command -v $$program >/dev/null || missing="$$missing $$program"; done; \
	if [ -n "$$missing" ]; then \
	  if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	    apt-get update -qq && apt-get install -y -qq --no-install-recommends $$missing >/dev/null \
	      || echo "could not install$$missing: the corpora that need them are left out"; \
	  else echo "not on this machine:$$missing (sudo apt-get install$$missing): their corpora are left out"; fi; fi

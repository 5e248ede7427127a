# The project's commands. Each does its set-up first, which takes a second when nothing is missing.
PYTHON ?= python3
# Many images set it, and then each process compiles the program, the policies and the tests anew.
export PYTHONDONTWRITEBYTECODE =
VENV := .venv/bin
SANDBOX := $(VENV)/python -m sandbox
.DEFAULT_GOAL := help

.PHONY: help setup sandbox dashboard start stop env fault preview up destroy test burst ledger lint format bench lock

help: ## list the commands
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-10s %s\n", $$1, $$2}'

setup: ## make everything a fresh machine needs (.venv, Pulumi CLI, Spark's jars)
	@$(PYTHON) tools/setup.py

sandbox: setup ## the whole pipeline on this machine: up, a real data set through it, the account, down
	@$(SANDBOX) demonstrate

dashboard: setup ## the main job, and the deployed dashboard with its data drawn to docs/dashboard.png and .cache/
	@mkdir -p docs .cache
	@$(SANDBOX) demonstrate --dashboard .cache/dashboard
	@cp .cache/dashboard.png docs/dashboard.png

start: setup ## a sandbox that stays up until 'make stop' [PORT=4566]
	@$(SANDBOX) start $(if $(PORT),--port $(PORT))

stop: ## end the sandbox that 'make start' began
	@$(SANDBOX) stop

env: ## print what puts the CLI and the running sandbox in your shell: eval "$$(make -s env)"
	@$(SANDBOX) env

fault: ## make something go wrong in the running sandbox: DO="throttle emr:AddJobFlowSteps times=2"; alone, what there is
	@$(SANDBOX) fault $(if $(DO),'$(DO)')

.PHONY: chaos recover
chaos: setup ## kill engine, providers, function and Spark at seeded points; see it converge [SEED=1] [KILLS=20]
	@$(SANDBOX) chaos $(if $(SEED),--seed $(SEED)) $(if $(KILLS),--kills $(KILLS))

preview: setup ## preview a stack with its policies and no AWS account: STACK=dev [JSON=plan.json]
	@$(SANDBOX) preview --stack "$(STACK)" $(if $(JSON),--json "$(JSON)")

up: setup ## deploy a stack to AWS, policies first: STACK=dev
	@$(VENV)/python -m tools.deploy up --stack "$(STACK)" $(if $(YES),--yes)

destroy: setup ## take a stack down from AWS in the right order: STACK=dev
	@$(VENV)/python -m tools.deploy destroy --stack "$(STACK)" $(if $(YES),--yes)

recover: setup ## after an engine died half-way: find what it was making, put it in the state, refresh: STACK=dev
	@$(VENV)/python -m tools.recover --stack "$(STACK)"

test: setup ## every test, the fast ones first
	@$(VENV)/python -m tools.test

bench: setup ## measure: every benchmark, or ONLY="preview job"; then docs/benchmarks.md is made anew
	@$(VENV)/python -m benchmarks $(ONLY) --output .sandbox/bench.jsonl
	@$(VENV)/python -m benchmarks.document .sandbox/bench.jsonl

burst: setup ## 10,000 small objects through the real chain, processes killed on the way; prints the figures
	@BURST_OBJECTS=$(or $(OBJECTS),10000) BURST_KILLS=5 $(VENV)/python -m pytest -n 0 -q -s tests/functions/test_burst.py
	@SPARK_KILLS=5 $(VENV)/python -m pytest -n 0 -q tests/jobs/test_kills.py

ledger: setup ## what happened to a file, and again: ARGS="--stack dev status s3://bucket/key" (or redrive, backfill)
	@PATH="$$PWD/.cache/pulumi/bin:$$PATH" $(VENV)/python -m functions.ledger $(ARGS)

lint: setup ## format, lint and types
	@$(VENV)/ruff format --check .
	@$(VENV)/ruff check .
	@$(VENV)/pyright

format: setup ## format the code
	@$(VENV)/ruff format .
	@$(VENV)/ruff check --fix .

.PHONY: generate
generate: setup ## make what is made from the program: the schema of stack files, configuration and policy pages
	@$(VENV)/python -m tools.generate

.PHONY: supply-chain
supply-chain: setup ## list what the project is built from: .sandbox/sbom.cdx.json and the licences
	@$(VENV)/python -m tools.supply_chain

.PHONY: permissions bootstrap
permissions: setup ## the IAM policy that a deployer needs [ARGS=--check: what you lack of it]
	@$(VENV)/python -W ignore -m tools.permissions $(ARGS)

bootstrap: setup ## once an account: bucket and key for state, GitHub's roles: ARGS="--stack dev --repository owner/name"
	@$(VENV)/python -W ignore -m tools.bootstrap $(ARGS)

.PHONY: new-stack cost
new-stack: setup ## write a valid stack file from a few answers: NAME=team-a [ARGS="--like prod --region …"]
	@$(VENV)/python -m tools.new_stack $(if $(NAME),"$(NAME)","") $(ARGS)

cost: setup ## what a stack costs a month, and what would save: STACK=dev [ARGS="--data-gb 2000"]
	@$(VENV)/python -W ignore -m tools.cost "$(STACK)" $(ARGS)

lock: setup ## resolve requirements.in into requirements.lock
	@PATH="$$PATH:.cache/uv/bin" uv pip compile requirements.in --universal --python-version 3.11 --generate-hashes \
		--no-emit-index-url --no-emit-find-links --custom-compile-command "make lock" -q -o requirements.lock

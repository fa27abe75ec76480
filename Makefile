# 371 Mesh. `make help` lists what there is.
.DEFAULT_GOAL := help
SHELL := /bin/sh

PYTHON ?= python3
UV := .tools/bin/uv
# pyenv's shims confuse uv; it gets the interpreter itself, and never downloads one.
export UV_PYTHON := $(shell $(PYTHON) -c 'import sys; print(sys.executable)' 2>/dev/null)
export UV_PYTHON_DOWNLOADS = never
# Sources are compiled once: the mesh is many processes, and a test run some hundred.
export UV_COMPILE_BYTECODE = 1
unexport PYTHONDONTWRITEBYTECODE
KUBO := .cache/kubo/ipfs
KUBO_MODULE := github.com/ipfs/kubo/cmd/ipfs
AKASH := .cache/akash/akash
AKASH_MODULE := services/deployer/tests/markets/chain
KUSTOMIZE := .cache/kustomize/kustomize
KUSTOMIZE_MODULE := sigs.k8s.io/kustomize/kustomize/v5
JAEGER := .cache/jaeger/jaeger
JAEGER_MODULE := github.com/jaegertracing/jaeger/cmd/jaeger
SMALL := CGO_ENABLED=0 go build -trimpath -ldflags '-s -w'

.PHONY: help setup demo dev test again fuzz nightly check documents up down bench kubo akash jaeger kustomize openapi artifacts

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "%-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: preflight .venv/.ready node_modules/.ready ## Install what the mesh needs (once)

demo: setup ## Run the main job on a fresh mesh and show every step
	@$(UV) run --locked mesh demo $(ARGS)

dev: setup ## Run the same mesh and keep it running
	@$(UV) run --locked mesh dev $(ARGS)

test: setup kubo ## Prove everything but what `make check` does
	$(UV) run --locked pytest -n 4 --dist loadgroup --ignore=tests/architecture --ignore=tests/kubernetes/test_manifests.py -m "not fuzz and not again and not nightly" $(ARGS)

again: setup kubo akash ## Prove it again, slower: on PostgreSQL, on an Akash chain, by Nx itself, in a browser
	$(UV) run --locked pytest -n 4 --dist loadgroup -m "again" $(ARGS)

fuzz: setup ## Look for what nobody promises: schemathesis on all services in all phases, forge for longer
	cd contracts && FOUNDRY_PROFILE=ci ./forge test --quiet
	$(UV) run --locked pytest -n 3 -m fuzz $(ARGS)

nightly: setup ## Kill the coordinator at two hundred random points; look for counterexamples longer
	$(UV) run --locked pytest -m nightly $(ARGS)
	$(UV) run --locked pytest -n 4 --dist loadgroup -m hypothesis --hypothesis-profile=thorough $(ARGS)

check: setup kustomize ## Lint, types, layers, numbers, manifests, fresh artifacts and documents
	$(UV) lock --check
	$(UV) run --locked ruff format --check
	$(UV) run --locked ruff check
	$(UV) run --locked pyright
	$(UV) run --locked lint-imports
	$(UV) run --locked pytest -q tests/architecture tests/kubernetes/test_manifests.py
	$(UV) run --locked python contracts/script/artifacts.py --check
	$(UV) run --locked mesh openapi --check

documents: docs/lint/node_modules/.ready ## Have Redocly, Spectral and the AsyncAPI parser judge the committed documents
	cd docs/lint && npx --no-install redocly lint --config redocly.yaml --format=summary ../openapi/*.json
	cd docs/lint && node judge.js ../asyncapi.json ../openapi/*.json

bench: setup ## Measure the claims; each prints a ratio
	@set -e; for file in benchmarks/bench_*.py; do echo "== $$file"; $(UV) run --locked --group bench python $$file; done

up: ## Run the mesh with docker-compose; PROFILE=observability or akash-live for more
	@docker compose version >/dev/null 2>&1 || { echo "make up needs Docker with its compose plugin (https://docs.docker.com/compose/install); make dev needs neither." >&2; exit 1; }
	@mkdir -p -m 0700 .secrets
	$(if $(filter observability,$(PROFILE)),MESH_OTLP_ENDPOINT=http://jaeger:4318/v1/traces) COMPOSE_PROFILES=$(PROFILE) \
		docker compose up --detach --build --wait || { docker compose --profile '*' logs secrets contracts akash-live; exit 1; }
	@umask 077 && docker compose exec -T security-gateway cat /var/lib/mesh/admin.key > .secrets/admin.key
	@echo "Console: http://127.0.0.1:8376   Services: http://127.0.0.1:8371 to 8375   Admin key: .secrets/admin.key"

down: ## Stop it; data stays in its volumes
	docker compose --profile '*' down

openapi: setup ## Write docs/openapi and docs/asyncapi.json anew
	$(UV) run --locked mesh openapi

artifacts: setup ## Compile the contracts and write their artifacts anew
	$(UV) run --locked python contracts/script/artifacts.py

# Builds $(1) as the file $(3), unless $(2) says that it is there.
define where-go-is
@if $(2); then :; \
elif command -v go >/dev/null; then $(MAKE) --no-print-directory $(3); \
else echo "$(1) is not built: Go is not installed. Its tests will say that they were skipped."; fi
endef

# Builds the command $(1) at its version $(2) as the target, by $(3).
define go-tool
mkdir -p $(@D)
cd $(@D) && rm -f go.mod go.sum && go mod init tools && go get -tool $(1)@$(2) && $(3) -o $(@F) $(1)
endef

kubo: ## Build Kubo for the tests that use it, where Go is installed (minutes, once)
	$(call where-go-is,Kubo,[ -x $(KUBO) ] || command -v ipfs >/dev/null,$(KUBO))

$(KUBO):
	$(call go-tool,$(KUBO_MODULE),v0.43.0,go build)

akash: ## Build an Akash chain for the tests that use it, where Go is installed (minutes, once)
	$(call where-go-is,Akash,[ -x $(AKASH) ],$(AKASH))

$(AKASH):
	mkdir -p $(@D)
	cd $(AKASH_MODULE) && $(SMALL) -tags netgo,osusergo \
		-o $(CURDIR)/$(AKASH) github.com/akash-network/node/cmd/akash

jaeger: ## Build a Jaeger for the test that sends traces to it, where Go is installed (minutes, once)
	$(call where-go-is,Jaeger,[ -x $(JAEGER) ] || command -v jaeger >/dev/null,$(JAEGER))

$(JAEGER):
	$(call go-tool,$(JAEGER_MODULE),v1.76.0,$(SMALL))

kustomize: ## Build Kustomize for the test that renders the manifests, where Go is installed (half a minute, once)
	$(call where-go-is,Kustomize,[ -x $(KUSTOMIZE) ] || command -v kustomize >/dev/null,$(KUSTOMIZE))

$(KUSTOMIZE):
	$(call go-tool,$(KUSTOMIZE_MODULE),v5.8.2,$(SMALL))

.PHONY: preflight
preflight:
	@sh cli/preflight.sh "$(PYTHON)"

$(UV):
	@$(PYTHON) -m venv .tools && .tools/bin/pip install --quiet --disable-pip-version-check uv==0.13.9

.venv/.ready: $(UV) uv.lock pyproject.toml $(wildcard services/*/pyproject.toml) shared/pyproject.toml cli/pyproject.toml
	@$(UV) sync --locked --all-packages --quiet && touch $@

docs/lint/node_modules/.ready: docs/lint/package-lock.json
	@cd docs/lint && npm ci --no-audit --no-fund --ignore-scripts --loglevel=error && touch node_modules/.ready

node_modules/.ready: package-lock.json
	@npm ci --no-audit --no-fund --loglevel=error && touch $@

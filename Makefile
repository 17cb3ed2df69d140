# SPDX-License-Identifier: MIT
#
# Thin: every target is one command that could be typed. Meson and Ninja build; the variants are listed in tools/build.
FUZZ_SECONDS ?= 60
SEEDS ?= 1000
PREFIX ?= /usr/local

.PHONY: build run check check-all lint test fuzz coverage bench docs format sim install clean help

help: ## what can be made
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' Makefile | expand -t 12

build: ## the release program build/plait, the libraries and examples beside it
	@sh tools/setup.sh run
	@tools/build release

run: ## build, and start `plait up`
	@./run

check: ## everything that must hold
	@./check

check-all: ## the same with more seeds, all mutants of the engine and longer fuzzing
	@SEEDS=$(SEEDS) ./check
	@tools/mutate
	@tools/fuzz $(FUZZ_SECONDS)

lint: ## the rules of the house that a machine can judge
	@tools/lint

test: ## the tests, with debug checks on
	@tools/build debug
	@meson test -C build/debug --no-rebuild --print-errorlogs --no-suite peers

fuzz: ## each fuzz target for FUZZ_SECONDS
	@tools/fuzz $(FUZZ_SECONDS)

coverage: ## lines and error sites that no test reached
	@./check coverage

bench: ## speed beside peers
	@tools/build bench
	@if [ -x bench/run ]; then bench/run; else echo "bench/run is missing" >&2; exit 1; fi

docs: ## whether the links in the documents lead somewhere
	@tools/docs

format: ## long comments reflowed, clang-format over the code
	@tools/format

sim: ## the simulated world over SEEDS seeds
	@SEEDS=$(SEEDS) ./check sim

install: build ## into PREFIX, with DESTDIR honoured
	@meson configure build -Dprefix=$(PREFIX)
	@meson install -C build

clean: ## forget everything that was built
	@rm -rf build

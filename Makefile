# Verbs only; what they do is in scripts/ and CMake. `make help` lists them.
#
# On Debian 12 nothing but git and make is needed: each verb first installs the packages it misses
# (scripts/install-packages says which). `make run INSTALL=:` leaves packages alone.
# Makefile.local, not under version control, may set the variables below.
-include Makefile.local

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.NOTPARALLEL:
.DEFAULT_GOAL := help

INSTALL ?= scripts/install-packages
JOBS ?= $(shell nproc)
FUZZ_SECONDS ?= 60
ARGS ?=
PREFIX ?= /usr/local

# Objects are found again by another build folder.
export CCACHE_NOHASHDIR := true
export CCACHE_BASEDIR := $(CURDIR)

# $(call configure,FOLDER,OPTIONS): makes build/FOLDER once. One made for another place, by a moved
# clone, is made anew.
define configure
	@if ! [ -e build/$(1)/build.ninja ] || \
	    ! grep -qsxF 'CMAKE_HOME_DIRECTORY:INTERNAL=$(CURDIR)' build/$(1)/CMakeCache.txt; then \
	  echo "Configuring build/$(1)."; rm -rf build/$(1); mkdir -p build; \
	  cmake -G Ninja -S . -B build/$(1) $(2) >build/configure.log 2>&1 || \
	    { cat build/configure.log; rm -f build/$(1)/build.ninja; exit 1; }; fi
endef
build = @cmake --build build/$(1) --parallel $(JOBS) $(2)
clang = -DCMAKE_C_COMPILER=clang-14 -DCMAKE_CXX_COMPILER=clang++-14

.PHONY: help
help:  ## show this list
	@echo "make VERB, where VERB is one of"
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  \1\t\2/p' $(MAKEFILE_LIST) | expand -t 18

.PHONY: build
build:  ## build the program: build/release/backchannel
	@$(INSTALL) run
	$(call configure,release,-DCMAKE_BUILD_TYPE=Release)
	$(call build,release,--target backchannel connectors/all)

.PHONY: run
run: build  ## build and start the gateway at http://127.0.0.1:8080, with a database in ./var
	@exec build/release/backchannel serve $(ARGS)

.PHONY: test
test:  ## run all tests; they start the Postgres they need
	@$(INSTALL) run test
	$(call configure,release,-DCMAKE_BUILD_TYPE=Release)
	$(call build,release)
	@ctest --test-dir build/release --output-on-failure --parallel $(JOBS) $(ARGS)

.PHONY: check
check:  ## check format, layers, docs, and a clang build without warnings, then clang-tidy
	@$(INSTALL) run check
	@scripts/check-format
	@scripts/check-layers
	@scripts/check-words
	$(call configure,clang,-DCMAKE_BUILD_TYPE=Debug $(clang))
	$(call build,clang)
	@scripts/check-docs build/clang
	@scripts/check-tidy build/clang
	@echo "All checks passed."

.PHONY: docs
docs:  ## write the parts of docs/ that are made from the code
	@$(INSTALL) run
	$(call configure,release,-DCMAKE_BUILD_TYPE=Release)
	$(call build,release,--target settings_table)
	@scripts/gen-docs build/release

.PHONY: new-connector
new-connector:  ## begin a connector: TYPE=foo writes its source, schema, test and fixtures
	@test -n "$(TYPE)" || { echo "Say which: make new-connector TYPE=foo"; exit 2; }
	@scripts/new-connector $(TYPE) $(ARGS)

.PHONY: install
install: build  ## install under PREFIX (/usr/local): the program, and what connectors are built with
	@cmake --install build/release --prefix "$(PREFIX)"

.PHONY: format
format:  ## format all sources
	@$(INSTALL) run check
	@scripts/check-format --fix

.PHONY: demo
demo: build  ## play a morning's conversations on all simulated platforms, and show the inbox
	@scripts/demo $(ARGS)

.PHONY: bench
bench: build  ## measure durable webhooks beside a bare libpq program, and live traffic beside Node
	@scripts/bench $(ARGS)

.PHONY: fuzz
fuzz:  ## fuzz every parser for FUZZ_SECONDS (60) each
	@$(INSTALL) run check
	$(call configure,fuzz,-DCMAKE_BUILD_TYPE=RelWithDebInfo $(clang) -DBACKCHANNEL_FUZZ=ON \
	  -DBACKCHANNEL_SANITIZE=fuzzer-no-link$(comma)address$(comma)undefined)
	$(call build,fuzz)
	@scripts/fuzz build/fuzz $(FUZZ_SECONDS) $(ARGS)

.PHONY: sanitize
sanitize: asan tsan  ## run the tests under AddressSanitizer, UBSan and ThreadSanitizer

comma := ,
.PHONY: asan
asan:
	@$(INSTALL) run test
	$(call configure,asan,-DCMAKE_BUILD_TYPE=Debug -DBACKCHANNEL_SANITIZE=address$(comma)undefined)
	$(call build,asan)
	@ctest --test-dir build/asan --output-on-failure --parallel $(JOBS) $(ARGS)

# Without address randomization: GCC 12's ThreadSanitizer does not start where the kernel uses more
# than 28 random bits (https://github.com/google/sanitizers/issues/1716, read 2026-11-21).
.PHONY: tsan
tsan:
	@$(INSTALL) run test
	$(call configure,tsan,-DCMAKE_BUILD_TYPE=Debug -DBACKCHANNEL_SANITIZE=thread)
	$(call build,tsan)
	@TSAN_OPTIONS="halt_on_error=1 second_deadlock_stack=1 suppressions=$(CURDIR)/tests/tsan.supp" \
	  setarch "$$(uname -m)" -R ctest --test-dir build/tsan --output-on-failure --parallel $(JOBS) $(ARGS)

.PHONY: clean
clean:  ## remove build/; the database in ./var stays
	@rm -rf build

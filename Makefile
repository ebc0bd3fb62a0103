# SPDX-License-Identifier: MIT
# One makefile for the whole tree; sources are found by their place. `make
# help` lists the targets. V=1 shows commands, CC= and CFLAGS= are honoured,
# BUILD= moves the output, SANITIZE=address,undefined instruments everything.

BUILD ?= build
PREFIX ?= /usr/local
VERSION := $(shell sed -n 's/.*ATL_VERSION "\(.*\)"/\1/p' engine/atools.h)
SOVERSION := $(firstword $(subst ., ,$(VERSION)))
LUA := lua5.4

# Libraries the engine stands on, by pkg-config name. (deps.sh installs them.)
PKGS :=

.DELETE_ON_ERROR:
.SUFFIXES:
.SECONDARY:
all: build

# What this machine has; made first, after the missing packages are installed.
ifneq ($(filter-out clean help lua-env,$(or $(MAKECMDGOALS),all)),)
include $(BUILD)/config.mk
endif
$(BUILD)/config.mk: Makefile scripts/tools/deps.sh
	@mkdir -p $(@D)
	@CC="$(CC)" scripts/tools/deps.sh build
	@{ echo "LUA_CFLAGS := $$(pkg-config --cflags lua5.4)"; \
	  echo "LUA_LIBS := $$(pkg-config --libs lua5.4) -lm"; \
	  echo "LUA_ARCHIVE := $$(ls "$$(pkg-config --variable=libdir lua5.4)"/liblua5.4.a 2>&-)"; \
	  echo "PKG_CFLAGS := $$($(if $(PKGS),pkg-config --cflags $(PKGS)))"; \
	  echo "PKG_LIBS := $$($(if $(PKGS),pkg-config --libs $(PKGS)))"; } >$@

# --- flags ---------------------------------------------------------------------
try = $(shell $(CC) -Werror $(1) -c -x c /dev/null -o /dev/null 2>/dev/null && echo $(1))
WARN := -Wall -Wextra -Wpedantic -Wshadow -Wstrict-prototypes -Wmissing-prototypes \
  -Wwrite-strings -Wvla -Wformat=2 $(if $(WERROR),-Werror)
HARDEN := -fstack-protector-strong -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3 \
  $(call try,-fstack-clash-protection) $(call try,-fcf-protection=full)
CFLAGS ?= -O2 -g
ifdef SANITIZE
HARDEN := -fsanitize=$(SANITIZE) -fno-sanitize-recover=all -fno-omit-frame-pointer
CFLAGS := -O1 -g
LINK_SANITIZE := -fsanitize=$(SANITIZE)
endif
CPPFLAGS += -D_GNU_SOURCE -I engine -I bindings -I tests/support
FLAGS = -std=c11 $(WARN) $(CFLAGS) $(HARDEN) -fPIC -fvisibility=hidden -pthread \
  $(CPPFLAGS) $(LUA_CFLAGS) $(PKG_CFLAGS)
LINK = $(CC) $(CFLAGS) $(LINK_SANITIZE) -pthread -Wl,-z,relro,-z,now,-z,noexecstack $(LDFLAGS)
MODULE = $(LINK) -shared -Wl,-z,nodelete
quiet := $(if $(V)$(findstring s,$(firstword -$(MAKEFLAGS))),,1)
say = $(if $(quiet),@printf '  %-6s %s\n' $(1) $(@:$(BUILD)/%=%);)

# --- sources -------------------------------------------------------------------
obj = $(patsubst %.c,$(BUILD)/obj/%.o,$(1))
ENGINE := $(wildcard engine/*/*.c)
RUNNER := $(wildcard bindings/runner*.c)
BINDINGS := $(filter-out $(RUNNER),$(wildcard bindings/*.c))
HALVES := $(sort $(shell find scripts/lib -name '*.lua' 2>/dev/null))
STUBS := $(wildcard scripts/stubs/*.lua)
TESTS := $(wildcard tests/engine/*/*_test.c tests/bindings/*_test.c tests/regress/*_test.c)
FUZZERS := $(wildcard tests/fuzz/*_fuzz.c)
SUPPORT := $(filter-out %/replay.c,$(wildcard tests/support/*.c))
EMBEDDED := $(BUILD)/gen/embedded.o

TEST_BINS := $(TESTS:%.c=$(BUILD)/%)
REPLAYS := $(FUZZERS:%.c=$(BUILD)/%)
PRODUCTS := $(BUILD)/libatools.a $(BUILD)/libatools.so
ifneq ($(BINDINGS),)
PRODUCTS += $(BUILD)/libatools_lua.a $(BUILD)/lua/atools/native.so \
  $(STUBS:scripts/stubs/%=$(BUILD)/lua/%) $(if $(RUNNER),$(BUILD)/atools-lua)
endif

build: $(PRODUCTS) ## the libraries, the Lua modules and build/atools-lua (default)

# --- objects -------------------------------------------------------------------
# Rebuilt when the flags change: the record is touched only then.
$(BUILD)/flags: FORCE
	@mkdir -p $(@D)
	@echo '$(CC) $(FLAGS) | $(LINK)' | cmp -s - $@ || echo '$(CC) $(FLAGS) | $(LINK)' >$@
$(BUILD)/obj/%.o: %.c $(BUILD)/flags
	@mkdir -p $(@D)
	$(call say,CC)$(CC) $(FLAGS) -MMD -MP -c -o $@ $<
$(BUILD)/gen/embedded.c: scripts/tools/embed.lua $(HALVES) $(if $(HALVES),$(sort $(dir $(HALVES))))
	@mkdir -p $(@D)
	$(call say,EMBED)$(LUA) scripts/tools/embed.lua $@ scripts/lib $(HALVES)
$(EMBEDDED): $(BUILD)/gen/embedded.c $(BUILD)/flags
	$(call say,CC)$(CC) $(FLAGS) -MMD -MP -c -o $@ $<

# --- products ------------------------------------------------------------------
archive = $(call say,AR)rm -f $@ && $(AR) rcs $@ $(filter %.o,$^)
$(BUILD)/libatools.a: $(call obj,$(ENGINE))
	$(archive)
$(BUILD)/libatools_lua.a: $(call obj,$(BINDINGS)) $(EMBEDDED)
	$(archive)
$(BUILD)/libsupport.a: $(call obj,$(SUPPORT))
	$(archive)
$(BUILD)/libatools.so: $(call obj,$(ENGINE))
	$(call say,LINK)$(MODULE) -Wl,-soname,libatools.so.$(SOVERSION) -o $@.$(VERSION) $^ $(PKG_LIBS)
	@ln -sf libatools.so.$(VERSION) $@.$(SOVERSION)
	@ln -sf libatools.so.$(SOVERSION) $@
# Only luaopen_* leaves the module: the host may hold another copy of the engine.
$(BUILD)/lua/atools/native.so: $(call obj,$(BINDINGS)) $(EMBEDDED) $(BUILD)/libatools.a
	@mkdir -p $(@D)
	@echo '{ global: luaopen_*; local: *; };' >$(BUILD)/gen/native.map
	$(call say,LINK)$(MODULE) -Wl,--version-script=$(BUILD)/gen/native.map -o $@ $^ $(PKG_LIBS)
$(BUILD)/lua/%.lua: scripts/stubs/%.lua
	@mkdir -p $(@D)
	$(call say,COPY)cp $< $@
# The whole of Lua goes in and is exported: modules such as cjson need it.
WITH_LUA = $(if $(LUA_ARCHIVE),-Wl$(,)--whole-archive $(LUA_ARCHIVE) -Wl$(,)--no-whole-archive -lm -ldl,$(LUA_LIBS))
, := ,
$(BUILD)/atools-lua: $(call obj,$(RUNNER) $(BINDINGS)) $(EMBEDDED) $(BUILD)/libatools.a
	$(call say,LINK)$(LINK) -pie -Wl,-E -o $@ $^ $(WITH_LUA) $(PKG_LIBS)

# The runner on the poor system of tests/support/faults.h.
$(BUILD)/tests/atools-lua-faulty: $(call obj,$(RUNNER) $(BINDINGS)) $(EMBEDDED) $(BUILD)/libsupport.a $(BUILD)/libatools.a
	@mkdir -p $(@D)
	$(call say,LINK)$(LINK) -pie -Wl,-E -Wl,--wrap=atl_loop_new -o $@ $^ $(WITH_LUA) $(PKG_LIBS)
$(BUILD)/tests/fuzz/%_fuzz: $(BUILD)/obj/tests/fuzz/%_fuzz.o $(BUILD)/obj/tests/support/replay.o $(BUILD)/libatools.a
	@mkdir -p $(@D)
	$(call say,LINK)$(LINK) -pie -o $@ $^ $(PKG_LIBS)
$(BUILD)/tests/%_test: $(BUILD)/obj/tests/%_test.o $(BUILD)/libsupport.a $(filter %.a,$(PRODUCTS))
	@mkdir -p $(@D)
	$(call say,LINK)$(LINK) -pie -Wl,-E -o $@ $< -Wl,--start-group $(filter %.a,$^) -Wl,--end-group $(WITH_LUA) $(PKG_LIBS)

# --- tasks ---------------------------------------------------------------------
$(BUILD)/deps-%: scripts/tools/deps.sh
	@scripts/tools/deps.sh $* && mkdir -p $(@D) && touch $@

run: build ## builds and runs the demo, scripts/examples/chat.lua
	$(BUILD)/atools-lua scripts/examples/chat.lua
programs: build $(TEST_BINS) $(REPLAYS) $(if $(RUNNER),$(BUILD)/tests/atools-lua-faulty)
test: $(BUILD)/deps-test programs ## all tests, on every backend; ONLY=part of a name picks some
	@SANITIZE=$(SANITIZE) tests/support/run.sh $(BUILD) $(ONLY)
asan: ## all tests under the address and undefined behaviour sanitizers
	@$(MAKE) --no-print-directory BUILD=$(BUILD)/asan SANITIZE=address,undefined test
valgrind: $(BUILD)/deps-valgrind $(TEST_BINS) ## the C tests under valgrind: no error, no leak
	@VALGRIND=1 tests/support/run.sh $(BUILD) $(ONLY)
fuzz: $(BUILD)/deps-fuzz ## every parser under libFuzzer, FUZZ_SECONDS=10 each
	@$(MAKE) --no-print-directory BUILD=$(BUILD)/fuzz CC=clang SANITIZE=fuzzer-no-link,address,undefined fuzz-run
fuzz-run: $(call obj,$(FUZZERS)) $(BUILD)/libatools.a
	@CC="$(CC)" tests/support/fuzz.sh $(BUILD) "$(PKG_LIBS)" $(ONLY)
lint: $(BUILD)/deps-lint build ## style, layers, sizes, documentation, warnings of gcc and clang
	@BUILD=$(BUILD) MAKE="$(MAKE)" tests/lint/run.sh $(ONLY)
objects: $(call obj,$(ENGINE) $(BINDINGS) $(RUNNER) $(SUPPORT) $(TESTS) $(FUZZERS)) $(EMBEDDED)
docs: ## writes scripts/API.md from the annotations
	$(call say,DOC)$(LUA) scripts/tools/apidoc.lua >$(BUILD)/API.md && cp $(BUILD)/API.md scripts/API.md
install: build ## into $(DESTDIR)$(PREFIX)
	@PKG_LIBS="$(PKG_LIBS)" scripts/tools/install.sh install $(BUILD) "$(DESTDIR)" "$(PREFIX)" $(VERSION)
uninstall: ## removes what install put there
	@scripts/tools/install.sh uninstall $(BUILD) "$(DESTDIR)" "$(PREFIX)" $(VERSION)
lua-env: ## prints the exports that let lua5.4 find the build tree
	@echo "export LUA_PATH='$(abspath $(BUILD))/lua/?.lua;;'"
	@echo "export LUA_CPATH='$(abspath $(BUILD))/lua/?.so;;'"
clean: ## removes the build directory
	rm -rf $(BUILD)
help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1\t\2/p' $(MAKEFILE_LIST) | expand -t 14

FORCE:
.PHONY: all build run programs test asan valgrind fuzz fuzz-run lint objects docs \
  install uninstall lua-env clean help FORCE
-include tests/bench/bench.mk
-include $(shell find $(BUILD)/obj $(BUILD)/gen -name '*.d' 2>/dev/null)

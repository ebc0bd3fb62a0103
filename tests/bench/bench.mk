# SPDX-License-Identifier: MIT
# The bench: its programs, and the two ways to run it. Part of the Makefile.

BENCH := $(BUILD)/bench
BENCH_UV := $(shell pkg-config --exists libuv 2>/dev/null && echo $(BENCH)/uv_echo)
BENCH_PROGRAMS := $(addprefix $(BENCH)/,load pin raw_echo engine_echo engine_timers) $(BENCH_UV)
bench_link = $(call say,LINK)$(LINK) -pie -o $@ $(filter %.o %.a,$^)

bench: $(BUILD)/deps-bench build ## speed and memory against raw C and libuv, a quarter of an hour
	@$(MAKE) --no-print-directory bench-programs
	@$(LUA) tests/bench/bench.lua $(BUILD) full "$(ONLY)"
bench-quick: $(BUILD)/deps-bench build ## the same in two minutes: good for a look, not a verdict
	@$(MAKE) --no-print-directory bench-programs
	@$(LUA) tests/bench/bench.lua $(BUILD) quick "$(ONLY)"
bench-programs: $(BENCH_PROGRAMS)
.PHONY: bench bench-quick bench-programs

$(BENCH)/load: $(call obj,$(wildcard tests/bench/load*.c))
	@mkdir -p $(@D)
	$(bench_link)
$(BENCH)/pin $(BENCH)/raw_echo: $(BENCH)/%: $(BUILD)/obj/tests/bench/%.o
	@mkdir -p $(@D)
	$(bench_link)
$(BENCH)/engine_%: $(BUILD)/obj/tests/bench/engine_%.o $(BUILD)/libatools.a
	@mkdir -p $(@D)
	$(bench_link) $(PKG_LIBS)
$(BENCH)/uv_echo: $(BUILD)/obj/tests/bench/uv_echo.o
	@mkdir -p $(@D)
	$(bench_link) $$(pkg-config --libs libuv)

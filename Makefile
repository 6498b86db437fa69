# mokao: one file, one build folder a variant.  `make help` lists the targets.
V ?= release
O := build/$(V)
VERSION := 0.1.0
PREFIX ?= /usr/local
DESTDIR ?=
CC ?= cc
ifeq ($(MAKELEVEL),0)
MAKEFLAGS += -j$(shell nproc)
endif
# One short line a file; VERBOSE=1 shows the commands.
ifndef VERBOSE
Q = @echo "  $(1) $@";
endif

CFLAGS ?= -O2 -g
MODE_release := -O2 -DNDEBUG
MODE_debug := -O0 -g3
MODE_asan := -O1 -g -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
MODE_tsan := -O1 -g -fsanitize=thread
MODE_cov := -O0 -g --coverage
MODE_fuzz := -O1 -g -fsanitize=fuzzer-no-link,address,undefined
MODE_clang := -O2
ifneq ($(filter $(V),fuzz clang),)
CC := clang
endif
WARN := -Wall -Wextra -Wpedantic -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla -Wformat=2 -Wundef \
  -Wcast-qual -Wwrite-strings -Wconversion -Wno-sign-conversion -Wnull-dereference
ifeq ($(findstring clang,$(CC)),)
WARN += -Wduplicated-cond -Wlogical-op
endif
ifdef CI
WARN += -Werror
endif

PKGS := sqlite3 libcjson libpcre2-8 libutf8proc opencc openssl libcurl libmicrohttpd libarchive mpfr gmp zlib
ALL_CFLAGS = -std=c11 -D_GNU_SOURCE -I. $(WARN) -MMD -MP -pthread $(CFLAGS) $(PKG_CFLAGS) $(MODE_$(V)) \
  -DMK_VERSION='"$(VERSION)"' -DMK_SHARE='"$(PREFIX)/share/mokao"'

PKG_CFLAGS := $(shell pkg-config --cflags $(PKGS) 2>/dev/null)
LIBS = -Wl,--as-needed $(shell pkg-config --libs $(PKGS) 2>/dev/null) -lm
LDFLAGS_ALL = -pthread $(LDFLAGS) $(MODE_$(V))

ENGINE_SRC := $(wildcard harness/base/*.c engine/*.c)
LIB_SRC := $(ENGINE_SRC) $(wildcard suites/*.c harness/exec/*.c harness/match/*.c harness/store/*.c runners/*.c harness/*.c harness/outputs/*.c harness/serve/*.c report/*.c)
CLI_SRC := $(wildcard harness/cli/*.c)
TEST_SRC := $(wildcard tests/t_*.c)
HELPER_SRC := $(filter-out $(TEST_SRC),$(wildcard tests/*.c))
FUZZ_SRC := $(wildcard tests/fuzz/*.c)
ALL_SRC := $(LIB_SRC) $(CLI_SRC) $(TEST_SRC) $(HELPER_SRC)
ENGINE_OBJ := $(ENGINE_SRC:%.c=$O/%.o)
LIB_OBJ := $(LIB_SRC:%.c=$O/%.o)
CLI_OBJ := $(CLI_SRC:%.c=$O/%.o)
TESTS := $(TEST_SRC:tests/%.c=$O/tests/%)

all: $O/mokao $O/libmokao-engine.a ## build the program (./mokao)
	@if [ $(V) = release ]; then strip -o mokao $O/mokao; fi

$O/%.o: %.c Makefile
	@mkdir -p $(@D)
	$(call Q,cc)$(CC) $(ALL_CFLAGS) -c $< -o $@
# The AVX2 kernels alone may use these instructions; they are chosen at run time.
$O/engine/backend_avx2%o: ALL_CFLAGS += -mavx2 -mfma -mf16c
$O/report/plot.o: $(wildcard report/plots/*.gp)
$O/runners/provider_rows.o: runners/providers.json
$O/libmokao-engine.a: $(ENGINE_OBJ)
$O/libmokao.a: $(LIB_OBJ)
$O/libmokao-engine.a $O/libmokao.a:
	$(call Q,ar)rm -f $@; $(AR) rcs $@ $^
$O/mokao: $(CLI_OBJ) $O/libmokao.a
	$(call Q,ld)$(CC) $(LDFLAGS_ALL) $(CLI_OBJ) $O/libmokao.a $(LIBS) -o $@
$O/tests/t_%: $O/tests/t_%.o $(HELPER_SRC:%.c=$O/%.o) $O/libmokao.a
	$(call Q,ld)$(CC) $(LDFLAGS_ALL) $(filter %.o,$^) $O/libmokao.a $(LIBS) $(shell pkg-config --libs check) -o $@
$O/tests/bench/%: $O/tests/bench/%.o
	$(call Q,ld)$(CC) $(LDFLAGS_ALL) $< -o $@
$O/fuzz/%: tests/fuzz/%.c $O/libmokao.a
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) -fsanitize=fuzzer $< $(LDFLAGS_ALL) $O/libmokao.a $(LIBS) -o $@

deps: ## install what is missing (apt-get, pip); does nothing when all is there
	@sh tests/deps.sh
models: deps ## fetch the test model (SmolLM2-135M-Instruct, 93 MB) into models/
	@sh tests/models.sh smollm2
models-all: deps ## fetch all four real models (2.0 GB)
	@sh tests/models.sh smollm2 qwen2.5-coder-0.5b gemma3-270m qwen2.5-coder-1.5b
demo: deps ## two real models through the ten suites: ranking, plots, database
	@$(MAKE) --no-print-directory all
	@sh tests/demo.sh "$(MODEL)"

check: ## the quick part of the tests, under 30 s
	@$(MAKE) --no-print-directory V=asan check-run
tests-built: $(TESTS) $O/tests/bench/fake_api
check-run: tests-built $O/mokao
	@sh tests/run.sh quick $O
test: deps models ## unit, golden and end to end, with ASan and UBSan
	@$(MAKE) --no-print-directory all
	@$(MAKE) --no-print-directory V=asan test-run
test-run: tests-built $O/mokao
	@sh tests/run.sh full $O
test-all: test ## adds valgrind, tsan, fault loops, long fuzzing
	@sh tests/all.sh
fuzz: ## libFuzzer: make fuzz T=gguf S=60
	@$(MAKE) --no-print-directory V=fuzz fuzz-run T=$(T) S=$(S)
fuzz-run: $O/fuzz/fuzz_$(T)
	@mkdir -p build/corpus/$(T)
	$O/fuzz/fuzz_$(T) -max_total_time=$(or $(S),60) -timeout=10 -rss_limit_mb=2048 build/corpus/$(T) \
	  $(wildcard tests/golden/fuzz/$(T))
golden: all ## rewrite the golden files (read the diff)
	@GOLDEN=write sh tests/run.sh quick build/asan
lint: ## layout, layers, clang-tidy, cppcheck
	@sh tests/lint.sh
bench: all $O/tests/bench/fake_api $O/tests/t_match_any ## measure: engine, harness, matchers
	@sh tests/bench.sh
coverage: ## lines that no test reaches
	@$(MAKE) --no-print-directory V=cov test-run
	gcovr -r . --object-directory build/cov -e tests/ --print-summary

install: all ## into DESTDIR, PREFIX
	install -D -m755 mokao $(DESTDIR)$(PREFIX)/bin/mokao
	install -D -m644 harness/cli/mokao.1 $(DESTDIR)$(PREFIX)/share/man/man1/mokao.1
	install -D -m644 harness/cli/mokao.bash $(DESTDIR)$(PREFIX)/share/bash-completion/completions/mokao
	install -D -m644 engine/engine.h $(DESTDIR)$(PREFIX)/include/mokao/engine.h
	install -D -m644 $O/libmokao-engine.a $(DESTDIR)$(PREFIX)/lib/libmokao-engine.a
	mkdir -p $(DESTDIR)$(PREFIX)/share/mokao
	cp -R suites/data $(DESTDIR)$(PREFIX)/share/mokao/suites
	install -m644 models.json $(DESTDIR)$(PREFIX)/share/mokao/models.json
uninstall: ## remove what install put there
	rm -f $(DESTDIR)$(PREFIX)/bin/mokao $(DESTDIR)$(PREFIX)/share/man/man1/mokao.1 \
	  $(DESTDIR)$(PREFIX)/share/bash-completion/completions/mokao $(DESTDIR)$(PREFIX)/lib/libmokao-engine.a
	rm -rf $(DESTDIR)$(PREFIX)/share/mokao $(DESTDIR)$(PREFIX)/include/mokao
clean: ## remove build/ and the program
	rm -rf build mokao
help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  \1\t\2/p' Makefile | expand -t 14

.PHONY: all deps models models-all demo check tests-built check-run test test-run test-all fuzz fuzz-run golden lint bench coverage \
  install uninstall clean help
.SECONDARY:
-include $(ALL_SRC:%.c=$O/%.d) $(FUZZ_SRC:tests/fuzz/%.c=$O/fuzz/%.d)

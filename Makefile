# SPDX-License-Identifier: MIT
# slidecache. "make" builds without a network; "make run" and "make check" install the
# Debian packages that are missing, build, and do their job. "make help" lists targets.

BUILD ?= build
CC ?= gcc
PREFIX ?= /usr/local
LIBDIR ?= $(PREFIX)/lib
DESTDIR ?=
VERSION := 0.1.0

# Each directory is a layer; tests/lint/layers checks who may include whom.
LAYERS := base conf http image slide cache version render access warm app
LIBS_PC := libseccomp libjpeg libpng libtiff-4 openslide jansson libsodium libxxhash hiredis libmemcached zlib
LIBS := $(shell pkg-config --libs $(LIBS_PC) 2>/dev/null) -llmdb -lfcgi -lcrypt -lm -lpthread
PC_CFLAGS := $(shell pkg-config --cflags $(LIBS_PC) 2>/dev/null | sed 's/-I/-isystem /g')

WARNINGS := -Wall -Wextra -Wshadow -Wconversion -Wsign-compare -Wcast-qual -Wvla -Wundef \
	-Wmissing-prototypes -Wstrict-prototypes -Wwrite-strings -Wformat=2 -Wpointer-arith
HARDEN := -D_FORTIFY_SOURCE=2 -fstack-protector-strong -fstack-clash-protection \
	-fcf-protection
# The map: a program does not tell the folder that it was built in.
OPT ?= -O2 -g -ffile-prefix-map=$(CURDIR)=. $(HARDEN)
ifdef WERROR
WARNINGS += -Werror
endif
LIB_DEFS := -Wl,-z,defs
ifdef SAN
LIB_DEFS := # the sanitizers' own calls come with the program
OPT := -O1 -g -fsanitize=address,undefined -fno-sanitize-recover=undefined \
	-fno-omit-frame-pointer
LDSAN := -fsanitize=address,undefined
endif
ifdef FUZZ
OPT := -O1 -g -fsanitize=fuzzer-no-link,address,undefined,float-cast-overflow \
	-fno-sanitize-recover=all -fno-omit-frame-pointer -D__SANITIZE_ADDRESS__ \
	-Wno-unused-variable # which clang says of those with a cleanup
LDSAN := -fsanitize=address,undefined
endif
ifdef COVERAGE
OPT := -O0 -g --coverage
LDSAN := --coverage
endif
CFLAGS_ALL := -std=gnu11 -D_GNU_SOURCE -DSC_PROGRAM_VERSION='"$(VERSION)"' -Iinclude -Isrc -I. \
	$(PC_CFLAGS) $(WARNINGS) $(OPT) -fPIE -MMD -MP $(CFLAGS)
LDFLAGS_ALL := -pie -Wl,-z,relro,-z,now -Wl,--as-needed $(LDSAN) $(LDFLAGS)

CORE_SRC := $(sort $(foreach d,$(LAYERS),$(wildcard src/$(d)/*.c)))
# libslidecache: caches and versions for other C programs. What it exports is written down
# in its version script; tests/lint/symbols compares that with the headers.
LIB_SRC := $(filter src/base/% src/cache/% src/version/%,$(CORE_SRC))
LIB_MAP := src/libslidecache.map
LIB_SONAME := libslidecache.so.1
LIB_HEADERS := include/slidecache/cache.h include/slidecache/version.h \
	include/slidecache/bytes.h include/slidecache/status.h \
	include/slidecache/metrics.h include/slidecache/log.h \
	include/slidecache/migration.h include/slidecache/ledger.h include/slidecache/testing.h
LIB_LIBS := -lsodium -lxxhash -lhiredis -lmemcached -lz -llmdb -ljansson -lpthread
LIB_CFLAGS := -fPIC -fno-semantic-interposition
SERVER_SRC := $(sort $(wildcard src/server/*.c))
CTL_SRC := $(sort $(wildcard src/ctl/*.c))
TOOL_SRC := $(sort $(wildcard src/tools/*.c))
C_TESTS := $(sort $(wildcard tests/unit/test_*.c tests/contract/test_*.c tests/fault/test_*.c))
C_TEST_LIB := $(sort $(wildcard tests/lib/*.c))
BENCH_SRC := $(sort $(wildcard tests/bench/*.c))
FUZZ_SRC := $(sort $(wildcard tests/fuzz/fuzz_*.c))

obj = $(patsubst %.c,$(BUILD)/obj/%.o,$(1))
CORE := $(BUILD)/libcore.a
SERVER := $(BUILD)/libserver.a
LIBRARIES := $(BUILD)/libslidecache.so $(BUILD)/libslidecache.a
PROGRAMS := $(BUILD)/slidecached $(BUILD)/slidecachectl $(BUILD)/make-slide
TEST_PROGRAMS := $(patsubst tests/%.c,$(BUILD)/tests/%,$(C_TESTS))
REPLAY_PROGRAMS := $(patsubst tests/%.c,$(BUILD)/tests/%,$(FUZZ_SRC))
BENCH_PROGRAMS := $(patsubst tests/bench/%.c,$(BUILD)/bench/%,$(BENCH_SRC))

all: $(PROGRAMS) $(LIBRARIES) $(BUILD)/man

# A change of flags rebuilds everything; an unchanged file keeps its time.
$(BUILD)/flags: FORCE
	@mkdir -p $(BUILD)
	@echo '$(CC) $(CFLAGS_ALL) $(LIB_CFLAGS) $(LDFLAGS_ALL)' | cmp -s - $@ || \
		echo '$(CC) $(CFLAGS_ALL) $(LIB_CFLAGS) $(LDFLAGS_ALL)' > $@

$(BUILD)/obj/%.o: %.c $(BUILD)/flags
	@mkdir -p $(@D)
	@$(CC) $(CFLAGS_ALL) $(if $(filter $(LIB_SRC),$<),$(LIB_CFLAGS)) -c $< -o $@

$(CORE): $(call obj,$(CORE_SRC))
	@rm -f $@ && ar rcs $@ $^
# Everything of the server but its main, so that tests can link it.
$(SERVER): $(filter-out %/main.o,$(call obj,$(SERVER_SRC)))
	@rm -f $@ && ar rcs $@ $^

$(BUILD)/$(LIB_SONAME): $(call obj,$(LIB_SRC)) $(LIB_MAP)
	@$(CC) -shared $(filter-out -pie,$(LDFLAGS_ALL)) $(LIB_DEFS) \
		-Wl,-soname,$(LIB_SONAME) -Wl,--version-script,$(LIB_MAP) \
		-o $@ $(filter %.o,$^) $(LIB_LIBS)
$(BUILD)/libslidecache.so: $(BUILD)/$(LIB_SONAME)
	@ln -sf $(LIB_SONAME) $@
$(BUILD)/libslidecache.a: $(call obj,$(LIB_SRC))
	@rm -f $@ && ar rcs $@ $^

$(BUILD)/slidecached: $(BUILD)/obj/src/server/main.o $(SERVER) $(CORE)
	@$(CC) $(LDFLAGS_ALL) -o $@ $^ $(LIBS)
$(BUILD)/slidecachectl: $(call obj,$(CTL_SRC)) $(CORE)
	@$(CC) $(LDFLAGS_ALL) -o $@ $^ $(LIBS)
$(BUILD)/make-slide: $(call obj,$(TOOL_SRC)) $(CORE)
	@$(CC) $(LDFLAGS_ALL) -o $@ $^ $(LIBS)
$(BUILD)/tests/%: $(BUILD)/obj/tests/%.o $(call obj,$(C_TEST_LIB)) $(SERVER) $(CORE)
	@mkdir -p $(@D)
	@$(CC) $(LDFLAGS_ALL) -o $@ $^ -lcmocka $(LIBS)
# Fuzz targets on the inputs of their corpus; and, in "fuzz", under libFuzzer.
$(BUILD)/tests/fuzz/%: $(call obj,tests/fuzz/%.c tests/fuzz/replay.c tests/fuzz/fuzz.c) \
		$(SERVER) $(CORE)
	@mkdir -p $(@D)
	@$(CC) $(LDFLAGS_ALL) -o $@ $^ $(LIBS)
$(BUILD)/fuzz_%: $(call obj,tests/fuzz/fuzz_%.c tests/fuzz/fuzz.c) $(SERVER) $(CORE)
	@$(CC) $(LDFLAGS_ALL) -fsanitize=fuzzer -o $@ $^ $(LIBS)
# The one file of slidecachectl that is pure.
$(BUILD)/tests/unit/test_progress_bar: $(BUILD)/obj/src/ctl/progress_bar.o
$(BUILD)/bench/%: $(BUILD)/obj/tests/bench/%.o $(CORE)
	@mkdir -p $(@D)
	@$(CC) $(LDFLAGS_ALL) -o $@ $^ $(LIBS)

# The manual's pages, of what the programs say of themselves.
$(BUILD)/man: $(PROGRAMS) deploy/build-man deploy/debian/changelog $(wildcard deploy/man/*)
	@deploy/build-man $(BUILD) $(VERSION)

test-programs: $(TEST_PROGRAMS) $(REPLAY_PROGRAMS)
bench-programs: $(BENCH_PROGRAMS)

# What "run" and "check" need before they can build: the recursive call reads pkg-config
# anew once the packages are there.
packages-%:
	@deploy/install-packages $(subst -, ,$*)

run: packages-build-run
	@$(MAKE) --no-print-directory all www
	@deploy/run

# By the environment: a folder's name may hold anything.
export SLIDES ?=
export PORT ?= 8080
export BACKEND ?= embedded
export LOCATION ?=
export HTPASSWD ?=
run: export BUILD := $(BUILD)

www:
	@deploy/build-www $(BUILD)/www

# Three files at a time: most of their time tests wait for something.
PYTEST := SLIDECACHE_BUILD=$(abspath $(BUILD)) /usr/bin/python3 -B -m pytest -q -p no:cacheprovider \
	-n 3 --dist loadfile
# Scripts, packages, configurations of others, pages: nothing of them is told by programs
# with sanitizers, and what these run is run by the other tests.
ONCE := $(addprefix tests/,e2e/test_package.py e2e/test_install.py \
	e2e/test_install_packages.py e2e/test_web_stock.py browser)
SUITES := $(filter-out $(if $(SAN),tests/browser),tests/e2e tests/fault tests/browser) \
	$(if $(SAN),$(ONCE:%=--ignore=%))
# All processors, unless who called said how many.
PARALLEL = $(if $(findstring jobserver,$(MAKEFLAGS)),,-j$(shell nproc))
QUICK := tests/e2e/test_routes.py tests/e2e/test_bad_input.py
QUICK_C := $(filter-out %/test_cache_calls %/test_cache_sizes, \
	$(filter $(BUILD)/tests/unit/% $(BUILD)/tests/contract/%,$(TEST_PROGRAMS)))

check: packages-build-run-deb-check
	@$(MAKE) --no-print-directory check-all
	@$(MAKE) --no-print-directory asan
# The inner loop: needs the packages of "check", takes less than a minute.
check-quick: all test-programs www
	@tests/lint/run
	@tests/run-c $(QUICK_C)
	@$(PYTEST) $(QUICK)
check-all:
	@$(MAKE) --no-print-directory $(PARALLEL) all test-programs bench-programs www
	@$(if $(SAN),,tests/lint/run)
	@tests/run-c $(TEST_PROGRAMS) $(REPLAY_PROGRAMS)
	@$(PYTEST) $(SUITES)
check-long: packages-build-run-deb-check
	@SLIDECACHE_LONG=1 $(MAKE) --no-print-directory check-all
# The suite on programs built with AddressSanitizer and UBSan.
asan: packages-build-run-deb-check
	@$(MAKE) --no-print-directory BUILD=$(BUILD)/asan SAN=1 check-all
lint:
	@tests/lint/run
tidy:
	@tests/lint/tidy
format:
	@clang-format -i $$(git ls-files '*.c' '*.h')
bench: packages-build-run-deb-check-bench
	@$(MAKE) --no-print-directory all bench-programs
	@SLIDECACHE_BUILD=$(abspath $(BUILD)) /usr/bin/python3 -B tests/bench/bench.py
# T: one target, or several; S: seconds for each; RUNS: executions instead.
T ?= $(patsubst tests/fuzz/fuzz_%.c,%,$(FUZZ_SRC))
fuzz: packages-build-fuzz
	@$(MAKE) --no-print-directory BUILD=$(BUILD)/fuzz CC=clang FUZZ=1 fuzz-programs
	@S='$(S)' RUNS='$(RUNS)' tests/fuzz/run $(BUILD)/fuzz $(T)
fuzz-programs: $(T:%=$(BUILD)/fuzz_%)
coverage: packages-build-run-deb-check-coverage
	@$(MAKE) --no-print-directory BUILD=$(BUILD)/coverage COVERAGE=1 check-all
	@gcovr --root . --filter src/ --object-directory $(BUILD)/coverage --print-summary

# What an operator starts from: configuration of the servers around us.
DEPLOYED := $(sort $(wildcard deploy/*.conf deploy/slidecache.logrotate systemd/*.conf))
# systemd 253 knows a service that says when it has read its configuration again.
SYSTEMD_VERSION = $(shell systemctl --version 2>/dev/null | awk 'NR == 1 { print $$2 }')
NOTIFY_RELOAD := -e 's/^Type=notify$$/Type=notify-reload/' -e '/^ExecReload=.*HUP/d'
RELOAD = $(if $(shell [ $(SYSTEMD_VERSION) -ge 253 ] 2>/dev/null && echo new),$(NOTIFY_RELOAD))
MULTIARCH = $(shell dpkg-architecture -qDEB_HOST_MULTIARCH)

install-lib: all
	install -d $(DESTDIR)$(PREFIX)/include/slidecache $(DESTDIR)$(LIBDIR)/pkgconfig
	install -m 644 $(LIB_HEADERS) $(DESTDIR)$(PREFIX)/include/slidecache/
	install -m 644 $(BUILD)/$(LIB_SONAME) $(BUILD)/libslidecache.a $(DESTDIR)$(LIBDIR)/
	ln -sf $(LIB_SONAME) $(DESTDIR)$(LIBDIR)/libslidecache.so
	sed -e 's|@PREFIX@|$(PREFIX)|' -e 's|@LIBDIR@|$(LIBDIR)|' -e 's|@VERSION@|$(VERSION)|' \
		-e 's|@LIBS@|$(LIB_LIBS)|' deploy/slidecache.pc.in \
		> $(DESTDIR)$(LIBDIR)/pkgconfig/slidecache.pc
	chmod 644 $(DESTDIR)$(LIBDIR)/pkgconfig/slidecache.pc
	$(if $(DESTDIR),,[ "$$(id -u)" -ne 0 ] || ldconfig)

# What a package would do by itself.
LEFT_TO_DO := 'What is left to do:' '  systemd-sysusers' '  systemctl daemon-reload' \
	'  install -d /srv/slides' '  slidecachectl migrate' \
	'  systemctl enable --now slidecached.socket slidecached.service'

install: all www install-lib
	install -d $(addprefix $(DESTDIR)$(PREFIX)/,sbin bin share/slidecache \
		share/doc/slidecache share/man/man1 share/man/man5 share/man/man8)
	install -m 755 $(BUILD)/slidecached $(DESTDIR)$(PREFIX)/sbin/
	install -m 755 $(BUILD)/slidecachectl $(BUILD)/make-slide $(DESTDIR)$(PREFIX)/bin/
	cp -R $(BUILD)/www $(DESTDIR)$(PREFIX)/share/slidecache/
	chmod -R u=rwX,go=rX $(DESTDIR)$(PREFIX)/share/slidecache/www
	install -m 755 deploy/render $(DESTDIR)$(PREFIX)/share/slidecache/
	install -m 644 README.md LICENSE $(DEPLOYED) $(DESTDIR)$(PREFIX)/share/doc/slidecache/
	for page in $(BUILD)/man/*; do \
		to=$(DESTDIR)$(PREFIX)/share/man/man$${page##*.}/$${page##*/} && \
		sed 's|/usr/share/|$(PREFIX)/share/|' $$page > $$to && chmod 644 $$to || exit 1; done
	@if [ -n "$(DESTDIR)" ] || [ "$$(id -u)" -eq 0 ]; then \
		$(MAKE) --no-print-directory install-system; \
	else echo 'not root: no units, and no configuration below /etc'; fi
	@if [ -z "$(DESTDIR)" ] && [ "$$(id -u)" -eq 0 ]; then printf '%s\n' $(LEFT_TO_DO); fi

# What has its place outside of PREFIX.
install-system:
	install -d $(DESTDIR)/etc/slidecache/migrations $(DESTDIR)/lib/systemd/system \
		$(DESTDIR)/usr/lib/sysusers.d
	[ -e $(DESTDIR)/etc/slidecache/slidecache.json ] || \
		install -m 644 deploy/slidecache.json $(DESTDIR)/etc/slidecache/
	for unit in slidecached.service slidecached.socket; do \
		sed -e 's|/usr/sbin/|$(PREFIX)/sbin/|' -e 's|/usr/share/|$(PREFIX)/share/|' \
			$(RELOAD) systemd/$$unit > $(DESTDIR)/lib/systemd/system/$$unit && \
		chmod 644 $(DESTDIR)/lib/systemd/system/$$unit || exit 1; done
	install -m 644 systemd/slidecache.sysusers \
		$(DESTDIR)/usr/lib/sysusers.d/slidecache.conf

# Whatever "make install" would put there, but a configuration that was changed.
uninstall: all www
	@rm -rf $(BUILD)/uninstall
	@$(MAKE) --no-print-directory -o all -o www install \
		DESTDIR=$(abspath $(BUILD))/uninstall > $(BUILD)/uninstall.log
	@deploy/uninstall $(BUILD)/uninstall "$(DESTDIR)" $(PREFIX)
	$(if $(DESTDIR),,[ "$$(id -u)" -ne 0 ] || ldconfig)

# One package for the Debian that this is, in $(BUILD).
deb: packages-build-run-deb
	@$(MAKE) --no-print-directory deb-only
deb-only: all www
	@rm -rf $(BUILD)/deb
	@$(MAKE) --no-print-directory -o all -o www install PREFIX=/usr \
		LIBDIR=/usr/lib/$(MULTIARCH) DESTDIR=$(abspath $(BUILD))/deb/root \
		> $(BUILD)/deb.log
	@deploy/build-deb $(BUILD)/deb $(VERSION) $(BUILD)

help:
	@echo 'make                  build (no network)'
	@echo 'make run              install packages, build, serve slides; its variables:'
	@echo '                      SLIDES= PORT=8080 BACKEND= LOCATION= HTPASSWD='
	@echo 'make check            install packages, build, run all tests, plain and as "asan"'
	@echo 'make check-quick      lint, most C tests and routes, under a minute'
	@echo 'make check-long       the tests with their full figures'
	@echo 'make asan             the tests of C code under AddressSanitizer and UBSan'
	@echo 'make fuzz             libFuzzer targets; T=NAME S=SECONDS (20) or RUNS=NUMBER'
	@echo 'make bench            speed, as ratios to a floor and a peer'
	@echo 'make lint tidy format coverage clean'
	@echo 'make install          with its DESTDIR= PREFIX=/usr/local; uninstall, install-lib'
	@echo 'make deb              a Debian package'

clean:
	rm -rf $(BUILD)

-include $(shell find $(BUILD)/obj -name '*.d' 2>/dev/null)
.PHONY: all test-programs bench-programs run www check check-quick check-all check-long \
	asan lint tidy fuzz fuzz-programs format bench coverage install install-lib install-system uninstall \
	deb deb-only help clean FORCE
.SECONDARY:
FORCE:

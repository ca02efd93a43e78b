# evlog. `make demo` and `make check` need nothing but git, make, a C compiler and, where
# packages are missing, apt. CFLAGS, CPPFLAGS and LDFLAGS are the user's own. WERROR=1 makes
# warnings errors, as .ci/run does; V=1 shows the commands.

prefix      = /usr/local
exec_prefix = $(prefix)
bindir      = $(exec_prefix)/bin
libdir      = $(exec_prefix)/lib
includedir  = $(prefix)/include
pkgconfigdir = $(libdir)/pkgconfig
cmakedir    = $(libdir)/cmake/evlog
examplesdir = $(prefix)/share/evlog/examples
mandir      = $(prefix)/share/man
docdir      = $(prefix)/share/doc/evlog
lnavdir     = $(prefix)/share/evlog/lnav
COMPLETIONS = bash-completion/completions/evlog zsh/site-functions/_evlog fish/vendor_completions.d/evlog.fish

VERSION  = 0.1.0
ABI      = 0
B        = build
comma   := ,
CFLAGS   = -O2 -g
INSTALL  = install

ifndef V
Q = @
endif
# $(call say,CC,file): a short line instead of the command; nothing with V=1 or make -s.
say = $(if $(Q),$(if $(findstring s,$(firstword -$(MAKEFLAGS))),,@printf '  %-5s %s\n' $1 $2))

PKG_CONFIG ?= pkg-config
MSGPACK  := $(shell $(PKG_CONFIG) --exists msgpack-c 2>/dev/null && echo msgpack-c || echo msgpack)
LIB_PKGS  = lmdb $(MSGPACK) libxxhash
TOOL_PKGS = jansson libsodium
TOOL_LIBS = $$($(PKG_CONFIG) --libs $(TOOL_PKGS) $(SQLITE)) -lm

WARN = -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith \
       -Wwrite-strings $(if $(WERROR),-Werror)
STD  = -std=c11 -D_GNU_SOURCE -fPIC -fvisibility=hidden -pthread -MMD -MP
# Debian 13's msgpack-c.pc has -Iinclude, which is nowhere.
LIB_CFLAGS := $(filter-out -Iinclude,$(shell $(PKG_CONFIG) --cflags $(LIB_PKGS) 2>/dev/null))
LIB_LIBS   := $(shell $(PKG_CONFIG) --libs $(LIB_PKGS) 2>/dev/null) -pthread
# Debian's libxxhash for amd64 has XXH3 for each kind of processor; another one may not.
XXH3_DISPATCH := $(shell echo 'int XXH3_64bits_dispatch(void); int main(void) { return XXH3_64bits_dispatch(); }' | \
  $(CC) -x c - -lxxhash -o /dev/null 2>/dev/null && echo -DXXH3_DISPATCH)
LIB_CFLAGS += $(XXH3_DISPATCH)

STORE    := $(wildcard store/*.c)
DISPATCH := $(wildcard dispatch/data/*.c dispatch/*.c)
REPLAY   := $(wildcard replay/*.c)
LIB_SRC   = $(STORE) $(DISPATCH) $(REPLAY)
# Each broker's relays are built when its client is there; without it its URLs are refused, with the packages' names.
RELAY_REDIS := $(shell $(PKG_CONFIG) --exists hiredis openssl 2>/dev/null && echo hiredis openssl)
RELAY_KAFKA := $(shell $(PKG_CONFIG) --exists rdkafka libcurl 2>/dev/null && echo rdkafka libcurl)
RELAY_PKGS = $(RELAY_REDIS) $(RELAY_KAFKA)
RELAY_SRC := $(filter-out $(if $(RELAY_REDIS),,tools/relay/redis%.c) \
  $(if $(RELAY_KAFKA),,tools/relay/kafka%.c tools/relay/registry.c),$(wildcard tools/relay/*.c))
# evlog sql and the extension of SQLite are built when it is there; without it the verb names the package.
SQLITE   := $(shell $(PKG_CONFIG) --exists sqlite3 2>/dev/null && echo sqlite3)
SQL_SRC  := $(if $(SQLITE),$(wildcard tools/sql/*.c))
# The page is built when libmicrohttpd is there.
WEB_PKGS := $(shell $(PKG_CONFIG) --exists libmicrohttpd 2>/dev/null && echo libmicrohttpd jansson)
WEB_SRC  := $(if $(WEB_PKGS),$(wildcard tools/web/*.c))
WEB      := $(if $(WEB_PKGS),$(B)/evlog-web)
TOOL_SRC := $(filter-out tools/demo.c tools/plugin_%.c $(if $(SQLITE),tools/sql_none.c,tools/sql.c),$(wildcard tools/*.c)) $(SQL_SRC)
BENCH_SRC := $(wildcard bench/*.c)
TESTS    := $(patsubst tests/%.c,%,$(wildcard tests/test_*.c))
SOURCES  := $(wildcard $(foreach dir,store store/evlog dispatch/data dispatch replay tools/sql tools tools/relay tools/web tests tests/power tests/prove bench,$(dir)/*.[ch]))
PUBLIC   := $(patsubst store/%,%,$(wildcard store/evlog.h store/evlog/*.h))

# Each folder sees its own headers and those to its left: store <- dispatch <- replay <- tools.
INC_store    = -Istore
INC_dispatch = -Istore -Idispatch/data -Idispatch
INC_dispatch_data = -Istore -Idispatch/data
INC_replay   = $(INC_dispatch) -Ireplay
INC_tools    = -I$(B)/include -Itools
INC_tools_sql = -I$(B)/include -Itools/sql
INC_tools_relay = $(INC_tools) -Itools/relay $(if $(RELAY_REDIS),-DRELAY_REDIS) $(if $(RELAY_KAFKA),-DRELAY_KAFKA)
INC_tools_web = $(INC_tools) -Itools/web
INC_bench    = -I$(B)/include -Ibench
INC_tests    = $(INC_replay) -Itools -Itests

LIB_OBJ  = $(LIB_SRC:%.c=$(B)/obj/%.o)
TOOL_OBJ = $(TOOL_SRC:%.c=$(B)/obj/%.o)

EXTENSION = $(if $(SQLITE),$(B)/sqlite/evlog_sqlite.so)

all: $(B)/evlog $(B)/libevlog.a $(B)/libevlog.so $(B)/evlog-relay $(EXTENSION) $(WEB)

# ------------------------------------------------------------- packages ----

# What is missing is installed with apt where it may be; where it may not, the command is said.
DEPS = PKG_CONFIG="$(PKG_CONFIG)" sh tools/packaging/deps.sh

deps-present:
	@$(DEPS) check lmdb msgpack libxxhash $(TOOL_PKGS)

deps:
	@$(DEPS) install lmdb msgpack libxxhash $(TOOL_PKGS) cmocka hiredis openssl rdkafka libcurl redis-server sqlite3 libmicrohttpd scdoc

# ------------------------------------------------------------- building ----

# $(1) where the objects go, $(2) more flags. The folder of a source picks its include path.
define objects
$(1)/%.o: %.c Makefile | deps-present $$(PUBLIC:%=$$(B)/include/%)
	@mkdir -p $$(@D)
	$$(call say,CC,$$@)
	$$(Q)$$(CC) $$(STD) $$(WARN) $$(INC_$$(subst /,_,$$(patsubst %/,%,$$(dir $$*)))) $$(LIB_CFLAGS) $(2) $$(CPPFLAGS) $$(CFLAGS) -c $$< -o $$@
endef
$(eval $(call objects,$(B)/obj,))
$(eval $(call objects,$(B)/asan,-fsanitize=address$(comma)undefined -fno-sanitize-recover=all -fno-omit-frame-pointer))
$(eval $(call objects,$(B)/tsan,-fsanitize=thread))

$(B)/include/%.h: store/%.h
	@mkdir -p $(@D)
	$(Q)cp $< $@

$(B)/libevlog.a: $(LIB_OBJ)
	$(call say,AR,$@)
	$(Q)rm -f $@ && $(AR) rcs $@ $^

$(B)/libevlog.so.$(VERSION): $(LIB_OBJ) store/libevlog.map
	$(call say,LINK,$@)
	$(Q)$(CC) -shared -Wl,-soname,libevlog.so.$(ABI) -Wl,--version-script=store/libevlog.map \
	  -Wl,--no-undefined $(LDFLAGS) $(LIB_OBJ) $(LIB_LIBS) -o $@

$(B)/libevlog.so: $(B)/libevlog.so.$(VERSION)
	$(Q)ln -sf libevlog.so.$(VERSION) $(B)/libevlog.so.$(ABI)
	$(Q)ln -sf libevlog.so.$(VERSION) $@

$(B)/evlog: $(TOOL_OBJ) $(B)/libevlog.a
	$(call say,LINK,$@)
	$(Q)$(CC) $(LDFLAGS) $(TOOL_OBJ) $(WHOLE_LIB) $(LIB_LIBS) $(TOOL_LIBS) -o $@

# Linked with the library, which is one directory above, here and where they are installed: a program that has it open shares it.
$(B)/sqlite/evlog_sqlite.so: $(SQL_SRC:%.c=$(B)/obj/%.o) $(B)/libevlog.so
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(Q)$(CC) -shared -Wl,--no-undefined $(LDFLAGS) $(filter %.o,$^) -L$(B) -levlog -Wl,-rpath,'$$ORIGIN/..' -o $@

RELAY_OBJ = $(RELAY_SRC:%.c=$(B)/obj/%.o) $(patsubst %,$(B)/obj/tools/%.o,tool progress stop text)

$(B)/evlog-relay: $(RELAY_OBJ) $(B)/libevlog.a
	$(call say,LINK,$@)
	$(Q)$(CC) $(LDFLAGS) $(RELAY_OBJ) $(WHOLE_LIB) $(LIB_LIBS) $$($(PKG_CONFIG) --libs jansson $(RELAY_PKGS)) -o $@

# What the page shows and runs, as it is in tools/web/.
WEB_FILES = tools/web/page.css tools/web/page.js tools/web/icon.svg
WEB_TOOLS = tool progress stop text times exposition event_filter
WEB_LIBS  = $$($(PKG_CONFIG) --libs $(WEB_PKGS)) -lm

$(B)/obj/tools/web/files.o: $(WEB_FILES)
	@mkdir -p $(@D)
	$(call say,LD,$@)
	$(Q)$(LD) -r -b binary -z noexecstack $^ -o $@

WEB_OBJ = $(WEB_SRC:%.c=$(B)/obj/%.o) $(WEB_TOOLS:%=$(B)/obj/tools/%.o) $(B)/obj/tools/web/files.o

$(B)/evlog-web: $(WEB_OBJ) $(B)/libevlog.a
	$(call say,LINK,$@)
	$(Q)$(CC) $(LDFLAGS) $(WEB_OBJ) $(WHOLE_LIB) $(LIB_LIBS) $(WEB_LIBS) -o $@

# A plugin calls into the program that loads it, so that has all of the library, and shows it.
WHOLE_LIB = -Wl,--whole-archive $(B)/libevlog.a -Wl,--no-whole-archive -rdynamic

$(B)/plugins/%.so: $(B)/obj/tools/plugin_%.o
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(Q)$(CC) -shared $(LDFLAGS) $^ -o $@

$(B)/demo: $(B)/obj/tools/demo.o $(B)/libevlog.a
	$(call say,LINK,$@)
	$(Q)$(CC) $(LDFLAGS) $< $(WHOLE_LIB) $(LIB_LIBS) -o $@

demo:
	@sh tools/demo.sh --plan
	@$(DEPS) install lmdb msgpack libxxhash $(TOOL_PKGS)
	@$(MAKE) --no-print-directory -s $(B)/evlog $(B)/demo $(B)/plugins/preferences.so $(B)/evlog-relay
	@sh tools/demo.sh $(B)

# The manual's pages: tools/man/page.sh puts into them what the command says of its verbs.
SCDOC := $(shell command -v scdoc)
PAGES  = $(filter-out $(if $(WEB),,evlog-web.1),$(patsubst tools/man/%.scd,%,$(wildcard tools/man/*.scd)))
MAN    = $(if $(SCDOC),$(PAGES:%=$(B)/man/%))

$(B)/man/%: tools/man/%.scd tools/man/page.sh $(wildcard tools/man/*.scd) $(B)/evlog $(B)/evlog-relay $(WEB)
	@mkdir -p $(@D)
	$(call say,MAN,$@)
	$(Q)sh tools/man/page.sh $(B) $< >$@.scd && scdoc <$@.scd >$@

man: $(MAN)
	@[ -n "$(SCDOC)" ] || { echo "The manual's pages are made with scdoc. On Debian: sudo apt-get install scdoc" >&2; exit 1; }

clean:
	rm -rf $(B)

include tests/tests.mk
-include bench/bench.mk
include tools/packaging/packages.mk
-include $(shell find $(B) -name '*.d' -type f 2>/dev/null)

# ----------------------------------------------------------- installing ----

# The templates of tools/packaging/, filled in. evlog.pc says its directories relative to the prefix where it can.
below = $(patsubst $(2)/%,$${$(1)}/%,$(3))
from_cmakedir = $$(realpath -m --relative-to="$(cmakedir)" "$(1)")
cmake_libs = $(subst $(eval) ,;,$(patsubst -l%,%,$(filter -l%,$(LIB_LIBS))))
FILL = sed -e 's|@version@|$(VERSION)|g' -e 's|@version_major@|$(firstword $(subst ., ,$(VERSION)))|g' -e 's|@abi@|$(ABI)|g' \
  -e 's|@prefix@|$(prefix)|' -e 's|@exec_prefix@|$(exec_prefix:$(prefix)=$${prefix})|' \
  -e 's|@libdir@|$(call below,exec_prefix,$(exec_prefix),$(libdir))|' \
  -e 's|@includedir@|$(call below,prefix,$(prefix),$(includedir))|' -e 's|@private_libs@|$(LIB_LIBS)|g' \
  -e "s|@cmake_to_libdir@|$(call from_cmakedir,$(libdir))|" \
  -e "s|@cmake_to_includedir@|$(call from_cmakedir,$(includedir))|" -e 's|@cmake_libs@|$(cmake_libs)|g'
SHARED = libevlog.so.$(VERSION)

# Under DESTDIR nothing of this machine is touched.
LDCONFIG = [ -n "$(DESTDIR)" ] || PATH="$$PATH:/sbin:/usr/sbin" ldconfig || true

install: all $(MAN)
	$(INSTALL) -d -m 755 "$(DESTDIR)$(bindir)" "$(DESTDIR)$(libdir)" "$(DESTDIR)$(includedir)/evlog" \
	  "$(DESTDIR)$(pkgconfigdir)" "$(DESTDIR)$(cmakedir)" "$(DESTDIR)$(examplesdir)"
	$(INSTALL) -m 755 $(B)/evlog "$(DESTDIR)$(bindir)/evlog"
	$(INSTALL) -m 755 $(B)/evlog-relay "$(DESTDIR)$(bindir)/evlog-relay"
	$(if $(WEB),$(INSTALL) -m 755 $(WEB) "$(DESTDIR)$(bindir)/evlog-web")
	$(INSTALL) -m 644 store/evlog.h "$(DESTDIR)$(includedir)/evlog.h"
	[ -z "$(EXTENSION)" ] || { $(INSTALL) -d -m 755 "$(DESTDIR)$(libdir)/evlog" && \
	  $(INSTALL) -m 644 $(EXTENSION) "$(DESTDIR)$(libdir)/evlog/evlog_sqlite.so"; }
	$(INSTALL) -m 644 store/evlog/*.h "$(DESTDIR)$(includedir)/evlog"
	$(INSTALL) -m 644 tools/plugin_preferences.c "$(DESTDIR)$(examplesdir)/plugin_preferences.c"
	$(INSTALL) -d -m 755 "$(DESTDIR)$(docdir)" $(foreach n,1 3 5 7,"$(DESTDIR)$(mandir)/man$n")
	$(INSTALL) -m 644 store/README.md "$(DESTDIR)$(docdir)/format.md"
	for page in $(MAN); do $(INSTALL) -m 644 $$page "$(DESTDIR)$(mandir)/man$${page##*.}" || exit 1; done
	for file in $(COMPLETIONS); do \
	  $(INSTALL) -d -m 755 "$(DESTDIR)$(prefix)/share/$${file%/*}" && $(B)/evlog completion $${file%%[-/]*} >$(B)/completion && \
	  $(INSTALL) -m 644 $(B)/completion "$(DESTDIR)$(prefix)/share/$$file" || exit 1; done
	$(INSTALL) -d -m 755 "$(DESTDIR)$(lnavdir)"
	$(INSTALL) -m 644 tools/packaging/evlog.lnav.json "$(DESTDIR)$(lnavdir)/evlog.lnav.json"
	$(INSTALL) -m 644 $(B)/libevlog.a $(B)/$(SHARED) "$(DESTDIR)$(libdir)"
	ln -sf $(SHARED) "$(DESTDIR)$(libdir)/libevlog.so.$(ABI)"
	ln -sf $(SHARED) "$(DESTDIR)$(libdir)/libevlog.so"
	for file in evlog.pc evlogConfig.cmake evlogConfigVersion.cmake; do \
	  $(FILL) tools/packaging/$$file.in >$(B)/$$file || exit 1; done
	$(INSTALL) -m 644 $(B)/evlog.pc "$(DESTDIR)$(pkgconfigdir)/evlog.pc"
	$(INSTALL) -m 644 $(B)/evlogConfig.cmake $(B)/evlogConfigVersion.cmake "$(DESTDIR)$(cmakedir)"
	$(LDCONFIG)

# Directories that others use too (bin, lib, include, share) stay.
uninstall:
	cd "$(DESTDIR)$(includedir)" && rm -f $(PUBLIC)
	cd "$(DESTDIR)$(libdir)" && rm -f evlog/evlog_sqlite.so libevlog.a libevlog.so libevlog.so.$(ABI) $(SHARED)
	rm -f "$(DESTDIR)$(bindir)/evlog" "$(DESTDIR)$(bindir)/evlog-relay" "$(DESTDIR)$(bindir)/evlog-web" "$(DESTDIR)$(pkgconfigdir)/evlog.pc" "$(DESTDIR)$(examplesdir)/plugin_preferences.c"
	cd "$(DESTDIR)$(prefix)/share" && for file in $(COMPLETIONS); do rm -f $$file && rmdir -p --ignore-fail-on-non-empty $${file%/*} 2>/dev/null; done; true
	rm -f "$(DESTDIR)$(lnavdir)/evlog.lnav.json" "$(DESTDIR)$(docdir)/format.md" && for page in $(PAGES); do rm -f "$(DESTDIR)$(mandir)/man$${page##*.}/$$page"; done
	rm -f "$(DESTDIR)$(cmakedir)/evlogConfig.cmake" "$(DESTDIR)$(cmakedir)/evlogConfigVersion.cmake"
	for dir in "$(includedir)/evlog" "$(lnavdir)" "$(examplesdir)" "$(patsubst %/examples,%,$(examplesdir))" "$(cmakedir)" "$(libdir)/cmake" "$(libdir)/evlog" "$(pkgconfigdir)" \
	  "$(docdir)" "$(patsubst %/evlog,%,$(docdir))" $(foreach n,1 3 5 7,"$(mandir)/man$n") "$(mandir)"; do \
	  [ ! -d "$(DESTDIR)$$dir" ] || rmdir --ignore-fail-on-non-empty "$(DESTDIR)$$dir"; done
	$(LDCONFIG)

# --------------------------------------------------------------- style ----

# The version of Debian 12 decides; others format otherwise.
CLANG_FORMAT := $(shell command -v clang-format-14 || echo clang-format)

format:
	@$(CLANG_FORMAT) --version | grep -q 'version 14\.' || { echo "make format requires clang-format 14" >&2; exit 1; }
	$(Q)$(CLANG_FORMAT) -i $(SOURCES)

# Writes the linker's list of exported symbols from the public headers.
symbols:
	$(Q)sh tests/symbols.sh map store/libevlog.map

.PHONY: all man deps deps-present demo clean install uninstall format symbols

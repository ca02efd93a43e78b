# Tests: each tests/test_X.c is a program, linked with the library's objects compiled with
# the sanitizers. What else one needs (objects of tools, wrapped calls) is said here by name.

TEST_CFLAGS := $(shell $(PKG_CONFIG) --cflags cmocka 2>/dev/null)
TEST_LIBS   := $(shell $(PKG_CONFIG) --libs cmocka jansson 2>/dev/null)
TEST_SECONDS = 600
ASAN_FLAGS   = -fsanitize=address,undefined
ASAN_LIB     = $(LIB_SRC:%.c=$(B)/asan/%.o)
TSAN_LIB     = $(LIB_SRC:%.c=$(B)/tsan/%.o)
TSAN_TESTS   = test_threads test_append test_flusher test_env test_receivers test_define \
               test_consumer_threads test_condition

$(B)/tests/%: $(B)/asan/tests/%.o $(ASAN_LIB)
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(Q)$(CC) $(ASAN_FLAGS) $(LDFLAGS) $(filter-out %.so,$^) $(LDEXTRA) $(LIB_LIBS) $(TEST_LIBS) -o $@

$(B)/tests-tsan/%: $(B)/tsan/tests/%.o $(TSAN_LIB)
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(Q)$(CC) -fsanitize=thread $(LDFLAGS) $^ $(LDEXTRA) $(LIB_LIBS) $(TEST_LIBS) -o $@

$(B)/tests/test_processes: LDEXTRA = -Wl,--wrap=mdb_env_set_mapsize
$(B)/tests/test_shared_making: LDEXTRA = -Wl,--wrap=pwrite
$(B)/tests/test_open_while_sent: LDEXTRA = -Wl,--wrap=pread
$(B)/tests/test_store: LDEXTRA = -Wl,--wrap=statfs,--wrap=pread
$(B)/tests/test_faults: LDEXTRA = -Wl,--wrap=mdb_env_set_mapsize
$(B)/tests/test_failed_flush: LDEXTRA = -Wl,--wrap=fdatasync
$(B)/tests/test_erase: LDEXTRA = -Wl,--wrap=fdatasync,--wrap=pwrite,--wrap=fcntl
$(B)/tests/test_shared: LDEXTRA = -Wl,--wrap=syscall
$(B)/tests/test_presence: LDEXTRA = -Wl,--wrap=fcntl
$(B)/tests/test_append $(B)/tests-tsan/test_append: LDEXTRA = -Wl,--wrap=mdb_txn_commit,--wrap=mdb_txn_begin
$(B)/tests/test_condition $(B)/tests-tsan/test_condition: LDEXTRA = -Wl,--wrap=mdb_txn_commit,--wrap=mdb_txn_begin,--wrap=mdb_txn_abort,--wrap=record_decode

$(B)/tests/test_env $(B)/tests-tsan/test_env: LDEXTRA = -Wl,--wrap=pread,--wrap=mdb_cursor_get
$(B)/tests/test_types $(B)/tests/test_sources: LDEXTRA = -Wl,--wrap=entry_digest
$(B)/tests/test_consumers: LDEXTRA = -Wl,--wrap=malloc,--wrap=calloc

$(B)/tests/test_event_filter: $(B)/asan/tools/event_filter.o
$(B)/tests/test_json: $(B)/asan/tools/json.o
$(B)/tests/test_value: $(B)/asan/tools/json.o
$(B)/tests/test_value_json: $(B)/asan/tools/text.o
$(B)/tests/test_value_json: LDEXTRA = -Wl,--wrap=snprintf,--wrap=strtod
$(B)/tests/test_lines: $(B)/asan/tools/lines.o
$(B)/tests/test_text: $(B)/asan/tools/text.o
$(B)/tests/test_times: $(B)/asan/tools/times.o

# Seals.
$(B)/tests/test_merkle: $(B)/asan/tools/merkle.o $(B)/asan/tools/sha256.o
$(B)/tests/test_merkle $(B)/tests/test_signed_note: LDEXTRA = -lsodium
$(B)/tests/test_signed_note: $(patsubst %,$(B)/asan/tools/%.o,signed_note sha256 tool progress stop text)
SEAL_TOOLS = audit audit_notes keyring sealed erasure leaf merkle signed_note sha256 tool progress stop text
$(B)/tests/fuzz_seal: $(SEAL_TOOLS:%=$(B)/asan/tools/%.o)
$(B)/tests/fuzz_seal: LDEXTRA = -lsodium

# The command with the sanitizers, for the tests of the command; plugins find the library in it.
$(B)/asan/evlog: $(TOOL_SRC:%.c=$(B)/asan/%.o) $(ASAN_LIB)
	$(call say,LINK,$@)
	$(Q)$(CC) $(ASAN_FLAGS) $(LDFLAGS) $^ -rdynamic $(LIB_LIBS) $(TOOL_LIBS) -o $@

$(B)/asan/evlog-relay: $(RELAY_SRC:%.c=$(B)/asan/%.o) $(patsubst %,$(B)/asan/tools/%.o,tool progress stop text) $(ASAN_LIB)
	$(call say,LINK,$@)
	$(Q)$(CC) $(ASAN_FLAGS) $(LDFLAGS) $^ -rdynamic $(LIB_LIBS) $$($(PKG_CONFIG) --libs jansson $(RELAY_PKGS)) -o $@

ASAN_WEB = $(if $(WEB),$(B)/asan/evlog-web)

$(B)/asan/evlog-web: $(WEB_SRC:%.c=$(B)/asan/%.o) $(WEB_TOOLS:%=$(B)/asan/tools/%.o) $(B)/obj/tools/web/files.o $(ASAN_LIB)
	$(call say,LINK,$@)
	$(Q)$(CC) $(ASAN_FLAGS) $(LDFLAGS) $^ -rdynamic $(LIB_LIBS) $(WEB_LIBS) -o $@

# The other side of the relays to and from Kafka.
$(B)/tests/kafka_peer: $(B)/obj/tests/kafka_peer.o
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(Q)$(CC) $(LDFLAGS) $^ $$($(PKG_CONFIG) --libs rdkafka) -o $@
KAFKA_PEER = $(if $(RELAY_KAFKA),$(B)/tests/kafka_peer)

$(B)/tests/test_clock: LDEXTRA = -Wl,--wrap=clock_gettime
$(B)/tests/test_room: LDEXTRA = -Wl,--wrap=fallocate
$(B)/tests/test_retain: LDEXTRA = -Wl,--wrap=clock_gettime
$(B)/tests/test_freelist: LDEXTRA = -Wl,--wrap=mdb_cursor_put,--wrap=mdb_txn_commit
$(B)/tests/test_proof: LDEXTRA = -Wl,--wrap=pread
$(B)/tests/test_watch: LDEXTRA = -Wl,--wrap=fstat
$(B)/tests/test_uuid: LDEXTRA = -Wl,--wrap=clock_gettime
$(B)/tests/test_random: LDEXTRA = -Wl,--wrap=getrandom
$(B)/tests/test_salvage: LDEXTRA = -Wl,--wrap=pread
$(B)/tests/test_flusher $(B)/tests-tsan/test_flusher: LDEXTRA = -Wl,--wrap=shared_end_get
$(B)/tests/test_trim: LDEXTRA = -Wl,--wrap=note_append,--wrap=store_range
$(B)/tests/test_pace: LDEXTRA = -Wl,--wrap=clock_gettime,--wrap=nanosleep
$(B)/tests/test_spans: LDEXTRA = -Wl,--wrap=clock_gettime,--wrap=nanosleep,--wrap=record_load_near

# Ranges.
$(B)/tests/test_cursor: LDEXTRA = -Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc
$(B)/tests/test_replay $(B)/tests/test_summary: LDEXTRA = -Wl,--wrap=pread

# Consumers.
$(B)/tests/test_consumer_pull: LDEXTRA = -Wl,--wrap=claim_take
$(B)/tests/test_consumer_clock: LDEXTRA = -Wl,--wrap=clock_gettime
$(B)/tests/test_consumer_threads $(B)/tests-tsan/test_consumer_threads: LDEXTRA = -Wl,--wrap=syscall

# Typed events.
$(B)/tests/test_typed: LDEXTRA = -Wl,--wrap=evlog_signal_is_enabled
$(B)/tests/test_define $(B)/tests-tsan/test_define: LDEXTRA = -Wl,--wrap=pthread_mutex_unlock
$(B)/tests/test_openedx: $(B)/asan/tools/json.o

# The extension of SQLite, in the test itself, so that the sanitizers see it.
SQL_TESTS = $(B)/tests/test_sql $(B)/tests/fuzz_sql
$(SQL_TESTS): $(SQL_SRC:%.c=$(B)/asan/%.o)
$(SQL_TESTS): LDEXTRA = $$($(PKG_CONFIG) --libs sqlite3)

$(B)/tests/test_nomem: LDEXTRA = -Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc

# Plugins: the example, and tests/plugin.c in each of its kinds.
PLUGIN_KINDS = good failing unlinked old nameless startless refusing
PLUGINS      = $(B)/plugins/preferences.so $(PLUGIN_KINDS:%=$(B)/plugins/%.so)

$(PLUGIN_KINDS:%=$(B)/plugins/%.so): $(B)/plugins/%.so: tests/plugin.c store/evlog.h
	@mkdir -p $(@D)
	$(Q)$(CC) $(filter-out -MMD -MP,$(STD)) $(WARN) -Istore -DPLUGIN_$* $(CPPFLAGS) $(CFLAGS) -shared $< -o $@

$(B)/tests/test_plugin: $(PLUGINS)
$(B)/tests/test_plugin: LDEXTRA = -rdynamic

# Fuzz targets, with the plain driver; with clang: make fuzz-unpack, fuzz-schema, fuzz-value, fuzz-record, fuzz-seal.
FUZZERS     = fuzz_unpack fuzz_schema fuzz_value fuzz_record fuzz_events fuzz_state fuzz_sql fuzz_salvage fuzz_seal
FUZZ_ROUNDS = 4000
run-fuzz_events run-fuzz_state run-fuzz_sql: FUZZ_ROUNDS = 400
run-fuzz_salvage: FUZZ_ROUNDS = 150
fuzz-sql: FUZZ_MORE = -Itools/sql $(SQL_SRC) -lsqlite3
fuzz-seal: FUZZ_MORE = $(SEAL_TOOLS:%=tools/%.c) -ljansson -lsodium

$(FUZZERS:%=$(B)/tests/%): $(B)/asan/tests/fuzz_main.o

CLANG       = clang
FUZZ_CFLAGS = $(filter-out -MMD -MP,$(STD)) $(INC_tests) $(LIB_CFLAGS) $(TEST_CFLAGS) -g -O1

fuzz-%: tests/fuzz_%.c
	@mkdir -p $(B)/fuzz/$*
	$(CLANG) -fsanitize=fuzzer,address,undefined $(FUZZ_CFLAGS) $< $(LIB_SRC) $(FUZZ_MORE) $(LIB_LIBS) -lcmocka -o $(B)/fuzz/fuzz_$*
	$(B)/fuzz/fuzz_$* $(FUZZ_FLAGS) $(B)/fuzz/$* tests/corpus/$*

# The log of this format that is kept; prints what test_format.c has of it.
fixture: $(B)/tests/make_fixture
	@rm -rf $(B)/fixture && mkdir $(B)/fixture
	$(Q)$(B)/tests/make_fixture $(B)/fixture/log
	$(Q)tar -C $(B)/fixture --owner=0 --group=0 -c log/format log/events.mdb log/state.mdb log/edge log/journal | gzip -9n >tests/fixtures/log-format-2.tar.gz

# Power cuts and kills (tests/power/README.md). Without the sanitizers: the recorder is preloaded.
INC_tests_power = -Istore -Itests/power
$(B)/tests/test_rebuild: $(B)/asan/tests/power/rebuild.o
POWER = $(B)/tests/power/power $(B)/tests/power/recorder.so $(B)/tests/power/kill

$(B)/tests/power/power: $(patsubst %,$(B)/obj/tests/power/%.o,power deaths halves harness rebuild scenarios session traced verdict) $(B)/libevlog.a
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(Q)$(CC) $(LDFLAGS) $^ $(LIB_LIBS) -o $@

# It gives the scenarios a function that they look for.
$(B)/tests/power/kill: $(patsubst %,$(B)/obj/tests/power/%.o,kill halves scenarios traced verdict) $(B)/libevlog.a
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(Q)$(CC) $(LDFLAGS) -rdynamic $^ $(LIB_LIBS) -o $@

$(B)/tests/power/recorder.so: $(B)/obj/tests/power/recorder.o
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(Q)$(CC) -shared $(LDFLAGS) $^ -ldl -pthread -o $@

# evlog beside SQLite and a file of JSON lines, harmed in the same ways: a table (tests/prove/prove.c).
INC_tests_prove = $(INC_tests_power) -Itests/prove
PROVE_FLAGS =

$(B)/tests/power/prove: $(B)/obj/tests/prove/prove.o $(B)/obj/tests/prove/subjects.o $(B)/obj/tests/power/rebuild.o $(B)/libevlog.a
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(Q)$(CC) $(LDFLAGS) $^ $(LIB_LIBS) $$($(PKG_CONFIG) --libs sqlite3 jansson) -o $@

prove:
	@$(DEPS) install lmdb msgpack libxxhash jansson sqlite3
	@$(MAKE) --no-print-directory -s $(B)/tests/power/prove $(B)/tests/power/recorder.so
	@$(B)/tests/power/prove $(PROVE_FLAGS)

# Without the sanitizers: ten thousand processes, each of which opens a log four times; limits to
# the address space, which the sanitizers want all of; and how long sends take.
$(B)/tests/test_flips $(B)/tests/test_limits $(B)/tests/test_years: $(B)/tests/%: $(B)/obj/tests/%.o $(B)/libevlog.a
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(Q)$(CC) $(LDFLAGS) $^ $(LIB_LIBS) $(TEST_LIBS) -o $@

# ------------------------------------------------------------- running ----

# In this order, the longest first, so that with -j2 both processors are busy to the end.
LONG_RUNS = test_flips test_power.sh test_tools.sh test_consumer_tool.sh test_kill.sh test_reader test_faults test_consumer_faults test_upkeep_faults test_state
RUNS     := $(LONG_RUNS) $(filter-out $(LONG_RUNS),$(TESTS) $(FUZZERS) $(notdir $(wildcard tests/test_*.sh)))
RESULTS   = $(B)/results
RUN       = sh tests/run.sh $(RESULTS) $(TEST_SECONDS)

# `make run-test_X` builds and runs one.
run-test_power.sh run-test_kill.sh: $(POWER)
run-test_relay.sh: $(B)/plugins/preferences.so
run-test_web.sh run-test_json_output.sh: $(B)/plugins/refusing.so
run-test_relay_kafka.sh: $(KAFKA_PEER)

$(FUZZERS:%=run-%): run-fuzz_%: $(B)/tests/fuzz_% | $(RESULTS)
	@$(RUN) fuzz_$* $< tests/corpus/$* $(FUZZ_ROUNDS)

$(TESTS:%=run-%): run-%: $(B)/tests/% $(B)/evlog | $(RESULTS)
	@$(RUN) $* env EVLOG=$(B)/evlog EVLOG_BUILD=$(B) $<

$(filter %.sh,$(RUNS:%=run-%)): run-%: all $(B)/asan/evlog $(B)/asan/evlog-relay $(ASAN_WEB) | $(RESULTS)
	@$(RUN) $* sh tests/$* $(B)

$(TSAN_TESTS:%=run-tsan-%): run-tsan-%: $(B)/tests-tsan/% | $(RESULTS)
	@$(RUN) $*-tsan $<

$(RESULTS):
	@mkdir -p $@

test-programs: all $(filter-out %.sh,$(RUNS:%=$(B)/tests/%)) $(B)/asan/evlog $(B)/asan/evlog-relay $(ASAN_WEB) $(POWER) $(KAFKA_PEER)
	@:

# Everything is built before anything runs: tests have time limits, and some measure.
check: deps
	@$(MAKE) --no-print-directory test-programs
	@rm -rf $(RESULTS)
	@$(MAKE) --no-print-directory $(RUNS:%=run-%)
	@sh tests/summary.sh $(RESULTS) $(words $(RUNS))

# Power cuts, kills, flipped bits and failing calls in numbers that take minutes, and a newcomer's first ones; SEED=N
# repeats a run.
check-long: all $(POWER) $(B)/tests/test_salvage $(B)/tests/test_years $(B)/tests/test_upkeep $(B)/tests/test_flips $(B)/tests/test_faults $(B)/tests/test_consumer_faults $(B)/tests/test_upkeep_faults
	@sh tests/test_power.sh $(B) long
	@sh tests/test_kill.sh $(B) long
	@$(B)/tests/test_flips long
	@$(B)/tests/test_salvage long
	@$(B)/tests/test_years long
	@$(B)/tests/test_upkeep long
	@FAULTS=all $(B)/tests/test_faults
	@FAULTS=all $(B)/tests/test_consumer_faults
	@FAULTS=all $(B)/tests/test_upkeep_faults
	@sh tests/newcomer.sh

# The relays with the real producers and consumers, Kafka and Redis; fetches what it needs. Minutes.
check-bus: deps
	@$(MAKE) --no-print-directory -s all $(KAFKA_PEER)
	@sh tests/check_bus.sh $(B)

# The page in Chromium, with screenshots in build/web: Debian's chromium and chromium-driver. A minute.
check-web: all $(B)/plugins/refusing.so
	@sh tests/check_web.sh $(B)

# The picture of the README, made anew.
screenshot: all $(B)/plugins/refusing.so
	@sh tests/check_web.sh $(B) test_the_picture_of_the_readme
	$(Q)cp $(B)/web/page.png tools/web/page.png

# Breaks each guarantee of the README in turn: its test must fail (tests/mutants.sh). Many minutes.
MUTANTS := $(patsubst tests/mutants/%.patch,%,$(wildcard tests/mutants/*.patch))

$(MUTANTS:%=mutant-%): mutant-%: test-programs
	+@sh tests/mutants.sh run $(B) $*

check-mutants: deps
	@$(MAKE) --no-print-directory test-programs
	@rm -rf $(B)/mutants
	@$(MAKE) --no-print-directory $(MUTANTS:%=mutant-%) >/dev/null
	@sh tests/mutants.sh table $(B)

# The Python package; PYTHON=python3.13 takes another interpreter.
check-python: all
	@sh tests/test_python.sh $(B)

tsan-programs: $(TSAN_TESTS:%=$(B)/tests-tsan/%)
	@:

check-tsan: deps
	@$(MAKE) --no-print-directory tsan-programs
	@rm -rf $(RESULTS)-tsan
	@$(MAKE) --no-print-directory RESULTS=$(RESULTS)-tsan $(TSAN_TESTS:%=run-tsan-%)
	@sh tests/summary.sh $(RESULTS)-tsan $(words $(TSAN_TESTS))

lint: all
	@sh tests/lint.sh $(B)

.SECONDARY:
.PHONY: fixture prove check check-bus check-web screenshot check-python check-long check-mutants check-tsan lint test-programs tsan-programs $(MUTANTS:%=mutant-%) $(RUNS:%=run-%) $(TSAN_TESTS:%=run-tsan-%)

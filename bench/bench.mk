# Every job (bench.c) beside its yardsticks, in the same run. BENCH_ROUNDS=1 is the short form; BENCH="-o json" for a
# program.

BENCH_ROUNDS = 7
BENCH =

# Peers that are not installed are left out, with a line.
BENCH_PEERS := $(foreach package,sqlite3 hiredis,$(shell $(PKG_CONFIG) --exists $(package) 2>/dev/null && echo $(package)))
BENCH_OF = $(if $(filter sqlite3,$(BENCH_PEERS)),-DBENCH_SQLITE) $(if $(filter hiredis,$(BENCH_PEERS)),-DBENCH_REDIS)
INC_bench += $(BENCH_OF) -DBENCH_FLAGS='"$(CFLAGS)"' -DBENCH_COMPILER='"$(shell $(CC) --version 2>/dev/null | head -n 1)"'
BENCH_OBJ = $(patsubst %,$(B)/obj/bench/%.o,bench measure senders peers reads waits typed growth)

$(B)/bench: $(BENCH_OBJ) $(B)/libevlog.a
	$(call say,LINK,$@)
	$(Q)$(CC) $(LDFLAGS) -Wl,--wrap=fdatasync $^ $(LIB_LIBS) $(if $(BENCH_PEERS),$$($(PKG_CONFIG) --libs $(BENCH_PEERS))) -ldl -o $@

$(B)/bench-%: $(B)/obj/bench/%.o $(B)/libevlog.a
	$(call say,LINK,$@)
	$(Q)$(CC) $(LDFLAGS) $^ $(LIB_LIBS) -o $@

# tephra is a peer where cargo is and can get it; not in the short form, since it takes a minute to build.
TEPHRA = cargo build --quiet --release --manifest-path bench/tephra/Cargo.toml --target-dir $(B)/tephra

bench: deps
	@$(DEPS) install sqlite3 hiredis redis-server || echo "(peers that are not installed are left out)" >&2
	@[ "$(BENCH_ROUNDS)" = 1 ] || ! command -v cargo >/dev/null || timeout 600 $(TEPHRA) || echo "(tephra cannot be built here)" >&2
	@$(MAKE) --no-print-directory -s $(B)/bench $(B)/evlog
	@$(B)/bench $(BENCH) $(BENCH_ROUNDS)

# What keeps a log for years, beside cp and raw LMDB, and trimming beside a sender: three minutes a round.
bench-upkeep: deps
	@$(MAKE) --no-print-directory -s $(B)/bench-upkeep $(B)/bench-trim $(B)/evlog
	@$(B)/bench-upkeep $(BENCH_ROUNDS)
	@$(B)/bench-trim 3

# Instructions an event of the hot paths, beside those in bench/instructions.txt.
bench-check: deps
	@$(MAKE) --no-print-directory -s $(B)/bench-paths
	@sh bench/instructions.sh check $(B)

# The relays out beside redis-benchmark and a bare producer of librdkafka: two minutes.
bench-relay: all $(KAFKA_PEER)
	@sh bench/relay.sh $(B) $(BENCH_ROUNDS)

.PHONY: bench bench-relay bench-upkeep bench-check

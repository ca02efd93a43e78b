# Benchmarks: each beside the yardstick it is measured against, in the same run.

BENCH_ROUNDS = 7

$(B)/bench: $(B)/obj/bench/bench.o $(B)/libevlog.a
	$(call say,LINK,$@)
	$(Q)$(CC) $(LDFLAGS) $^ $(LIB_LIBS) -o $@

$(B)/bench-consumers: $(B)/obj/bench/consumers.o $(B)/libevlog.a
	$(call say,LINK,$@)
	$(Q)$(CC) $(LDFLAGS) $^ $(LIB_LIBS) -o $@

$(B)/bench-typed: $(B)/obj/bench/typed.o $(B)/libevlog.a
	$(call say,LINK,$@)
	$(Q)$(CC) $(LDFLAGS) $^ $(LIB_LIBS) -o $@

$(B)/bench-upkeep: $(B)/obj/bench/upkeep.o $(B)/libevlog.a
	$(call say,LINK,$@)
	$(Q)$(CC) $(LDFLAGS) $^ $(LIB_LIBS) -o $@

$(B)/bench-peers: $(B)/obj/bench/peers.o $(B)/libevlog.a
	$(call say,LINK,$@)
	$(Q)$(CC) $(LDFLAGS) -Wl,--wrap=fdatasync $^ $(LIB_LIBS) $$($(PKG_CONFIG) --libs sqlite3 hiredis) -o $@

$(B)/bench-trim: $(B)/obj/bench/trim.o $(B)/libevlog.a
	$(call say,LINK,$@)
	$(Q)$(CC) $(LDFLAGS) $^ $(LIB_LIBS) -o $@

bench: deps
	@$(DEPS) install sqlite3 hiredis redis-server
	@$(MAKE) --no-print-directory -s $(B)/bench $(B)/bench-peers $(B)/bench-consumers $(B)/bench-typed $(B)/bench-upkeep $(B)/bench-trim $(B)/evlog
	@$(B)/bench $(BENCH_ROUNDS)
	@$(B)/bench-peers $(BENCH_ROUNDS)
	@$(B)/bench-consumers $(BENCH_ROUNDS)
	@$(B)/bench-typed $(BENCH_ROUNDS)
	@$(B)/bench-upkeep $(BENCH_ROUNDS)
	@$(B)/bench-trim 3

# Beside those of another commit, in turns: see bench/compare.sh.
BENCH_BASE = 7536e76

bench-compare: deps
	@sh bench/compare.sh $(BENCH_BASE) $(BENCH_ROUNDS)

.PHONY: bench bench-compare

# Tests: each tests/test_X.c is a program, linked with the library's objects compiled with
# the sanitizers. What else one needs (objects of tools, wrapped calls) is said here by name.

TEST_CFLAGS := $(shell $(PKG_CONFIG) --cflags cmocka 2>/dev/null)
TEST_LIBS   := $(shell $(PKG_CONFIG) --libs cmocka jansson 2>/dev/null)
TEST_SECONDS = 300
ASAN_FLAGS   = -fsanitize=address,undefined
ASAN_LIB     = $(LIB_SRC:%.c=$(B)/asan/%.o)
TSAN_LIB     = $(LIB_SRC:%.c=$(B)/tsan/%.o)
TSAN_TESTS   = test_threads

$(B)/tests/%: $(B)/asan/tests/%.o $(ASAN_LIB)
	@mkdir -p $(@D)
	$(if $(Q),@echo '  LINK  $@')
	$(Q)$(CC) $(ASAN_FLAGS) $(LDFLAGS) $^ $(LDEXTRA) $(LIB_LIBS) $(TEST_LIBS) -o $@

$(B)/tests-tsan/%: $(B)/tsan/tests/%.o $(TSAN_LIB)
	@mkdir -p $(@D)
	$(if $(Q),@echo '  LINK  $@')
	$(Q)$(CC) -fsanitize=thread $(LDFLAGS) $^ $(LDEXTRA) $(LIB_LIBS) $(TEST_LIBS) -o $@

$(B)/tests/test_processes: LDEXTRA = -Wl,--wrap=mdb_env_set_mapsize
$(B)/tests/test_consumer_clock: LDEXTRA = -Wl,--wrap=clock_gettime

check: deps
	@$(MAKE) --no-print-directory all
	@$(MAKE) --no-print-directory run-tests

run-tests: $(TESTS:%=$(B)/tests/%) $(B)/evlog
	@failed=; for test in $(TESTS); do \
	  echo "== $$test"; EVLOG=$(B)/evlog timeout $(TEST_SECONDS) $(B)/tests/$$test || failed="$$failed $$test"; \
	done; \
	for test in tests/test_*.sh; do \
	  echo "== $$test"; timeout $(TEST_SECONDS) sh $$test $(B) || failed="$$failed $$test"; \
	done; \
	if [ "$$failed" ]; then echo "FAILED:$$failed"; exit 1; fi; echo "all tests passed"

check-tsan: deps
	@$(MAKE) --no-print-directory run-tsan

run-tsan: $(TSAN_TESTS:%=$(B)/tests-tsan/%)
	@for test in $(TSAN_TESTS); do \
	  echo "== $$test (thread sanitizer)"; timeout $(TEST_SECONDS) $(B)/tests-tsan/$$test || exit 1; done

lint: all
	@sh tests/lint.sh $(B)

.SECONDARY:
.PHONY: check run-tests check-tsan run-tsan lint

# SPDX-License-Identifier: MIT
# The hosted library: the malloc family of Linux programs, for measurements beside other allocators.

PRELOAD := build/preload-$(COMPILER)$(HARDENED)
PRELOAD_LIBRARIES := $(PRELOAD)/libquarry-preload.so $(PRELOAD)/libquarry-preload-sharing.so
PRELOAD_SOURCES := $(HOSTED_LIB_SOURCES) $(MM_SOURCES) $(sort $(wildcard hosted/*.c))

# No builtin malloc(): the compiler would turn malloc() and a clear inside calloc() into calloc().
PRELOAD_FLAGS := -std=gnu11 -D_GNU_SOURCE -O2 $(COMMON) -Ihosted -DQUARRY_CACHE_SHARE=256 -fPIC -fvisibility=hidden -pthread \
               -fno-strict-aliasing $(NO_BUILTIN_MALLOC)

# initfirst: its constructor runs before those of other libraries (hosted/fork.c).
PRELOAD_LINK := -Wl,-z,now -Wl,-z,initfirst -Wl,--no-undefined

$(PRELOAD)/%.o: %.c
	@mkdir -p $(@D)
	$(Q)$(CC) $(PRELOAD_FLAGS) -c $< -o $@

$(PRELOAD)/libquarry-preload.so: $(call objects,$(PRELOAD),$(PRELOAD_SOURCES))
	$(SAY) LD '$@'
	$(Q)$(CC) -shared -pthread $(PRELOAD_LINK) -o $@ $^

# The same, but no thread has a cache of its own: all threads use restartable sequences.
$(PRELOAD)/hosted/threads-sharing.o: hosted/threads.c
	@mkdir -p $(@D)
	$(Q)$(CC) $(PRELOAD_FLAGS) -DHOSTED_THREAD_CACHES=0 -c $< -o $@

$(PRELOAD)/libquarry-preload-sharing.so: $(call objects,$(PRELOAD),$(filter-out hosted/threads.c,$(PRELOAD_SOURCES))) $(PRELOAD)/hosted/threads-sharing.o
	$(SAY) LD '$@'
	$(Q)$(CC) -shared -pthread $(PRELOAD_LINK) -o $@ $^

# The test programs, compiled so that the compiler does not know what malloc() is. early is linked
# with a library that starts before the program.
PRELOAD_TESTS := $(PRELOAD)/family $(PRELOAD)/forks $(PRELOAD)/early $(PRELOAD)/memory
PRELOAD_TEST_FLAGS := -std=gnu11 -D_GNU_SOURCE -O1 -g -I. -Wall -Wextra -Werror -Wno-unknown-warning-option -Wno-alloc-size-larger-than \
   -fno-builtin -pthread

$(PRELOAD)/%: tests/preload/%.c tests/preload/test.h
	@mkdir -p $(@D)
	$(SAY) LD '$@'
	$(Q)$(CC) $(PRELOAD_TEST_FLAGS) -o $@ $(filter %.c %.so,$^) -Wl,-rpath,'$$ORIGIN'

$(PRELOAD)/libearly.so: tests/preload/earlylib.c
	@mkdir -p $(@D)
	$(SAY) LD '$@'
	$(Q)$(CC) $(PRELOAD_TEST_FLAGS) -fPIC -shared -Wl,-soname,libearly.so -o $@ $<

$(PRELOAD)/early: $(PRELOAD)/libearly.so

.PHONY: preload
preload: $(PRELOAD_LIBRARIES) ##package the hosted library: LD_PRELOAD=build/preload-gcc/libquarry-preload.so PROGRAM

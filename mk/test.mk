# SPDX-License-Identifier: MIT
# All tests at once, the boot matrix, the examples.

# The guest is also built with assertions, with the fast path that masks interrupts, by clang, and
# hardened; each of these builds boots once. The host tests are also built hardened.
# (make test HARDEN=1 runs the whole matrix hardened.)
VARIANT_IMAGES := build/guest-$(COMPILER)-debug$(HARDENED) build/guest-$(COMPILER)-masked$(HARDENED) build/guest-clang$(HARDENED)
VARIANT_PROGRAMS :=
ifeq ($(HARDEN),0)
VARIANT_IMAGES += build/guest-$(COMPILER)-harden1 build/guest-$(COMPILER)-harden2
VARIANT_PROGRAMS := $(foreach level,1 2,--host $(HOST)-harden$(level)/run-tests \
   --asan $(ASAN)-harden$(level)/run-tests --tsan $(TSAN)-harden$(level)/run-tests \
   --explore $(EXPLORE)-harden$(level)/explore)
endif

.PHONY: variants test test-qemu test-examples

variants:
	@$(MAKE) --no-print-directory DEBUG=1 image
	@$(MAKE) --no-print-directory MASKED=1 DEBUG=0 image
	@$(MAKE) --no-print-directory CC=clang DEBUG=0 image
ifeq ($(HARDEN),0)
	@$(MAKE) --no-print-directory HARDEN=1 image host-programs
	@$(MAKE) --no-print-directory HARDEN=2 image host-programs
endif

TEST_PRODUCTS := $(HOST_PROGRAMS) $(CHECK_OPTIONS) $(GUEST)/quarry.o $(PRELOAD_LIBRARIES) $(PRELOAD_TESTS) dist usb \
   $(if $(HARDENED),,$(SCALING)/scaling)

test: image variants $(TEST_PRODUCTS) ##test all tests: host, sanitizers, guest, release; ends with a count
	@$(PYTHON) tests/run.py --host $(HOST)/run-tests --asan $(ASAN)/run-tests --tsan $(TSAN)/run-tests --explore $(EXPLORE)/explore $(VARIANT_PROGRAMS) \
	   --model tests/model/check.sh --dist $(DIST_FOLDER) --object $(GUEST)/quarry.o --settings="-DQUARRY_HARDEN=$(HARDEN) $(GUEST_SETTINGS)" \
	   --usb $(USB_IMAGE) --application $(GUEST)/BOOTX64.EFI $(addprefix --preload ,$(PRELOAD_LIBRARIES)) $(if $(HARDENED),,--scaling $(SCALING)/scaling) --image $(GUEST)/quarry.img --elf $(GUEST)/quarry.elf --accel $(ACCEL) \
	   --filter "$(T)" $(patsubst %,--variant %/quarry.img,$(VARIANT_IMAGES))

test-qemu: image ##test the boot matrix: CPUs, memory sizes, machines (T=substring)
	@$(PYTHON) tests/run.py --image $(GUEST)/quarry.img --elf $(GUEST)/quarry.elf --accel $(ACCEL) --filter "$(T)"

EXAMPLE_PACKAGES := grub-efi-amd64-bin grub-common xorriso linux-image-amd64 linux-headers-amd64 busybox-static cpio
test-examples: dist ##test every example built and booted: kernels, Debian's Linux with Quarry inside, C++, Rust
	@sh tests/deps.sh $(EXAMPLE_PACKAGES)
	@sh tests/examples.sh build/examples full

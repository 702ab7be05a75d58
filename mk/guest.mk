# SPDX-License-Identifier: MIT
# The guest: the UEFI application that runs on bare metal, its images, and quarry.o as a kernel
# links it.

GUEST := build/guest-$(COMPILER)$(if $(filter 1,$(DEBUG)),-debug)$(if $(filter 1,$(MASKED)),-masked)$(HARDENED)

ARCH_SOURCES := $(sort $(wildcard arch/x86_64/*.c))
BOOT_SOURCES := $(sort $(wildcard boot/*.c boot/x86_64/*.c tests/bench/guest/*.c)) boot/x86_64/entry.S
GUEST_SOURCES := $(LIB_SOURCES) $(MM_SOURCES) $(TEST_SOURCES) $(ARCH_SOURCES) $(BOOT_SOURCES)

EFI := /usr/include/efi
EFI_LIBRARY := /usr/lib
FONT := /usr/share/fonts/X11/misc/ter-u16n_iso-8859-1.pcf.gz

GUEST_SETTINGS := -DQUARRY_DEBUG=$(DEBUG) -DQUARRY_FAULTS=$(DEBUG) -DQUARRY_MASKED=$(MASKED)

# A section for each function and object: a kernel's linker can leave out what it does not use.
GUEST_FLAGS := -std=c11 -O2 $(COMMON) -Iarch/x86_64 -I$(GUEST) -isystem $(EFI) -isystem $(EFI)/x86_64 \
               $(GUEST_SETTINGS) -ffreestanding -fpie -fvisibility=hidden -fshort-wchar \
               -fno-stack-protector -fno-strict-aliasing -fno-asynchronous-unwind-tables \
               -ffunction-sections -fdata-sections \
               -mno-red-zone -mgeneral-regs-only -fcf-protection=none \
               $(if $(HARDENED)$(filter 1,$(DEBUG)),$(FRAME_POINTERS))

$(GUEST)/%.o: %.c
	@mkdir -p $(@D)
	$(Q)$(CC) $(GUEST_FLAGS) -c $< -o $@

$(GUEST)/%.o: %.S
	@mkdir -p $(@D)
	$(Q)$(CC) $(GUEST_FLAGS) -c $< -o $@

$(GUEST)/font.h: boot/font.py $(FONT)
	@mkdir -p $(@D)
	$(SAY) FONT '$@'
	$(Q)$(PYTHON) boot/font.py $(FONT) $@

$(GUEST)/boot/screen.o: $(GUEST)/font.h

GUEST_OBJECTS := $(call objects,$(GUEST),$(GUEST_SOURCES))

# --no-undefined: a missing function is an error here, not a jump to address 0 in the guest.
$(GUEST)/quarry.elf: $(GUEST_OBJECTS) linker.ld
	$(SAY) LD '$@'
	$(Q)ld -shared -Bsymbolic -nostdlib --no-undefined -z noexecstack -z max-page-size=4096 \
	   --warn-common -T linker.ld -o $@ \
	   $(EFI_LIBRARY)/crt0-efi-x86_64.o $(GUEST_OBJECTS) -L$(EFI_LIBRARY) -lefi -lgnuefi

$(GUEST)/BOOTX64.EFI: $(GUEST)/quarry.elf boot/pe.py
	$(SAY) PE '$@'
	$(Q)objcopy -j .text -j .rodata -j .data -j .reloc -j .dynamic -j .rela -j .dynsym \
	   --output-target=efi-app-x86_64 --subsystem=10 --section-alignment=4096 $< $@
	$(Q)$(PYTHON) boot/pe.py $@

# A FAT image without partitions: QEMU's firmware takes it for a removable disk.
$(GUEST)/quarry.img: $(GUEST)/BOOTX64.EFI
	$(SAY) IMAGE '$@'
	$(Q)rm -f $@
	$(Q)mformat -C -i $@ -h 64 -t 32 -s 32 -N 51554152 -v QUARRY ::
	$(Q)mmd -i $@ ::/EFI ::/EFI/BOOT
	$(Q)mcopy -i $@ $< ::/EFI/BOOT/BOOTX64.EFI

# The allocator alone, as a kernel links it: one object; only names of the public headers are visible.
# --unique: sections of two files stay two, also where their functions have the same name.
ALLOCATOR_OBJECTS := $(call objects,$(GUEST),$(LIB_SOURCES) $(MM_SOURCES) arch/x86_64/fast_path.c)
$(GUEST)/quarry.o: $(ALLOCATOR_OBJECTS)
	$(SAY) LD '$@'
	$(Q)ld -r --unique='.text.*' --unique='.rodata.*' --unique='.data.*' --unique='.bss.*' -o $@.tmp $(ALLOCATOR_OBJECTS)
	$(Q)objcopy --wildcard --keep-global-symbol='quarry_*' $@.tmp $@
	$(Q)rm -f $@.tmp

# The guest's parser of options as a program (mk/host.mk): wrong options are refused before QEMU starts.
CHECK_OPTIONS := build/host-$(COMPILER)$(HARDENED)/check-options

QEMU_RUN = $(PYTHON) tests/qemu/qemu.py --image $(GUEST)/quarry.img --accel $(ACCEL) \
           --machine $(MACHINE) --cpu $(CPU) --check-options $(CHECK_OPTIONS)
USB_IMAGE := build/quarry-usb.img

.PHONY: image run gdb usb

image: $(GUEST)/quarry.img ##build build the bootable image

run: image $(CHECK_OPTIONS) ##run boot in QEMU and show the result (SMP=4 MEM=512M ARGS="...")
	@$(QEMU_RUN) boot --smp "$(SMP)" --mem "$(MEM)" --args "$(ARGS)"

gdb: image $(CHECK_OPTIONS) ##inspect boot in QEMU and start gdb with symbols; the guest waits for it
	@$(QEMU_RUN) gdb --smp "$(SMP)" --mem "$(MEM)" --args "$(ARGS)" --elf $(GUEST)/quarry.elf

usb: $(GUEST)/BOOTX64.EFI ##package build/quarry-usb.img for a USB stick (SIGN_KEY=FILE SIGN_CERT=FILE for Secure Boot)
	$(SAY) USB    '$(USB_IMAGE)'
	$(Q)sh tools/usb.sh $< boot/quarry.cfg $(USB_IMAGE)

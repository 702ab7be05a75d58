/* SPDX-License-Identifier: MIT */
/*
 * The part of the UEFI application that calls the firmware: from efi_main() to the handoff.
 *
 * In order: the watchdog is disabled; options, perhaps from a menu (session.c); the framebuffer;
 * ACPI; the rate of the timestamp counter; memory for the harness; then the memory map and
 * ExitBootServices, in a loop, because the map may change between the two calls. After the first
 * attempt the firmware must not be asked for memory, so all buffers are allocated before, with
 * space for a longer map.
 *
 * Only this file, session.c, menu.c and usb.c use UEFI's types. efi_main() is declared as an
 * ordinary C function because GNU-EFI's start-up code calls it that way. The firmware's functions
 * are called through uefi_call_wrapper().
 */
#include <efi.h>

#include "boot/acpi.h"
#include "boot/handoff.h"
#include "boot/session.h"
#include "boot/x86_64/instructions.h"
#include "boot/x86_64/machine.h"
#include "lib/bits.h"
#include "lib/format.h"
#include "lib/memory.h"

EFI_STATUS efi_main(EFI_HANDLE image, EFI_SYSTEM_TABLE *system);

static EFI_SYSTEM_TABLE *table;
static EFI_BOOT_SERVICES *services;
static EFI_RUNTIME_SERVICES *runtime;
static struct handoff handoff;

/* ---- messages on the firmware's console ---- */

static void print(const CHAR16 *text)
{
    if (table->ConOut != NULL)
        uefi_call_wrapper(table->ConOut->OutputString, 2, table->ConOut, (CHAR16 *)text);
}

static EFI_STATUS fail(const CHAR16 *reason)
{
    print(u"Quarry cannot start: ");
    print(reason);
    print(u"\r\n");
    return EFI_LOAD_ERROR;
}

/* ---- information from the firmware ---- */

static void read_firmware_name(void)
{
    char vendor[40];
    size_t length = 0;
    while (length + 1 < sizeof vendor && table->FirmwareVendor[length] != 0) {
        CHAR16 c = table->FirmwareVendor[length];
        vendor[length++] = c >= 0x20 && c < 0x7f ? (char)c : '?';
    }
    vendor[length] = 0;
    format_text(handoff.firmware, sizeof handoff.firmware, "%s, UEFI %u.%u", vendor,
                table->Hdr.Revision >> 16, (table->Hdr.Revision & 0xffff) / 10);
}

static void find_framebuffer(void)
{
    EFI_GUID protocol = EFI_GRAPHICS_OUTPUT_PROTOCOL_GUID;
    EFI_GRAPHICS_OUTPUT_PROTOCOL *graphics = NULL;
    uefi_call_wrapper(services->LocateProtocol, 3, &protocol, NULL, (void **)&graphics);
    if (graphics == NULL || graphics->Mode == NULL || graphics->Mode->Info == NULL)
        return;
    const EFI_GRAPHICS_OUTPUT_MODE_INFORMATION *mode = graphics->Mode->Info;
    bool red_first = mode->PixelFormat == PixelRedGreenBlueReserved8BitPerColor;
    if (!red_first && mode->PixelFormat != PixelBlueGreenRedReserved8BitPerColor)
        return; /* no linear framebuffer, or a pixel format that screen.c does not support */
    handoff.framebuffer = (struct framebuffer){
        .base = graphics->Mode->FrameBufferBase,
        .bytes = graphics->Mode->FrameBufferSize,
        .width = mode->HorizontalResolution,
        .height = mode->VerticalResolution,
        .pixels_per_line = mode->PixelsPerScanLine,
        .red_first = red_first,
    };
}

static bool same_guid(const EFI_GUID *left, const EFI_GUID *right)
{
    bool same =
        left->Data1 == right->Data1 && left->Data2 == right->Data2 && left->Data3 == right->Data3;
    for (size_t i = 0; i < sizeof left->Data4; i++)
        same = same && left->Data4[i] == right->Data4[i];
    return same;
}

static void read_acpi(void)
{
    EFI_GUID newer = ACPI_20_TABLE_GUID;
    EFI_GUID older = ACPI_TABLE_GUID;
    const void *root = NULL;
    for (UINTN i = 0; i < table->NumberOfTableEntries; i++) {
        const EFI_CONFIGURATION_TABLE *entry = &table->ConfigurationTable[i];
        bool is_newer = same_guid(&entry->VendorGuid, &newer);
        if (is_newer || (root == NULL && same_guid(&entry->VendorGuid, &older)))
            root = entry->VendorTable;
    }
    acpi_read(root, cpuid(1).ebx >> 24, &handoff);
}

static void measure_clock(void)
{
    const UINTN microseconds = 20000;
    uint64_t start = timestamp();
    uefi_call_wrapper(services->Stall, 1, microseconds);
    handoff.ticks_per_second = (timestamp() - start) * (1000000 / microseconds);
}

/* ---- memory ---- */

static bool allocate_below(uint64_t limit, size_t bytes, uintptr_t *start)
{
    EFI_PHYSICAL_ADDRESS address = limit - 1;
    UINTN pages = divide_up(bytes, EFI_PAGE_SIZE);
    EFI_STATUS status = uefi_call_wrapper(services->AllocatePages, 4, AllocateMaxAddress,
                                          EfiLoaderData, pages, &address);
    *start = address;
    if (!EFI_ERROR(status))
        memory_clear((void *)*start, pages * EFI_PAGE_SIZE);
    return !EFI_ERROR(status);
}

/* The firmware's memory map. The firmware chooses the size of an entry. */
struct firmware_map {
    uintptr_t buffer;
    UINTN capacity;
    UINTN bytes;
    UINTN stride;
    UINTN key;
};

static EFI_STATUS get_map(struct firmware_map *map)
{
    UINT32 version;
    map->bytes = map->capacity;
    return uefi_call_wrapper(services->GetMemoryMap, 5, &map->bytes,
                             (EFI_MEMORY_DESCRIPTOR *)map->buffer, &map->key, &map->stride,
                             &version);
}

static const EFI_MEMORY_DESCRIPTOR *map_entry(const struct firmware_map *map, size_t index)
{
    return (const EFI_MEMORY_DESCRIPTOR *)(map->buffer + index * map->stride);
}

static size_t map_count(const struct firmware_map *map)
{
    return map->bytes / map->stride;
}

static bool is_memory(const EFI_MEMORY_DESCRIPTOR *entry)
{
    uint32_t type = entry->Type;
    return type != EfiReservedMemoryType && type != EfiUnusableMemory &&
           type != EfiMemoryMappedIO && type != EfiMemoryMappedIOPortSpace;
}

/* The code and data of the runtime services, and the device that stores their variables. */
static bool is_called_later(const EFI_MEMORY_DESCRIPTOR *entry)
{
    return entry->Attribute & EFI_MEMORY_RUNTIME;
}

static bool is_mapped(const EFI_MEMORY_DESCRIPTOR *entry)
{
    return is_memory(entry) || is_called_later(entry);
}

/* An upper bound of the aligned blocks of 2^shift bytes that overlap entries that `counts` selects.
 */
static size_t blocks_overlapped(const struct firmware_map *map,
                                bool (*counts)(const EFI_MEMORY_DESCRIPTOR *entry), unsigned shift)
{
    size_t blocks = 0;
    uint64_t last = UINT64_MAX;
    for (size_t i = 0; i < map_count(map); i++) {
        const EFI_MEMORY_DESCRIPTOR *entry = map_entry(map, i);
        if (!counts(entry) || entry->NumberOfPages == 0)
            continue;
        uint64_t end = entry->PhysicalStart + entry->NumberOfPages * EFI_PAGE_SIZE - 1;
        blocks += (end >> shift) - (entry->PhysicalStart >> shift) +
                  (entry->PhysicalStart >> shift != last);
        last = end >> shift;
    }
    return blocks;
}

/* Allocates space for the map, and for the entries that later allocations and the exit may add. */
static bool prepare_map(struct firmware_map *map)
{
    *map = (struct firmware_map){0};
    get_map(map); /* fails, and sets map->bytes to the size that it needs */
    map->capacity = map->bytes + 64 * map->stride + 4096;
    return allocate_below((uint64_t)1 << 32, map->capacity, &map->buffer) &&
           !EFI_ERROR(get_map(map));
}

static bool allocate_memory(struct firmware_map *map)
{
    if (!prepare_map(map))
        return false;
    struct mapping_extent extent = {
        .gibibytes = blocks_overlapped(map, is_mapped, 30),
        .half_tebibytes = blocks_overlapped(map, is_mapped, 39),
        .split_large_pages = blocks_overlapped(map, is_called_later, 21),
    };
    handoff.work_bytes = round_up(handoff_work_bytes(handoff.cpus.count, &extent), EFI_PAGE_SIZE);
    handoff.region_capacity = map->capacity / map->stride;
    uintptr_t regions;
    bool allocated = allocate_below((uint64_t)1 << 32,
                                    handoff.region_capacity * sizeof *handoff.regions, &regions) &&
                     allocate_below((uint64_t)1 << 32, handoff.work_bytes, &handoff.work) &&
                     /* A page below 640 KiB, not page 0. */
                     allocate_below(0xa0000, EFI_PAGE_SIZE, &handoff.low_page);
    handoff.regions = (struct quarry_memory_region *)regions;
    return allocated && handoff.low_page != 0;
}

/* ---- exit from boot services ---- */

#define ATTRIBUTE_SPECIFIC_PURPOSE ((uint64_t)0x40000) /* reserved for one driver */

static uint32_t kind_of(const EFI_MEMORY_DESCRIPTOR *entry)
{
    if (entry->Attribute & ATTRIBUTE_SPECIFIC_PURPOSE)
        return QUARRY_MEMORY_RESERVED;
    switch (entry->Type) {
    case EfiConventionalMemory:
        return QUARRY_MEMORY_USABLE;
    case EfiBootServicesCode:
    case EfiBootServicesData:
        return QUARRY_MEMORY_RECLAIMABLE;
    default: /* the harness (loader data), runtime services, ACPI, devices, unknown types */
        return QUARRY_MEMORY_RESERVED;
    }
}

static void note_executable(const EFI_MEMORY_DESCRIPTOR *entry)
{
    if (is_called_later(entry) && handoff.executable_count < HANDOFF_EXECUTABLES_MAX)
        handoff.executables[handoff.executable_count++] =
            (struct address_range){entry->PhysicalStart, entry->NumberOfPages * EFI_PAGE_SIZE};
}

static void translate_map(const struct firmware_map *map)
{
    for (size_t i = 0; i < map_count(map) && handoff.region_count < handoff.region_capacity; i++) {
        const EFI_MEMORY_DESCRIPTOR *entry = map_entry(map, i);
        note_executable(entry);
        if (!is_memory(entry))
            continue; /* not mapped, and in no region */
        handoff.regions[handoff.region_count++] = (struct quarry_memory_region){
            .base = entry->PhysicalStart,
            .bytes = entry->NumberOfPages * EFI_PAGE_SIZE,
            .kind = kind_of(entry),
        };
    }
}

static bool leave_boot_services(EFI_HANDLE image, struct firmware_map *map)
{
    for (unsigned try = 0; try < 8; try++) {
        if (EFI_ERROR(get_map(map)))
            return false;
        if (!EFI_ERROR(uefi_call_wrapper(services->ExitBootServices, 2, image, map->key)))
            return true;
    }
    return false;
}

static void reset(bool power_off)
{
    if (runtime != NULL)
        uefi_call_wrapper(runtime->ResetSystem, 4, power_off ? EfiResetShutdown : EfiResetCold,
                          EFI_SUCCESS, 0, NULL);
}

static bool keep_results(const char *text, size_t bytes)
{
    return runtime != NULL && session_keep(runtime, text, bytes);
}

EFI_STATUS efi_main(EFI_HANDLE image, EFI_SYSTEM_TABLE *system)
{
    table = system;
    services = system->BootServices;
    runtime = system->RuntimeServices;
    uefi_call_wrapper(services->SetWatchdogTimer, 4, 0, 0, 0, NULL);
    print(u"Quarry test harness is starting ...\r\n");
    if (!session_begin(system, image, &handoff)) {
        reset(true);
        return EFI_SUCCESS;
    }
    read_firmware_name();
    find_framebuffer();
    read_acpi();
    measure_clock();
    struct firmware_map map;
    if (!allocate_memory(&map))
        return fail(u"not enough memory from the firmware");
    if (!leave_boot_services(image, &map))
        return fail(u"ExitBootServices failed");
    interrupts_off();
    translate_map(&map);
    handoff.reset = reset;
    handoff.keep_results = keep_results;
    harness_main(&handoff);
}

/* SPDX-License-Identifier: MIT */
/* QEMU, keyboard and processor name; see machine.h. */
#include "boot/x86_64/machine.h"

#include <stdint.h>

#include "boot/x86_64/clock.h"
#include "boot/x86_64/instructions.h"
#include "lib/bits.h"
#include "lib/format.h"
#include "lib/memory.h"

/* ---- QEMU's firmware configuration device, through its two ports ---- */

#define CONFIG_SELECTOR 0x510u
#define CONFIG_DATA 0x511u
#define CONFIG_KEY_SIGNATURE 0x0000u
#define CONFIG_KEY_DIRECTORY 0x0019u
#define CONFIG_NAME_BYTES 56u

#define DEBUG_EXIT_PORT 0xf4u
#define DEBUG_EXIT_PASSED 0x10u /* QEMU exits with 2 * value + 1: 33 */
#define DEBUG_EXIT_FAILED 0x11u /* 35 */

static void config_read(void *to, size_t bytes)
{
    uint8_t *byte = to;
    for (size_t i = 0; i < bytes; i++)
        byte[i] = port_read_8(CONFIG_DATA);
}

static uint32_t config_read_big_endian(void)
{
    uint8_t bytes[4];
    config_read(bytes, sizeof bytes);
    return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
}

bool machine_is_qemu(void)
{
    bool hypervisor = cpuid(1).ecx >> 31 & 1;
    if (!hypervisor)
        return false;
    char signature[4];
    port_write_16(CONFIG_SELECTOR, CONFIG_KEY_SIGNATURE);
    config_read(signature, sizeof signature);
    return signature[0] == 'Q' && signature[1] == 'E' && signature[2] == 'M' && signature[3] == 'U';
}

size_t machine_qemu_text(const char *name, char *text, size_t capacity_bytes)
{
    if (!machine_is_qemu())
        return 0;
    port_write_16(CONFIG_SELECTOR, CONFIG_KEY_DIRECTORY);
    uint32_t files = config_read_big_endian();
    for (uint32_t i = 0; i < files; i++) {
        uint32_t bytes = config_read_big_endian();
        uint16_t key = (uint16_t)(config_read_big_endian() >> 16);
        char found[CONFIG_NAME_BYTES];
        config_read(found, sizeof found);
        found[CONFIG_NAME_BYTES - 1] = 0;
        if (!text_equals(found, name))
            continue;
        size_t length = min_u64(bytes, capacity_bytes - 1);
        port_write_16(CONFIG_SELECTOR, key);
        config_read(text, length);
        text[length] = 0;
        return length;
    }
    return 0;
}

void machine_qemu_exit(bool passed)
{
    if (machine_is_qemu())
        port_write_32(DEBUG_EXIT_PORT, passed ? DEBUG_EXIT_PASSED : DEBUG_EXIT_FAILED);
}

/* ---- the keyboard ---- */

/* A port without a device reads as all ones. */
bool machine_has_keyboard(void)
{
    return port_read_8(0x64) != 0xff;
}

bool machine_wait_key(unsigned seconds)
{
    uint64_t end = clock_microseconds() + seconds * 1000000ul;
    do {
        uint8_t status = port_read_8(0x64);
        if (status == 0xff || !(status & 1))
            continue; /* no controller, or no byte to read */
        uint8_t code = port_read_8(0x60);
        if (!(status & 0x20) && !(code & 0x80)) /* from the keyboard, and not a key's release */
            return true;
    } while (clock_microseconds() < end);
    return false;
}

/* ---- the processor ---- */

void machine_processor_name(char *name)
{
    name[0] = 0;
    if (cpuid(0x80000000u).eax < 0x80000004u)
        return;
    for (uint32_t i = 0; i < 3; i++) {
        struct cpuid part = cpuid(0x80000002u + i);
        memory_copy(name + i * 16, &part, sizeof part);
    }
    name[48] = 0;
}

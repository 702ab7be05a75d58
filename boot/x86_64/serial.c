/* SPDX-License-Identifier: MIT */
/* COM1; see serial.h. */
#include "boot/x86_64/serial.h"

#include <quarry_arch.h>

#include "boot/x86_64/instructions.h"

#define COM1 0x3f8u

enum {
    DATA = COM1,
    INTERRUPT_ENABLE = COM1 + 1,
    FIFO_CONTROL = COM1 + 2,
    LINE_CONTROL = COM1 + 3,
    MODEM_CONTROL = COM1 + 4,
    LINE_STATUS = COM1 + 5,
};

#define LINE_STATUS_CAN_SEND 0x20u
#define WAIT_ROUNDS 100000u

static bool present;

bool serial_init(void)
{
    port_write_8(INTERRUPT_ENABLE, 0);
    port_write_8(LINE_CONTROL, 0x80); /* the divisor: 115200 / 1 */
    port_write_8(DATA, 1);
    port_write_8(INTERRUPT_ENABLE, 0);
    port_write_8(LINE_CONTROL, 0x03); /* 8 bits, no parity, 1 stop bit */
    port_write_8(FIFO_CONTROL, 0xc7);
    port_write_8(MODEM_CONTROL, 0x1e); /* loop-back: sent bytes are received */
    port_write_8(DATA, 0xae);
    present = port_read_8(DATA) == 0xae;
    port_write_8(MODEM_CONTROL, 0x0f);
    return present;
}

static void write_byte(char byte)
{
    for (unsigned i = 0; i < WAIT_ROUNDS; i++) {
        if (port_read_8(LINE_STATUS) & LINE_STATUS_CAN_SEND) {
            port_write_8(DATA, (uint8_t)byte);
            return;
        }
        quarry_port_pause();
    }
    present = false; /* the port has stopped working */
}

void serial_write(const char *text)
{
    for (; present && *text != 0; text++) {
        if (*text == '\n')
            write_byte('\r');
        write_byte(*text);
    }
}

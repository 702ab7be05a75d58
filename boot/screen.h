/* SPDX-License-Identifier: MIT */
/*
 * Text on the framebuffer: a title, a status line at the bottom, and between them lines that
 * scroll. Scaled so that it reads well from 640 x 480 to 4K. Without a framebuffer all is nothing.
 */
#ifndef BOOT_SCREEN_H
#define BOOT_SCREEN_H

#include "boot/handoff.h"

enum screen_colour {
    SCREEN_TEXT,
    SCREEN_DIM,
    SCREEN_GOOD,
    SCREEN_BAD,
    SCREEN_TITLE,
};

void screen_init(const struct framebuffer *framebuffer);

void screen_title(const char *text);

/* The last line, in its own colour, over the whole width. */
void screen_status(const char *text, enum screen_colour colour);

/* Appends text; a newline ends a line, a line that is too long goes on in the next. */
void screen_write(const char *text, enum screen_colour colour);

#endif

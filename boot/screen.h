/* SPDX-License-Identifier: MIT */
/*
 * Text on the framebuffer: a title, a status line at the bottom, and between them lines that
 * scroll; and, where it was asked for, a part above these that is drawn at will. Scaled so that it
 * reads well from 640 x 480 to 4K. Without a framebuffer all is nothing.
 */
#ifndef BOOT_SCREEN_H
#define BOOT_SCREEN_H

#include <stdbool.h>

#include "boot/handoff.h"

#define SCREEN_BACKGROUND 0x101418u /* red, green, blue, as all colours in numbers */

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

/* ---- the part that is drawn at will: rows 1 to `rows` - 1, below the title ---- */

/* From now on lines scroll below row `rows` only. False: no framebuffer, or one that has no room
 * for a dozen lines then. */
bool screen_reserve(uint32_t rows);

/* Text over a whole row, or from a column on; what stood there is gone. */
void screen_line(uint32_t row, const char *text, enum screen_colour colour);
void screen_text(uint32_t column, uint32_t row, const char *text, enum screen_colour colour);

/* A rectangle, in pixels. */
void screen_fill(uint32_t left, uint32_t top, uint32_t width, uint32_t height, uint32_t colour);

/* In pixels, but for columns. */
uint32_t screen_width(void);
uint32_t screen_columns(void);
uint32_t screen_row_height(void);
uint32_t screen_row_top(uint32_t row);
uint32_t screen_column_left(uint32_t column);

#endif

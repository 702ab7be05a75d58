/* SPDX-License-Identifier: MIT */
/*
 * Text on the framebuffer: a title, lines that scroll, and a status line at the bottom. A part
 * above the scrolling lines can be reserved for drawing. The text is scaled for screens from 640 x
 * 480 to 4K. Without a framebuffer these functions do nothing.
 */
#ifndef BOOT_SCREEN_H
#define BOOT_SCREEN_H

#include <stdbool.h>

#include "boot/handoff.h"

#define SCREEN_BACKGROUND 0x101418u /* red, green, blue, like all numeric colours */

enum screen_colour {
    SCREEN_TEXT,
    SCREEN_DIM,
    SCREEN_GOOD,
    SCREEN_BAD,
    SCREEN_TITLE,
};

void screen_init(const struct framebuffer *framebuffer);

void screen_title(const char *text);

/* The status line, over the whole width, in its own colour. */
void screen_status(const char *text, enum screen_colour colour);

/* Appends text. A newline ends a line; a line that is too long is wrapped. */
void screen_write(const char *text, enum screen_colour colour);

/* ---- the reserved part: rows 1 to `rows` - 1, below the title ---- */

/* Reserves the rows; lines scroll from row `rows` on. False: no framebuffer, or fewer than a dozen
 * lines would be left. */
bool screen_reserve(uint32_t rows);

/* Text that replaces a whole row, or starts at a column. */
void screen_line(uint32_t row, const char *text, enum screen_colour colour);
void screen_text(uint32_t column, uint32_t row, const char *text, enum screen_colour colour);

/* A rectangle, in pixels. */
void screen_fill(uint32_t left, uint32_t top, uint32_t width, uint32_t height, uint32_t colour);

/* In pixels, except screen_columns(). */
uint32_t screen_width(void);
uint32_t screen_columns(void);
uint32_t screen_row_height(void);
uint32_t screen_row_top(uint32_t row);
uint32_t screen_column_left(uint32_t column);

#endif

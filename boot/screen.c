/* SPDX-License-Identifier: MIT */
/* Text on the framebuffer; see screen.h. */
#include "boot/screen.h"

#include "font.h" /* made by font.py */
#include "lib/bits.h"
#include "lib/memory.h"

#define MARGIN_PIXELS 8u
#define BACKGROUND SCREEN_BACKGROUND
#define LINES_LEFT_MIN 12u

static const uint32_t colours[] = {
    [SCREEN_TEXT] = 0xd8dee9, [SCREEN_DIM] = 0x7b8794,   [SCREEN_GOOD] = 0x7fd07f,
    [SCREEN_BAD] = 0xff6b6b,  [SCREEN_TITLE] = 0xf0c674,
};

static struct framebuffer frame; /* base 0: no screen */
static uint32_t scale;
static uint32_t columns;
static uint32_t rows; /* row 0 is the title, the last one the status */
static uint32_t body; /* the first row that scrolls */
static uint32_t row;
static uint32_t column;

static uint32_t pixel_of(uint32_t colour)
{
    if (!frame.red_first)
        return colour;
    return (colour & 0xff) << 16 | (colour & 0xff00) | colour >> 16;
}

static uint32_t *line_at(uint32_t y)
{
    return (uint32_t *)frame.base + (size_t)y * frame.pixels_per_line;
}

static void fill_lines(uint32_t from, uint32_t to, uint32_t colour)
{
    uint32_t pixel = pixel_of(colour);
    for (uint32_t y = from; y < to; y++)
        for (uint32_t x = 0; x < frame.width; x++)
            line_at(y)[x] = pixel;
}

uint32_t screen_row_height(void)
{
    return FONT_HEIGHT * scale;
}

uint32_t screen_row_top(uint32_t of_row)
{
    return MARGIN_PIXELS + of_row * screen_row_height();
}

uint32_t screen_column_left(uint32_t of_column)
{
    return MARGIN_PIXELS + of_column * FONT_WIDTH * scale;
}

uint32_t screen_columns(void)
{
    return columns;
}

uint32_t screen_width(void)
{
    return frame.width;
}

void screen_init(const struct framebuffer *framebuffer)
{
    frame = *framebuffer;
    if (frame.width < 320 || frame.height < 200)
        frame.base = 0; /* too small for text */
    if (frame.base == 0)
        return;
    scale = 1 + frame.height / 1400;
    columns = frame.width / (FONT_WIDTH * scale) - 2;
    rows = frame.height / screen_row_height() - 1;
    body = row = 2;
    column = 0;
    fill_lines(0, frame.height, BACKGROUND);
}

static void draw_glyph(uint32_t at_column, uint32_t at_row, char c, uint32_t colour,
                       uint32_t background)
{
    unsigned code = (unsigned char)c;
    if (code < FONT_FIRST || code > FONT_LAST)
        code = '?';
    uint32_t left = screen_column_left(at_column);
    for (uint32_t y = 0; y < screen_row_height(); y++) {
        uint32_t *line = line_at(screen_row_top(at_row) + y) + left;
        unsigned bits = font_rows[code - FONT_FIRST][y / scale];
        for (uint32_t x = 0; x < FONT_WIDTH * scale; x++)
            line[x] = pixel_of(bits >> (FONT_WIDTH - 1 - x / scale) & 1 ? colour : background);
    }
}

/* Returns the column after the text. */
static uint32_t draw_text(uint32_t from, uint32_t at_row, const char *text, uint32_t colour,
                          uint32_t background)
{
    for (; from < columns && *text != 0; text++)
        draw_glyph(from++, at_row, *text, colour, background);
    return from;
}

static void draw_bar(uint32_t at_row, const char *text, uint32_t colour, uint32_t background)
{
    if (frame.base == 0)
        return;
    fill_lines(screen_row_top(at_row), screen_row_top(at_row) + screen_row_height(), background);
    draw_text(0, at_row, text, colour, background);
}

void screen_title(const char *text)
{
    draw_bar(0, text, colours[SCREEN_TITLE], BACKGROUND);
}

void screen_status(const char *text, enum screen_colour colour)
{
    draw_bar(rows - 1, text, BACKGROUND, colours[colour]);
}

/* Scrolls by a third of the lines, because copying pixels is slow. */
static void scroll(void)
{
    uint32_t scrolling = rows - 1 - body;
    uint32_t removed = scrolling / 3 + 1;
    uint32_t kept_lines = (scrolling - removed) * screen_row_height();
    for (uint32_t y = 0; y < kept_lines; y++)
        memory_copy(line_at(screen_row_top(body) + y), line_at(screen_row_top(body + removed) + y),
                    frame.width * sizeof(uint32_t));
    fill_lines(screen_row_top(body) + kept_lines, screen_row_top(rows - 1), BACKGROUND);
    row -= removed;
}

static void next_row(void)
{
    column = 0;
    if (++row >= rows - 1)
        scroll();
}

void screen_write(const char *text, enum screen_colour colour)
{
    for (; frame.base != 0 && *text != 0; text++) {
        if (*text == '\n') {
            next_row();
            continue;
        }
        if (column == columns)
            next_row();
        draw_glyph(column++, row, *text, colours[colour], BACKGROUND);
    }
}

/* ---- the reserved part ---- */

bool screen_reserve(uint32_t wanted)
{
    if (frame.base == 0 || rows < wanted + LINES_LEFT_MIN)
        return false;
    body = row = wanted;
    column = 0;
    fill_lines(screen_row_top(1), screen_row_top(rows - 1), BACKGROUND);
    return true;
}

void screen_text(uint32_t from, uint32_t at_row, const char *text, enum screen_colour colour)
{
    draw_text(from, at_row, text, colours[colour], BACKGROUND);
}

void screen_line(uint32_t at_row, const char *text, enum screen_colour colour)
{
    uint32_t end = screen_column_left(draw_text(0, at_row, text, colours[colour], BACKGROUND));
    screen_fill(end, screen_row_top(at_row), frame.width - end, screen_row_height(), BACKGROUND);
}

void screen_fill(uint32_t left, uint32_t top, uint32_t width, uint32_t height, uint32_t colour)
{
    uint32_t pixel = pixel_of(colour);
    for (uint32_t y = top; y < top + height && y < frame.height; y++)
        for (uint32_t x = left; x < left + width && x < frame.width; x++)
            line_at(y)[x] = pixel;
}

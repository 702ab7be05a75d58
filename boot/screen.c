/* SPDX-License-Identifier: MIT */
/* Text on the framebuffer; see screen.h. */
#include "boot/screen.h"

#include "font.h" /* made by font.py */
#include "lib/bits.h"
#include "lib/memory.h"

#define MARGIN_PIXELS 8u
#define BACKGROUND 0x101418u

static const uint32_t colours[] = {
    [SCREEN_TEXT] = 0xd8dee9, [SCREEN_DIM] = 0x7b8794,   [SCREEN_GOOD] = 0x7fd07f,
    [SCREEN_BAD] = 0xff6b6b,  [SCREEN_TITLE] = 0xf0c674,
};

static struct framebuffer frame; /* base 0: none */
static uint32_t scale;
static uint32_t columns;
static uint32_t rows; /* row 0 is the title, the last one the status */
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

static uint32_t row_height(void)
{
    return FONT_HEIGHT * scale;
}

static uint32_t row_top(uint32_t of_row)
{
    return MARGIN_PIXELS + of_row * row_height();
}

void screen_init(const struct framebuffer *framebuffer)
{
    frame = *framebuffer;
    if (frame.width < 320 || frame.height < 200)
        frame.base = 0; /* too small to read anything */
    if (frame.base == 0)
        return;
    scale = 1 + frame.height / 1400;
    columns = frame.width / (FONT_WIDTH * scale) - 2;
    rows = frame.height / row_height() - 1;
    row = 2;
    column = 0;
    fill_lines(0, frame.height, BACKGROUND);
}

static void draw_glyph(uint32_t at_column, uint32_t at_row, char c, uint32_t colour,
                       uint32_t background)
{
    unsigned code = (unsigned char)c;
    if (code < FONT_FIRST || code > FONT_LAST)
        code = '?';
    uint32_t left = MARGIN_PIXELS + at_column * FONT_WIDTH * scale;
    for (uint32_t y = 0; y < row_height(); y++) {
        uint32_t *line = line_at(row_top(at_row) + y) + left;
        unsigned bits = font_rows[code - FONT_FIRST][y / scale];
        for (uint32_t x = 0; x < FONT_WIDTH * scale; x++)
            line[x] = pixel_of(bits >> (FONT_WIDTH - 1 - x / scale) & 1 ? colour : background);
    }
}

static void draw_bar(uint32_t at_row, const char *text, uint32_t colour, uint32_t background)
{
    if (frame.base == 0)
        return;
    fill_lines(row_top(at_row), row_top(at_row) + row_height(), background);
    for (uint32_t i = 0; i < columns && text[i] != 0; i++)
        draw_glyph(i, at_row, text[i], colour, background);
}

void screen_title(const char *text)
{
    draw_bar(0, text, colours[SCREEN_TITLE], BACKGROUND);
}

void screen_status(const char *text, enum screen_colour colour)
{
    draw_bar(rows - 1, text, BACKGROUND, colours[colour]);
}

/* A third of the lines at once: moving pixels is slow. */
static void scroll(void)
{
    uint32_t body = rows - 3; /* rows 2 to rows - 2 */
    uint32_t gone = body / 3 + 1;
    uint32_t kept_lines = (body - gone) * row_height();
    for (uint32_t y = 0; y < kept_lines; y++)
        memory_copy(line_at(row_top(2) + y), line_at(row_top(2 + gone) + y),
                    frame.width * sizeof(uint32_t));
    fill_lines(row_top(2) + kept_lines, row_top(rows - 1), BACKGROUND);
    row -= gone;
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

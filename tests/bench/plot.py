# SPDX-License-Identifier: MIT
"""Line plots as SVG."""

import collections
import math

WIDTH, HEIGHT, MARGIN, LEGEND = 860, 400, 60, 130

Line = collections.namedtuple("Line", "name points colour dashed dots", defaults=(False, True))


def size_name(size):
    return f"{size >> 20} MiB" if size >> 20 else f"{size >> 10} KiB" if size >> 10 else str(size)


class Axis:
    """Maps a range of values to a range of pixels; logarithmic if `powers`."""

    def __init__(self, values, first_pixel, last_pixel, powers):
        self.scale = math.log10 if powers else float
        self.low, self.high = self.scale(min(values)), self.scale(max(values))
        self.first_pixel, self.pixels = first_pixel, last_pixel - first_pixel

    def at(self, value):
        return self.first_pixel + (self.scale(value) - self.low) / (self.high - self.low) * self.pixels


def steps(low, high):
    """1, 2, 5, 10, 20 and so on, around the values."""
    found = [digit * 10 ** exponent
             for exponent in range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
             for digit in (1, 2, 5)]
    first = max(value for value in found if value <= low)
    last = min(value for value in found if value >= high)
    return [value for value in found if first <= value <= last]


def draw(path, title, lines, x_values, x_name=size_name, x_title="", x_powers=True):
    """`x_values`: the labelled values of the horizontal axis, with the first and the last of all. The
    vertical axis is logarithmic."""
    values = [y for line in lines for _, y in line.points]
    marks = steps(min(values), max(values))
    across = Axis(x_values, MARGIN, WIDTH - LEGEND, x_powers)
    up = Axis(marks, HEIGHT - MARGIN, MARGIN, True)
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
           'font-family="sans-serif" font-size="12">',
           f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
           f'<text x="{MARGIN}" y="28" font-size="15">{title}</text>',
           f'<text x="{(MARGIN + WIDTH - LEGEND) / 2}" y="{HEIGHT - 16}" text-anchor="middle" '
           f'fill="#666">{x_title}</text>']
    crowded = len(marks) > 16
    for mark in marks:
        if crowded and math.log10(mark) % 1:
            continue
        y = up.at(mark)
        out.append(f'<line x1="{MARGIN}" x2="{WIDTH - LEGEND}" y1="{y:.1f}" y2="{y:.1f}" stroke="#ddd"/>'
                   f'<text x="{MARGIN - 6}" y="{y + 4:.1f}" text-anchor="end">{mark:g}</text>')
    for value in x_values:
        out.append(f'<text x="{across.at(value):.1f}" y="{HEIGHT - MARGIN + 20}" '
                   f'text-anchor="middle">{x_name(value)}</text>')
    labels = []
    for line in lines:
        places = [(across.at(x), up.at(y)) for x, y in line.points]
        out.append(f'<polyline fill="none" stroke="{line.colour}" stroke-width="2" '
                   f'stroke-dasharray="{"5,4" if line.dashed else "none"}" '
                   f'points="{" ".join(f"{x:.1f},{y:.1f}" for x, y in places)}"/>')
        if line.dots:
            out += [f'<circle r="3" fill="{line.colour}" cx="{x:.1f}" cy="{y:.1f}"/>'
                    for x, y in places]
        labels.append((places[-1][1], line))
    # Names at the ends of the lines, moved down if they would overlap.
    free = 0
    for y, line in sorted(labels, key=lambda label: label[0]):
        free = max(free, y + 4)
        out.append(f'<text x="{WIDTH - LEGEND + 8}" y="{free:.1f}" fill="{line.colour}">'
                   f'{line.name}</text>')
        free += 14
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(out + ["</svg>"]) + "\n")

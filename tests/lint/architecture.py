#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""architecture.py --check|--write: docs/architecture.svg, drawn from the includes of the sources.

Each band is a component (components.py), and stands above all that it uses. Each arrow leads to one component; a dot
on it is a component that uses that one, with the number of its includes. An include that runs up is red.
--check exits 1 if the file is not what the sources give, or if an arrow runs up.
"""

import collections
import html
import pathlib
import sys
import textwrap

import components as tree

PICTURE = pathlib.Path("docs/architecture.svg")

# The bands from top to bottom: the components in it, and what they are.
OUTSIDE = [
    (["programs"], "the entry points"),
    (["tests/unit", "tests/fuzz"], "tests that see the inside"),
    (["tests/selftest", "tests/stress", "tests/explore", "tests/scaling", "tests/bench"], "tests by the public headers"),
    (["tests/bench/guest"], "benchmarks that boot"),
    (["boot"], "the UEFI harness"),
    (["tests/framework", "tests/bench/baselines"], "what tests share"),
    (["boot/x86_64"], "the harness's machine"),
    (["hosted"], "malloc() of Linux programs"),
    (["arch/linux"], "the host as a machine"),
]
INSIDE = [([component], tree.SUBJECT[component]) for component in ["mm/inspect", "arch/x86_64"] + tree.CORE[-2:0:-1]]
BOTTOM = [(["port"], tree.SUBJECT["port"])]
BANDS = OUTSIDE + INSIDE + BOTTOM

WIDTH, LEFT, RIGHT, TOP = 1120, 28, 24, 136
NAME_WIDTH, PITCH, RADIUS = 400, 34, 9.5
LINE, GAP, ZONE_GAP = 15, 5, 30
INK, DIM, RED, BLUE, GREY, PURPLE = "#1f2328", "#656d76", "#cf222e", "#1f6feb", "#8c959f", "#8250df"
PUBLIC = "#1a7f37"
FILLS = [("#f6f8fa", "#d0d7de"), ("#eaf2ff", "#b6d0fb"), ("#e9f7ec", "#a9d8b4")]


LEGEND = [
    (BLUE, "inside the allocator"),
    (GREY, "from outside: lib/ or public headers"),
    (PURPLE, "from outside: private headers of mm/"),
    (RED, "upward: a breach"),
]


# ---- the graph ----

def band_numbers():
    return {component: at for at, (names, _) in enumerate(BANDS) for component in names}


def include_edges(files):
    """(user band, used band) -> [(file, header)...], both by number from the top."""
    bands = band_numbers()
    edges = collections.defaultdict(list)
    for path, text in files.items():
        user = bands.get(tree.component_of(path)) if path.endswith((".c", ".h", ".S")) else None
        for bracket, name in tree.INCLUDE.findall(tree.strip_comments(text)) if user is not None else ():
            header = tree.header_path(bracket, name)
            used = bands.get(tree.component_of(header)) if header is not None and "/" in header else None
            if used not in (None, user):
                edges[user, used].append((path, header))
    return edges


def upward(edges):
    return sorted(pair for (user, used), pairs in edges.items() if used < user for pair in pairs)


def sees_inside(user, used, pairs):
    """Whether a component outside includes a header of mm/ that is not public."""
    return user < len(OUTSIDE) and BANDS[used][0][0].startswith("mm/") and any(
        not header.startswith("include/") for _, header in pairs)


# ---- the text of a band ----

def units(names, files):
    """The band's units: a .c with its .h is one; a header alone keeps its ending; public ones <...>."""
    own = [path for path in files if path.endswith((".c", ".h", ".S")) and tree.component_of(path) in names]
    sources = {path.rsplit(".", 1)[0] for path in own if not path.endswith(".h")}
    plain, public = [], []
    for path in own:
        stem, ending = path.rsplit(".", 1)
        if path.startswith("include/"):
            public.append(f"<{path.removeprefix('include/')}>")
        elif path.endswith("/quarry_arch.h"):
            public.append("<quarry_arch.h>")
        elif names[0] in ("programs", "port"):
            plain.append(path)
        elif ending != "h" or stem not in sources:
            plain.append(stem.rsplit("/", 1)[1].removesuffix("_tests") + (".h" if ending == "h" else ""))
    return sorted(set(plain)), sorted(set(public))


def wrapped(words, width):
    return textwrap.wrap("  ".join(words), width, break_long_words=False, break_on_hyphens=False) if words else []


class Band:
    def __init__(self, at, files, columns):
        self.names, self.subject = BANDS[at]
        self.zone = 0 if at < len(OUTSIDE) else 1 if at < len(OUTSIDE) + len(INSIDE) else 2
        first = min((x for used, x in columns.items() if used > at), default=WIDTH - RIGHT)
        self.text_width = first - RADIUS - 14 - (LEFT + 14)
        plain, public = units(self.names, files)
        self.lines = wrapped(plain, int(self.text_width / 6.65))
        self.public = wrapped(public, int(self.text_width / 6.65))
        self.top = 0
        self.height = 30 + LINE * (len(self.lines) + len(self.public)) + (4 if self.lines or self.public else 0)

    def title(self):
        if len(self.names) == 1:
            return self.names[0]
        common = self.names[0].split("/")[0] + "/"
        return common + ", ".join(name.removeprefix(common) for name in self.names)


# ---- drawing ----

def text(x, y, what, size=12, fill=INK, extra=""):
    return f'<text x="{x:g}" y="{y:g}" font-size="{size}" fill="{fill}"{extra}>{html.escape(what)}</text>'


MONO = ' font-family="ui-monospace,SFMono-Regular,Menlo,Consolas,DejaVu Sans Mono,monospace"'


def draw_band(band):
    fill, edge = FILLS[band.zone]
    yield (f'<rect x="{LEFT}" y="{band.top:g}" width="{WIDTH - LEFT - RIGHT}" height="{band.height:g}" rx="6" '
           f'fill="{fill}" stroke="{edge}"/>')
    x, y = LEFT + 14, band.top + 20
    title = html.escape(band.title())
    yield (f'<text x="{x}" y="{y:g}" font-size="13.5" fill="{INK}" xml:space="preserve"><tspan font-weight="600">{title}</tspan>'
           f'<tspan dx="10" font-size="12" fill="{DIM}">{html.escape(band.subject)}</tspan></text>')
    for lines, colour in ((band.lines, INK), (band.public, PUBLIC)):
        for line in lines:
            y += LINE + (1 if y == band.top + 20 else 0)
            yield text(x, y, line, 11, colour, MONO + ' xml:space="preserve"')


def draw_arrow(used, x, users, bands, edges):
    """One rail to band `used`: from its highest user down, or in red from a user below it up."""
    above = sorted(user for user in users if user < used)
    below = sorted(user for user in users if user > used)
    head = bands[used].top
    if above:
        inside = next((user for user in above if user >= len(OUTSIDE)), None)
        start = middle(bands[above[0]])
        change = middle(bands[inside]) if inside is not None else head - 7
        if above[0] < len(OUTSIDE):
            yield line(x, start, change, GREY, 1.5)
        if inside is not None:
            yield line(x, change, head - 7, BLUE, 2)
        colour = BLUE if inside is not None else GREY
        yield f'<path d="M{x - 4.5:g} {head - 9:g}h9l-4.5 9z" fill="{colour}"/>'
        yield text(x + 5, head + 14, bands[used].names[0], 10, DIM, ' text-anchor="end"')
    if below:
        foot = bands[used].top + bands[used].height
        yield line(x, foot + 7, middle(bands[below[-1]]), RED, 2.5)
        yield f'<path d="M{x - 5:g} {foot + 9:g}h10l-5 -9z" fill="{RED}"/>'
    for user in above + below:
        pairs = edges[user, used]
        inner = sees_inside(user, used, pairs)
        colour = RED if user > used else BLUE if user >= len(OUTSIDE) else PURPLE if inner else GREY
        yield dot(x, middle(bands[user]), colour, pairs, bands[user].title(), bands[used].title())


def middle(band):
    return band.top + 16


def line(x, start, end, colour, width):
    return f'<path d="M{x:g} {start:g}V{end:g}" stroke="{colour}" stroke-width="{width}" fill="none"/>'


def dot(x, y, colour, pairs, user, used):
    tip = html.escape(f"{user} includes {used}: {len(pairs)}")
    return (f'<g><title>{tip}</title><circle cx="{x:g}" cy="{y:g}" r="{RADIUS}" fill="#fff" stroke="{colour}" stroke-width="1.75"/>'
            f'<text x="{x:g}" y="{y + 3.6:g}" font-size="10" text-anchor="middle" fill="{INK}">{len(pairs)}</text></g>')


def draw_legend():
    yield text(LEFT, 40, "The components of Quarry", 21, INK, ' font-weight="600"')
    yield text(LEFT, 62, "Each band is a folder and includes only headers of bands below it. An arrow leads to the band that is "
               "included. A circle on it is a band that includes it, and how often.", 12.5, DIM)
    x = LEFT + 7
    for colour, words in LEGEND:
        yield f'<circle cx="{x:g}" cy="84" r="6" fill="#fff" stroke="{colour}" stroke-width="1.75"/>'
        yield text(x + 12, 88, words, 12, INK)
        x += 12 + 6.1 * len(words) + 22
    yield text(x - 6, 88, "<quarry/...>", 11, PUBLIC, MONO)
    yield text(x + 80, 88, "public header", 12, INK)


def draw(files):
    edges = include_edges(files)
    used_bands = sorted({used for _, used in edges})
    columns = {used: WIDTH - RIGHT - 20 - PITCH * (len(used_bands) - 1 - at) for at, used in enumerate(used_bands)}
    bands = [Band(at, files, columns) for at in range(len(BANDS))]
    y, body = TOP, []
    for at, band in enumerate(bands):
        if at in (0, len(OUTSIDE)):
            words = ("Tests, harness and hosts" if at == 0 else
                     "The allocator: what a kernel links (quarry.o)")
            y += 0 if at == 0 else ZONE_GAP - GAP
            body.append(text(LEFT, y - 8, words, 12.5, DIM, ' font-weight="600"'))
        band.top = y
        y += band.height + GAP
        body += draw_band(band)
    for used, x in columns.items():
        body += draw_arrow(used, x, [user for user, other in edges if other == used], bands, edges)
    height = y - GAP + 24
    return "\n".join([
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height:g}" viewBox="0 0 {WIDTH} {height:g}" '
        'font-family="system-ui,-apple-system,Segoe UI,Helvetica,Arial,DejaVu Sans,sans-serif">',
        "<!-- Drawn by tests/lint/architecture.py. SPDX-License-Identifier: MIT -->",
        f'<rect x="0.5" y="0.5" width="{WIDTH - 1}" height="{height - 1:g}" rx="10" fill="#ffffff" stroke="#d0d7de"/>',
        *draw_legend(), *body, "</svg>", ""]), upward(edges)


def main():
    if sys.argv[1:] not in (["--check"], ["--write"]):
        sys.exit(__doc__)
    picture, wrong = draw(tree.read_sources())
    for path, header in wrong:
        print(f"{path}: the include of {header} runs up")
    if sys.argv[1] == "--write":
        PICTURE.write_text(picture)
    elif not PICTURE.exists() or PICTURE.read_text() != picture:
        print(f"{PICTURE} is not current: python3 tests/lint/architecture.py --write")
        wrong = True
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()

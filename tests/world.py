"""
Draw static/img/world.svg, the land of the world without any border, from a shapefile of Natural Earth (public domain).

    uv run --with shapely --with pyshp python -m tests.world ne_10m_admin_0_countries.shp
"""

import sys
from pathlib import Path

import shapefile
from shapely import affinity, transform, unary_union
from shapely.geometry import Polygon, box, shape

from protests.mapping import HEIGHT, WIDTH, project

TO = Path(__file__).parent.parent / "static" / "img" / "world.svg"
# In units of the map: what is finer is left out, and what is smaller.
FINENESS = 0.5
SMALLEST = 0.9
# The Caspian Sea is larger. Smaller holes are land that the data gives to no country.
SMALLEST_SEA = 20
# Antarctica has no pickets.
SOUTHMOST = -57
CUT = -169  # Bering Strait


def land(path: str) -> list[Polygon]:
    whole = unary_union([shape(row.__geo_interface__).buffer(0) for row in shapefile.Reader(path).shapes()])
    west = affinity.translate(whole.intersection(box(-180, SOUTHMOST, CUT, 90)), 360)
    rest = whole.intersection(box(CUT, SOUTHMOST, 180, 90))
    # At the cut itself, east would be taken for west.
    rejoined = unary_union([rest, west.buffer(0.01)]).intersection(box(CUT, SOUTHMOST, CUT + 359.99, 90))
    drawn = transform(rejoined, lambda points: [project(y, x) for x, y in points])
    simple = drawn.buffer(0.02).simplify(FINENESS).buffer(0)
    return sorted((part for part in simple.geoms if part.area > SMALLEST), key=lambda part: -part.area)


def ring(points: list[tuple[float, float]]) -> str:
    """Return a closed path in steps of a tenth of a unit, written as tenths."""
    tenths = [(round(x * 10), round(y * 10)) for x, y in points]
    path, (x, y) = f"M{tenths[0][0]} {tenths[0][1]}l", tenths[0]
    steps = []
    for next_x, next_y in tenths[1:-1]:
        if (next_x, next_y) != (x, y):
            steps.append(f"{next_x - x} {next_y - y}")
            x, y = next_x, next_y
    return path + " ".join(steps).replace(" -", "-") + "z"


def main() -> None:
    rings = [
        ring(list(one.coords))
        for part in land(sys.argv[1])
        for one in (part.exterior, *(hole for hole in part.interiors if Polygon(hole).area > SMALLEST_SEA))
    ]
    TO.write_text(
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}">'
        f'<path id="land" transform="scale(.1)" d="{"".join(rings)}"/></svg>\n'
    )


if __name__ == "__main__":
    main()

"""What a picture shows, read from its SVG."""

import xml.etree.ElementTree as ET

from workshop_lib.views.svg import width

_SVG = "{http://www.w3.org/2000/svg}"
Box = tuple[float, float, float, float]  # left, top, right, bottom


class Drawn:
    """A picture, which must not have a script."""

    def __init__(self, markup: str) -> None:
        self._root = ET.fromstring(markup)
        assert not self.shapes("script")
        _, _, self.right, self.bottom = map(float, self._root.get("viewBox", "").split())
        self.texts = [each.findtext(f"{_SVG}title") or each.text or "" for each in self.shapes("text")]  # whole
        self.words = [each.text or "" for each in self.shapes("text")]  # as they are shown
        self.cut = {each.text or "" for each in self.shapes("title")}
        self.crosses = len(self.shapes("path", d="l10 10m0 -10l-10 10"))
        sides = ([number(each, name) for name in ("x", "y", "width", "height")] for each in self.shapes("rect"))
        self.boxes: list[Box] = [(x, y, x + wide, y + high) for x, y, wide, high in sides]
        self.places: list[Box] = []  # of the texts: from the baseline 11 up and 3 down
        for each in self.shapes("text"):
            wide, y = width(each.text or "", bool(each.get("font-weight"))), number(each, "y")
            left = number(each, "x") - (wide if each.get("text-anchor") else 0)
            self.places.append((left, y - 11, left + wide, y + 3))

    def shapes(self, kind: str, **wanted: str) -> list[ET.Element]:
        found = self._root.iter(_SVG + kind)
        return [
            each for each in found if all(part in each.get(of.replace("_", "-"), "") for of, part in wanted.items())
        ]


class Grid:
    """What a picture of rows and columns shows, which must not have a script. The browser places its texts."""

    def __init__(self, markup: str) -> None:
        self.root = ET.fromstring(markup)
        self.texts = [text.replace("\N{NO-BREAK SPACE}", " ") for text in self.root.itertext()]
        assert {each.tag for each in self.root.iter()} <= {"div", "a"}

    def styled(self, *wanted: str) -> list[ET.Element]:
        """The parts whose style has all of this."""
        return [each for each in self.root.iter() if all(part in each.get("style", "") for part in wanted)]


def number(shape: ET.Element, name: str) -> float:
    return float(shape.get(name, 0))


def apart(a: Box, b: Box) -> bool:
    return a[2] <= b[0] or b[2] <= a[0] or a[3] <= b[1] or b[3] <= a[1]

"""What a picture shows, read from its SVG."""

import xml.etree.ElementTree as ET

_SVG = "{http://www.w3.org/2000/svg}"


class Drawn:
    """A picture, which must not have a script."""

    def __init__(self, markup: str) -> None:
        self._root = ET.fromstring(markup)
        assert not self.shapes("script")
        self.texts = [each.findtext(f"{_SVG}title") or each.text or "" for each in self.shapes("text")]  # whole
        self.words = [each.text or "" for each in self.shapes("text")]  # as they are shown
        self.cut = {each.text or "" for each in self.shapes("title")}
        self.crosses = len(self.shapes("path", d="l10 10m0 -10l-10 10"))

    def shapes(self, kind: str, **wanted: str) -> list[ET.Element]:
        found = self._root.iter(_SVG + kind)
        return [
            each for each in found if all(part in each.get(of.replace("_", "-"), "") for of, part in wanted.items())
        ]

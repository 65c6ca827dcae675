"""What a picture shows, read from its HTML."""

import xml.etree.ElementTree as ET


class Drawn:
    """A picture, which must not have a script. The browser places its texts."""

    def __init__(self, markup: str) -> None:
        self.root = ET.fromstring(markup)
        self.texts = [text.replace("\N{NO-BREAK SPACE}", " ") for text in self.root.itertext()]
        assert {each.tag for each in self.root.iter()} <= {"div", "a", "svg", "path"}

    def styled(self, *wanted: str) -> list[ET.Element]:
        """The parts whose style has all of this."""
        return [each for each in self.root.iter() if all(part in each.get("style", "") for part in wanted)]

"""XML and SVG that no name in a workspace can break, in colours for bright and for dark rooms."""

import unicodedata
from collections.abc import Iterable
from xml.etree.ElementTree import Element, SubElement, tostring

GLYPH = 7.3
"""How wide a letter of 12 pixels is in a monospaced font; wider ones are double."""
LONGEST_LABEL = 34
STYLE = """
svg { color-scheme: light dark; background: #ffffff; font: 12px ui-monospace, Menlo, Consolas, monospace }
text { fill: #1f2328 } .faint { fill: #656d76 } .head { font-size: 16px; font-weight: 600 }
.node rect { fill: #f6f8fa; stroke: #c2c9d1 }
.affected rect { fill: #fff4d6; stroke: #bf8700 }
.changed rect { fill: #bf8700; stroke: #7d5800 } .changed text { fill: #ffffff; font-weight: 600 }
.line { fill: none; stroke: #a8b1bb } .line.affected { stroke: #bf8700; stroke-width: 1.8 }
.line.circle { stroke: #cf222e; stroke-dasharray: 5 3 }
.tip { fill: #a8b1bb } .tip.affected { fill: #bf8700 } .tip.circle { fill: #cf222e }
.grid { stroke: #e4e8ec } .bar { fill: #8c959f } .bar.critical { fill: #cf222e }
.bar.guessed { fill-opacity: .45 } .slack { stroke: #8c959f; stroke-dasharray: 2 3 }
@media (prefers-color-scheme: dark) {
svg { background: #0d1117 } text { fill: #e6edf3 } .faint { fill: #8d96a0 }
.node rect { fill: #161b22; stroke: #444c56 }
.affected rect { fill: #342a10; stroke: #d29922 }
.changed rect { fill: #d29922; stroke: #f2cc60 } .changed text { fill: #0d1117 }
.line { stroke: #4d5661 } .line.affected { stroke: #d29922 } .line.circle { stroke: #ff7b72 }
.tip { fill: #4d5661 } .tip.affected { fill: #d29922 } .tip.circle { fill: #ff7b72 }
.grid { stroke: #21262d } .bar { fill: #6e7681 } .bar.critical { fill: #f85149 }
.slack { stroke: #6e7681 }
}
"""


def plain(text: str) -> str:
    """The text with a mark for each character that XML forbids, or that nobody sees (XML 1.0, 2.2)."""
    return "".join(sign if sign.isprintable() else "\N{REPLACEMENT CHARACTER}" for sign in text)


def label(name: str) -> str:
    """A name that fits into a drawing: a long one without its middle."""
    shown = plain(name) or "\N{EMPTY SET}"
    if len(shown) <= LONGEST_LABEL:
        return shown
    half = LONGEST_LABEL // 2
    return f"{shown[:half]}\N{HORIZONTAL ELLIPSIS}{shown[1 - half :]}"


def width(text: str) -> float:
    """Pixels that a line of text takes, about."""
    return GLYPH * sum(2 if unicodedata.east_asian_width(sign) in "WF" else 1 for sign in text)


def add(parent: Element, tag: str, text: str = "", **attributes: str | float) -> Element:
    """A new element in another. Numbers are rounded; `_` is written as a hyphen, at the end of a name not."""
    said = {
        name.rstrip("_").replace("_", "-"): f"{value:.1f}" if isinstance(value, float) else plain(str(value))
        for name, value in attributes.items()
    }
    element = SubElement(parent, tag, said)
    element.text = plain(text) or None
    return element


def canvas(title: str, said: str) -> Element:
    """An empty drawing with a heading and a line of words below it, 64 pixels in all."""
    svg = Element("svg", {"xmlns": "http://www.w3.org/2000/svg", "role": "img"})
    add(svg, "title", title)
    add(svg, "desc", said)
    SubElement(svg, "style").text = STYLE
    add(svg, "text", title, x=24, y=34, class_="head")
    add(svg, "text", said, x=24, y=54, class_="faint")
    return svg


def finished(svg: Element, breadth: float, height: float) -> str:
    """The document, large enough for its headings too."""
    headings = [text for text in svg.findall("text") if text.get("x") == "24"]
    breadth = max(breadth, *(48 + 1.4 * width(text.text or "") for text in headings))
    svg.set("viewBox", f"0 0 {breadth:.0f} {height:.0f}")
    svg.set("width", f"{breadth:.0f}")
    svg.set("height", f"{height:.0f}")
    return written(svg)


def written(root: Element) -> str:
    """The document of an element."""
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + tostring(root, encoding="unicode") + "\n"


def listed(parts: Iterable[str]) -> str:
    """Words that say one thing after another."""
    return " \N{MIDDLE DOT} ".join(part for part in parts if part)

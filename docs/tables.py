"""
Writes the tables of methods and energies into README.md, from the registry: python docs/tables.py

A table stands between the lines <!-- methods --> and <!-- end -->; a test checks that it is what this script writes.
"""

import re
from pathlib import Path

from ridgewalk.cli.lists import to_markdown
from ridgewalk.registry import ENERGIES, METHODS

README = Path(__file__).parents[1] / "README.md"


def fill(text: str) -> str:
    """The text with every table between its markers written anew."""
    for name, table in {"methods": METHODS, "energies": ENERGIES}.items():
        written = f"<!-- {name} -->\n{to_markdown(table)}\n<!-- end -->"
        text = re.sub(rf"<!-- {name} -->\n.*?<!-- end -->", lambda _: written, text, flags=re.DOTALL)  # noqa: B023
    return text


if __name__ == "__main__":
    README.write_text(fill(README.read_text(encoding="utf-8")), encoding="utf-8")

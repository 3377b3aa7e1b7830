"""Tables, figures, and the page that holds them. Nothing here measures; matplotlib is imported when a figure is drawn."""

from ridgewalk.reports import figures
from ridgewalk.reports.animation import write_gif
from ridgewalk.reports.claims import Claims
from ridgewalk.reports.page import Block, Figure, KeyValues, Page, Section, TableBlock, Text, render, write
from ridgewalk.reports.tables import Cell, Column, Table

__all__ = [
    "Block",
    "Cell",
    "Claims",
    "Column",
    "Figure",
    "KeyValues",
    "Page",
    "Section",
    "Table",
    "TableBlock",
    "Text",
    "figures",
    "render",
    "write",
    "write_gif",
]

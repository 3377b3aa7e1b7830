"""Tables, figures, and the page that they stand on. Nothing here measures; nothing is imported from matplotlib until a figure is drawn."""

from ridgewalk.reports import figures
from ridgewalk.reports.animation import write_gif
from ridgewalk.reports.page import Page, Picture, Section, render, write
from ridgewalk.reports.tables import Cell, Column, Table

__all__ = ["Cell", "Column", "Page", "Picture", "Section", "Table", "figures", "render", "write", "write_gif"]

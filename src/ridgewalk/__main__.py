"""``python -m ridgewalk``, and what torchrun starts."""

from ridgewalk.cli import main

main()

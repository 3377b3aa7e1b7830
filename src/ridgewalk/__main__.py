"""The entry point of ``python -m ridgewalk`` and of torchrun."""

from ridgewalk.cli import main

main()

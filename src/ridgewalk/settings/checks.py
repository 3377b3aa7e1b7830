"""What a recipe's numbers must be."""

import math


def at_least(low: int, /, **values: float) -> None:
    """Refuses a value below ``low``, or not finite, by its name."""
    for name, value in values.items():
        if not low <= value < math.inf:
            raise ValueError(f"{name} must be at least {low}, and finite; got {value}")


def above_zero(**values: float) -> None:
    """Refuses a value that is not above 0, or not finite, by its name."""
    for name, value in values.items():
        if not 0 < value < math.inf:
            raise ValueError(f"{name} must be above 0, and finite; got {value}")

"""Composite judges whose logit is a formula and whose power is taken for granted, for tests of what is done with their grades."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from ridgewalk.data import Images
from ridgewalk.judging.discernment import CompositeJudge
from ridgewalk.judging.power import Power


class Sighted(CompositeJudge):
    """A judge that can tell, whatever its network."""

    @property
    def power(self) -> Power:  # type: ignore[override]
        """Nothing is wrong with it."""
        return Power(self.name, 100, 100, 0.9, 0.9, 0.9, {}, {}, {}, {})


class Formula(nn.Module):
    """A network from a formula (n, ...) -> (n,), with one output."""

    def __init__(self, formula: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.formula = formula

    def forward(self, x: Tensor) -> Tensor:
        return self.formula(x)[:, None]


def sighted(logit: Callable[[Tensor], Tensor], threshold: float, held_out: Images, name: str = "A") -> CompositeJudge:
    """A judge of a logit (n, c, h, w) -> (n,) that takes for real what is at least at the threshold."""
    return Sighted(name, Formula(logit), torch.full((100,), threshold), held_out)

"""Energies of energies: what is 0 on data and 1 off them, and what cannot be brought there."""

import pytest
import torch

from problems import Gaussian, points
from ridgewalk.energies import Calibrated
from ridgewalk.fields import score


def test_a_calibrated_energy_is_zero_at_the_median_of_data_and_one_at_that_of_points_off_them() -> None:
    data, off = 0.1 * points(101, 3, seed=1), 2 + points(101, 3, seed=2)
    energy = Calibrated.between(Gaussian(), data, off)
    assert float(energy(data).median()) == pytest.approx(0, abs=1e-12)
    assert float(energy(off).median()) == pytest.approx(1)
    torch.testing.assert_close(score(energy, off), score(Gaussian(), off) / (energy.high - energy.low))


def test_one_that_is_no_higher_off_the_data_is_refused() -> None:
    points_of = points(50, 3)
    with pytest.raises(ValueError, match="no higher off the data"):
        Calibrated.between(Gaussian(), points_of, points_of)
    with pytest.raises(ValueError, match="both finite"):
        Calibrated(Gaussian(), 0.0, torch.inf)

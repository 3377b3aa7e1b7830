"""
The time of ridgewalk's own loops over that of the bare arithmetic, measured in one process.

    python benchmarks/overheads.py

1. Training an AAE (512-512 multilayer perceptrons, batch 256) by ``training.loop.fit`` against the same networks, losses and
   optimisers in a bare loop over the same tensor in memory. Ratio of speeds; target: at least 0.9.
2. A string on a latent energy (200 pairs, 33 nodes, 150 iterations) against the bare forward and backward passes that it needs. Ratio of
   times; target: at most 1.3.
3. A walk and a string under the energy ``dual`` (200 pairs; decoder 8-512-512-784, D_x 784-256-256-1, D_z three members of 3 x 256): against
   the forward and backward passes of both sensors on batches of the same sizes, target at most 1.15; and against those of decoder and D_x
   alone, which shows the cost of D_z.
4. ``import ridgewalk`` with the library's public names, and ``ridgewalk --help``. Target: under 2.5 s and 1 s.

The two sides alternate, so that a noisy machine slows both; medians are reported.
"""

import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from ridgewalk.energies import Decoded, SoftRatio, balance, freeze
from ridgewalk.finders import ArrivingWalk, StringMethod
from ridgewalk.models import autoencoders
from ridgewalk.models.discriminators import Discriminator, MeanLogit, image_discriminator, latent_discriminator
from ridgewalk.protocols import Energy, PathFinder
from ridgewalk.settings.training import Schedule
from ridgewalk.training.families.adversarial import AAE
from ridgewalk.training.loop import Fitting, fit

ROUNDS = 5


def seconds(f: Callable[[], object]) -> float:
    """Returns the wall-clock seconds of one call."""
    began = time.perf_counter()
    f()
    return time.perf_counter() - began


def training() -> dict[str, float]:
    """Measures the speed of ``fit`` over that of a bare loop."""
    images = torch.randint(0, 256, (256 * 40, 1, 28, 28), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    floats = images.float() / 255

    def networks() -> tuple[autoencoders.Autoencoder, torch.nn.Module]:
        return autoencoders.build((1, 28, 28), 8), latent_discriminator(8, "prior")

    def ours() -> None:
        model, discriminator = networks()
        fit(AAE(model, discriminator), [floats], Schedule(epochs=1, batch=256), Fitting("cpu"))

    def bare() -> None:
        model, discriminator = networks()
        e, g, d = model.encoder, model.decoder, discriminator
        both = torch.optim.Adam([*e.parameters(), *g.parameters()], lr=1e-3, fused=True)
        of_d = torch.optim.Adam(d.parameters(), lr=1e-3, fused=True)
        of_e = torch.optim.Adam(e.parameters(), lr=1e-3, fused=True)
        order = torch.randperm(len(floats))
        for index in order.split(256):
            x = floats[index]
            both.zero_grad(set_to_none=True)
            (F.mse_loss(g(e(x)), x, reduction="sum") / (2 * len(x))).backward()
            both.step()
            z = e(x).detach()
            of_d.zero_grad(set_to_none=True)
            ((F.softplus(-d(torch.randn_like(z))).mean() + F.softplus(d(z)).mean()) / 2).backward()
            of_d.step()
            of_e.zero_grad(set_to_none=True)
            F.softplus(-d(e(x))).mean().backward(inputs=list(e.parameters()))
            of_e.step()

    ours(), bare()
    pairs = [(seconds(ours), seconds(bare)) for _ in range(ROUNDS)]
    mine, theirs = (statistics.median(column) for column in zip(*pairs))
    return {"fit_s": mine, "bare_s": theirs, "speed_ratio": theirs / mine}


def searching() -> dict[str, float]:
    """Measures the time of a string over that of the bare passes that it needs."""
    detector = latent_discriminator(8, "encoded", (256, 256, 256)).eval().requires_grad_(False)
    energy = SoftRatio(detector)
    generator = torch.Generator().manual_seed(0)
    z_a, z_b = torch.randn(200, 8, generator=generator), torch.randn(200, 8, generator=generator)
    finder = StringMethod(energy, nodes=33, iterations=150)

    def bare() -> None:
        z = torch.randn(200 * 31, 8, generator=generator)
        for _ in range(150):
            leaf = z.clone().requires_grad_(True)
            torch.autograd.grad(energy(leaf).sum(), leaf)

    finder(z_a[:2], z_b[:2]), bare()
    rounds = [(seconds(lambda: finder(z_a, z_b)), seconds(bare)) for _ in range(ROUNDS)]
    mine, theirs = (statistics.median(column) for column in zip(*rounds))
    return {"string_s": mine, "bare_s": theirs, "time_ratio": mine / theirs}


@dataclass(frozen=True, eq=False)
class Recorded:
    """An energy that records the rows of each call, and whether its gradient was needed."""

    energy: Energy
    calls: list[tuple[int, bool]]

    def __call__(self, z: Tensor, /) -> Tensor:
        self.calls.append((len(z), z.requires_grad))
        return self.energy(z)


def dual() -> dict[str, dict[str, float]]:
    """Measures the times of a walk and of a string under both sensors over those of the bare passes, with D_z and without."""
    generator = torch.Generator().manual_seed(0)
    decoder = freeze(autoencoders.build((1, 28, 28), 8)).decoder
    d_x = freeze(image_discriminator((1, 28, 28), "encoded"))
    d_z = freeze(
        Discriminator(MeanLogit([latent_discriminator(8, "encoded", (256,) * 3) for _ in range(3)]), "encoded")
    )
    z_a, z_b = torch.randn(200, 8, generator=generator), torch.randn(200, 8, generator=generator)
    latent, pixel = SoftRatio(d_z), Decoded(SoftRatio(d_x), decoder)
    both = balance([latent, pixel], torch.lerp(z_a, z_b, 0.5))

    def finders(energy: Energy) -> dict[str, PathFinder]:
        return {"walk": ArrivingWalk(energy), "string": StringMethod(energy, nodes=33, iterations=10)}

    def bare(energies: list[Energy], calls: list[tuple[int, bool]], points: Tensor) -> None:
        for rows, differentiated in calls:
            for energy in energies:
                if differentiated:
                    leaf = points[:rows].clone().requires_grad_(True)
                    torch.autograd.grad(energy(leaf).sum(), leaf)
                else:
                    with torch.no_grad():
                        energy(points[:rows])

    def measured(name: str) -> dict[str, float]:
        finder, calls = finders(both)[name], list[tuple[int, bool]]()
        finders(Recorded(both, calls))[name](z_a, z_b)
        points = torch.randn(max(rows for rows, _ in calls), 8, generator=generator)
        sides: list[Callable[[], object]] = [
            lambda: finder(z_a, z_b),
            lambda: bare([latent, pixel], calls, points),
            lambda: bare([pixel], calls, points),
        ]
        rounds = [[seconds(side) for side in sides] for _ in range(ROUNDS)]
        mine, passes, pixels = (statistics.median(column) for column in zip(*rounds))
        return {
            "search_s": mine,
            "bare_s": passes,
            "time_ratio": mine / passes,
            "bare_decoder_and_D_x_s": pixels,
            "time_ratio_without_D_z": mine / pixels,
            "D_z_adds": passes / pixels - 1,
        }

    return {name: measured(name) for name in ("walk", "string")}


def starting() -> dict[str, float]:
    """Measures the start-up times of fresh interpreters."""
    names = "import ridgewalk; [getattr(ridgewalk, n) for n in ridgewalk.__all__]"

    def fresh(*command: str) -> float:
        return statistics.median(
            seconds(lambda: subprocess.run([sys.executable, *command], check=True, capture_output=True))
            for _ in range(ROUNDS)
        )

    return {
        "import_s": fresh("-c", "import ridgewalk"),
        "import_all_names_s": fresh("-c", names),
        "help_s": fresh("-m", "ridgewalk", "--help"),
    }


if __name__ == "__main__":
    result = {
        "threads": torch.get_num_threads(),
        "training": training(),
        "searching": searching(),
        "dual": dual(),
        "starting": starting(),
    }
    print(json.dumps(result, indent=1))

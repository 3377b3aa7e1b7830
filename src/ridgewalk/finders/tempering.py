"""
Long jumps by the score: a chain at T = 1 stays in the mode where it began; one at a high T crosses to the others.

Parallel tempering moves K replicas of a point at temperatures T_1 < ... < T_K, each by its own Metropolis-adjusted Langevin chain
(``langevin``), and lets neighbours swap places. Rung k has the density exp(-U_k),

    U_k = E / T_k + (1 - T_1 / T_k) B        which is rung 1: exp(-E / T_1) alone, and for T_K -> infinity exp(-B),

B a base energy whose exp(-B) has a finite integral, such as a Gaussian fitted to codes. Without it (B = 0) a hot rung may have no
density at all: a sensor's energy is bounded far away, and there exp(-E / T) is too. The states z_i, z_j of two rungs are exchanged with
probability min(1, r),

    log r = U_i(z_i) + U_j(z_j) - U_i(z_j) - U_j(z_i) = (1 / T_i - 1 / T_j) (F(z_i) - F(z_j)),    F = E - T_1 B,

which leaves the product of all the rungs' densities as it is: what arrives at rung 1 from above is a draw of exp(-E / T_1), in
whichever mode it lies. T_1 < T_j: a state with a lower F always moves to the colder rung.

Source: Swendsen and Wang (1986); Geyer (1991), Markov chain Monte Carlo maximum likelihood; Earl and Deem (2005) for a review.
"""

from dataclasses import dataclass, field

import torch
from torch import Tensor

from ridgewalk.callables import outside_inference_mode
from ridgewalk.fields import energy_and_score
from ridgewalk.finders.langevin import (
    Moved,
    _acceptance,
    _adapted,
    _begin,
    _by_row,
    _noise,
    _norm,
    _positive,
    _proposed,
    _stats,
    _where,
)
from ridgewalk.progress import track
from ridgewalk.protocols import Energy


@dataclass(frozen=True, eq=False)
class Exchanged(Moved):
    """
    Where points have gone, and what went on above them.

    ``z``, ``energy``, ``step`` and ``accepted`` are those of the coldest rung. ``stats`` gain ``swaps``, the mean of
    ``swaps``; ``arrivals``, the mean of ``arrivals``; and ``travelled``, the mean distance |z - start|.

    Attributes:
        replicas: (n, K, *), the state of every rung, the coldest first: ``replicas[:, 0]`` is ``z``.
        swaps: (K - 1,), the share of proposed swaps that were accepted, of each pair of neighbours, the coldest first.
        arrivals: (n,), how often, after burn-in, a state came to the coldest rung that had been at the hottest since it was last
            there. 0 says that a point is where a chain of its own could have led it, and no more.
    """

    replicas: Tensor = field(kw_only=True)
    swaps: Tensor = field(kw_only=True)
    arrivals: Tensor = field(kw_only=True)


@dataclass(frozen=True, eq=False)
class Tempered:
    """
    Parallel tempering: as many chains a point as there are rungs, and swaps between neighbours.

    Temperatures rise geometrically from ``temperature`` to ``hottest``. After every ``every`` moves swaps are proposed, between
    rungs 1-2, 3-4, ... and 2-3, 4-5, ... in turn. The coldest rung is exp(-E / T_1) with or without a base: where that has no finite
    integral, as an energy that is flat far away, no ladder gives it one. Too few rungs show as swaps that are seldom accepted,
    too cold a ladder as few arrivals.

    Attributes:
        energy: E.
        temperature: T_1.
        hottest: T_K, such that E / T_K is no more than a few units higher between modes than in them.
        rungs: K.
        base: B; exp(-B) should cover every mode. None takes 0, right where exp(-E / hottest) has a finite integral.
        steps: moves of each rung after burn-in.
        burn: moves of burn-in, in which each replica of each point finds its own step, as in ``Langevin``.
        every: moves from swaps to swaps.
        step: first h of every rung; a move of rung k is h times T_k grad U_k, and noise of variance 2 h T_k.
        target: share of accepted moves that burn-in aims at.
        seed: seed of the noise, which depends on the seed and the row's index only: row i is the same in every batch.
    """

    energy: Energy
    temperature: float = 1.0
    hottest: float = 30.0
    rungs: int = 8
    base: Energy | None = None
    steps: int = 400
    burn: int = 400
    every: int = 5
    step: float = 0.01
    target: float = 0.574
    seed: int = 0

    def __post_init__(self) -> None:
        _positive(temperature=self.temperature, hottest=self.hottest, step=self.step)
        if self.hottest <= self.temperature or self.rungs < 2:
            raise ValueError(
                "a ladder needs rungs >= 2 that rise from temperature to a higher hottest; got "
                f"{self.rungs} from {self.temperature} to {self.hottest}; for one rung take Langevin"
            )
        if self.every < 1 or self.burn < 0 or not 0 < self.target < 1:
            raise ValueError(
                f"tempering needs every >= 1, burn >= 0 and target in (0, 1); got {self.every}, {self.burn}, {self.target}"
            )
        if self.steps < 2 * self.every:
            raise ValueError(
                f"tempering needs steps >= 2 every = {2 * self.every}, so that each pair of rungs may swap; got {self.steps}"
            )

    @property
    def temperatures(self) -> tuple[float, ...]:
        """T_1, ..., T_K."""
        ratio = self.hottest / self.temperature
        return tuple(self.temperature * ratio ** (k / (self.rungs - 1)) for k in range(self.rungs))

    @outside_inference_mode
    def __call__(self, z: Tensor, /) -> Exchanged:
        """(n, *) -> the last state of the coldest rung, after all K chains of each point began at it."""
        start, energies = z, (self.energy,) if self.base is None else (self.energy, self.base)
        began = [_begin(energy, z) for energy in energies]
        n, k = len(z), self.rungs
        # row i k + j is the replica of point i at rung j; E and B are kept apart, since a swap needs both
        z = began[0][0].repeat_interleave(k, dim=0)
        values = [e.repeat_interleave(k) for _, e, _ in began]
        forces = [force.repeat_interleave(k, dim=0) for _, _, force in began]
        hot = torch.tensor(self.temperatures, dtype=values[0].dtype, device=z.device)
        heat = hot.repeat(n)

        def of_rung(parts: list[Tensor]) -> Tensor:
            """T_k U_k = E + (T_k - T_1) B, or its force, of the parts E and B."""
            return parts[0] if len(parts) == 1 else parts[0] + _by_row(heat - hot[0], parts[1])

        h = torch.full_like(heat, self.step)
        accepted = torch.zeros_like(heat)
        proposed, swapped = torch.zeros_like(hot[1:]), torch.zeros_like(hot[1:])
        was_hot = torch.zeros_like(heat, dtype=torch.bool)
        arrivals = torch.zeros_like(heat[:n])
        total, rounds = self.burn + self.steps, 0
        noise = _noise(began[0][0][:, None].expand(-1, k, *start.shape[1:]), total, self.seed, uniforms=(2, k))
        for t, (xi, uniform) in enumerate(track(noise, "tempering", total=total), start=1):
            xi = xi.flatten(0, 1)
            there = _proposed(z, of_rung(forces), h, heat, xi)
            found = [energy_and_score(energy, there) for energy in energies]
            values_there, forces_there = [e for e, _ in found], [force for _, force in found]
            probability = _acceptance(
                z, of_rung(values), there, of_rung(values_there), of_rung(forces_there), h, heat, xi
            )
            yes = uniform[:, 0].flatten() < probability
            z = _where(yes, there, z)
            values = [_where(yes, new, old) for new, old in zip(values_there, values)]
            forces = [_where(yes, new, old) for new, old in zip(forces_there, forces)]
            if t <= self.burn:
                h = _adapted(h, probability, self.target, t)
            else:
                accepted += yes.to(accepted.dtype)
            if t % self.every:
                continue
            # pairs in turn; of two rungs there is one pair
            low = torch.arange(rounds % min(2, k - 1), k - 1, 2, device=z.device)
            rounds += 1
            f = values[0] if self.base is None else values[0] - hot[0] * values[1]
            swap = uniform[:, 1, low] < _swap_probability(f.view(n, k), hot, low)
            come = _exchange(swap, low, k)
            z, was_hot = z[come], was_hot[come]
            values, forces = [v[come] for v in values], [v[come] for v in forces]
            ladder = was_hot.view(n, k)
            ladder[:, -1] = True
            if t > self.burn:
                proposed[low] += 1
                swapped[low] += swap.to(hot.dtype).mean(dim=0)
                arrivals += ladder[:, 0].to(arrivals.dtype)
            ladder[:, 0] = False
        replicas, swaps = z.view(n, k, *start.shape[1:]), swapped / proposed
        z, e = replicas[:, 0].clone(), values[0].view(n, k)[:, 0].clone()
        h, accepted = h.view(n, k)[:, 0].clone(), accepted.view(n, k)[:, 0] / self.steps
        stats = {
            **_stats(n * (1 + k * total), total, accepted, h),
            "swaps": float(swaps.mean()),
            "arrivals": float(arrivals.mean()),
            "travelled": float(_norm(z - start.detach()).mean()),
        }
        return Exchanged(z, e, h, accepted, stats, replicas=replicas, swaps=swaps, arrivals=arrivals)


def _swap_probability(f: Tensor, temperatures: Tensor, low: Tensor) -> Tensor:
    """min(1, r) of the pairs (low, low + 1), of the rungs' F (n, k): (n, pairs)."""
    cold, hot = temperatures[low], temperatures[low + 1]
    return ((1 / cold - 1 / hot) * (f[:, low] - f[:, low + 1])).clamp_max(0).exp()


def _exchange(swap: Tensor, low: Tensor, k: int) -> Tensor:
    """The row from which each row's state comes, (n k,), where the pairs (low, low + 1) of ``swap`` (n, pairs) change places."""
    come = torch.arange(len(swap) * k, device=swap.device).view(-1, k)
    step = swap.to(come.dtype)
    come[:, low] += step
    come[:, low + 1] -= step
    return come.flatten()

"""
Parallel tempering: a chain at T = 1 stays in the mode where it began, but a chain at a high temperature crosses to other modes.

K replicas of a point at temperatures T_1 < ... < T_K are moved by separate Metropolis-adjusted Langevin chains (``langevin``), and neighbours swap
places. Rung k has the density exp(-U_k),

    U_k = E / T_k + (1 - T_1 / T_k) B

so that rung 1 is exp(-E / T_1) and the limit T_K -> infinity is exp(-B). B is a base energy whose exp(-B) has a finite integral, such as a Gaussian
fitted to codes. Without it (B = 0) a hot rung may have no density, because a sensor's energy, and thus exp(-E / T), is bounded far away. The
states z_i, z_j of two rungs are exchanged with probability min(1, r),

    log r = U_i(z_i) + U_j(z_j) - U_i(z_j) - U_j(z_i) = (1 / T_i - 1 / T_j) (F(z_i) - F(z_j)),    F = E - T_1 B,

which leaves the product of all densities invariant: a state that arrives at rung 1 from above is a draw of exp(-E / T_1), whatever its mode. A
state with the lower F always moves to the colder rung.

Source: Swendsen and Wang (1986); Geyer (1991), Markov chain Monte Carlo maximum likelihood; Earl and Deem (2005) for a review.
"""

from dataclasses import dataclass, field

import torch
from torch import Tensor

from ridgewalk.callables import outside_inference_mode
from ridgewalk.fields import energy_and_score, row_norm
from ridgewalk.finders import langevin
from ridgewalk.finders.inputs import check_positive
from ridgewalk.finders.langevin import Moved, scale_rows, where_rows
from ridgewalk.progress import track
from ridgewalk.protocols import Energy


@dataclass(frozen=True, eq=False)
class Exchanged(Moved):
    """
    The points of the coldest rung, and the states and swaps of all rungs.

    ``z``, ``energy``, ``step`` and ``accepted`` belong to the coldest rung. The additional stats are the means of ``swaps`` and ``arrivals``, and
    ``travelled``, the mean distance |z - start|.

    Attributes:
        replicas: (n, K, *) the states of all rungs, the coldest first; ``replicas[:, 0]`` is ``z``.
        swaps: (K - 1,) the share of proposed swaps that were accepted between each rung and the next, the coldest first.
        arrivals: (n,) how often after burn-in a state reached the coldest rung that had visited the hottest rung since it last left the coldest. 0 means
            that a single chain could have reached the same point.
    """

    replicas: Tensor = field(kw_only=True)
    swaps: Tensor = field(kw_only=True)
    arrivals: Tensor = field(kw_only=True)


@dataclass(frozen=True, eq=False)
class Tempered:
    """
    Parallel tempering with K chains for each point and swaps between neighbouring rungs.

    Temperatures rise geometrically from ``temperature`` to ``hottest``. After every ``every`` moves swaps are proposed, alternately between
    rungs 1-2, 3-4, ... and 2-3, 4-5, .... The density of the coldest rung must have a finite integral, with or without a base. Swaps are seldom accepted
    if there are too few rungs, and there are few arrivals if the hottest rung is too cold.

    Attributes:
        energy: E, (n, *) -> (n,).
        temperature: T_1.
        hottest: T_K, at which E / T_K should be at most a few units higher between modes than in them.
        rungs: K, the number of temperatures.
        base: B, where exp(-B) should cover every mode; None for B = 0, which requires that exp(-E / hottest) has a finite integral.
        steps: number of moves of each rung after burn-in.
        burn: number of moves of burn-in, in which the step size of each replica of each point is adapted as in ``Langevin``.
        every: number of moves between swaps.
        step: the initial h of every rung; a move of rung k is -h T_k grad U_k plus noise of variance 2 h T_k.
        target: acceptance rate that burn-in aims at.
        seed: seed of the noise, which depends on the seed and the index of the row alone, so that row i is the same in every batch.
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
        check_positive(temperature=self.temperature, hottest=self.hottest, step=self.step)
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
        """The last states of K chains that start at each point of z (n, *)."""
        start, energies = z, (self.energy,) if self.base is None else (self.energy, self.base)
        began = [langevin.start_chains(energy, z) for energy in energies]
        n, k = len(z), self.rungs
        # row i k + j is the replica of point i at rung j; E and B are kept separately, because a swap needs both
        z = began[0][0].repeat_interleave(k, dim=0)
        values = [e.repeat_interleave(k) for _, e, _ in began]
        forces = [force.repeat_interleave(k, dim=0) for _, _, force in began]
        hot = torch.tensor(self.temperatures, dtype=values[0].dtype, device=z.device)
        heat = hot.repeat(n)

        def of_rung(parts: list[Tensor]) -> Tensor:
            """T_k U_k = E + (T_k - T_1) B from the parts E and B, or its force from their forces."""
            return parts[0] if len(parts) == 1 else parts[0] + scale_rows(heat - hot[0], parts[1])

        h = torch.full_like(heat, self.step)
        accepted = torch.zeros_like(heat)
        proposed, swapped = torch.zeros_like(hot[1:]), torch.zeros_like(hot[1:])
        was_hot = torch.zeros_like(heat, dtype=torch.bool)
        arrivals = torch.zeros_like(heat[:n])
        total, rounds = self.burn + self.steps, 0
        noise = langevin.draw_noise(began[0][0][:, None].expand(-1, k, *start.shape[1:]), total, self.seed, (2, k))
        for t, (xi, uniform) in enumerate(track(noise, "tempering", total=total), start=1):
            xi = xi.flatten(0, 1)
            there = langevin.propose(z, of_rung(forces), h, heat, xi)
            found = [energy_and_score(energy, there) for energy in energies]
            values_there, forces_there = [e for e, _ in found], [force for _, force in found]
            probability = langevin.accept(
                z, of_rung(values), there, of_rung(values_there), of_rung(forces_there), h, heat, xi
            )
            yes = uniform[:, 0].flatten() < probability
            z = where_rows(yes, there, z)
            values = [where_rows(yes, new, old) for new, old in zip(values_there, values)]
            forces = [where_rows(yes, new, old) for new, old in zip(forces_there, forces)]
            if t <= self.burn:
                h = langevin.adapt(h, probability, self.target, t)
            else:
                accepted += yes.to(accepted.dtype)
            if t % self.every:
                continue
            # both sets of pairs alternate; two rungs have only one pair
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
            **langevin.summarise(n * (1 + k * total), total, accepted, h),
            "swaps": float(swaps.mean()),
            "arrivals": float(arrivals.mean()),
            "travelled": float(row_norm(z - start.detach()).mean()),
        }
        return Exchanged(z, e, h, accepted, stats, replicas=replicas, swaps=swaps, arrivals=arrivals)


def _swap_probability(f: Tensor, temperatures: Tensor, low: Tensor) -> Tensor:
    """The probabilities min(1, r) (n, pairs) of swapping the rungs low and low + 1 (pairs,), given F of all rungs (n, k)."""
    cold, hot = temperatures[low], temperatures[low + 1]
    return ((1 / cold - 1 / hot) * (f[:, low] - f[:, low + 1])).clamp_max(0).exp()


def _exchange(swap: Tensor, low: Tensor, k: int) -> Tensor:
    """The indices (n k,) of the rows that the states come from, if the rungs low and low + 1 change places where ``swap`` (n, pairs)."""
    come = torch.arange(len(swap) * k, device=swap.device).view(-1, k)
    step = swap.to(come.dtype)
    come[:, low] += step
    come[:, low + 1] -= step
    return come.flatten()

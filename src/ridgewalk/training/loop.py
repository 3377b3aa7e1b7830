"""
The one training loop: any objective, over tensors in memory, on one device or several processes.

At each step the optimisers of the objective take their steps in order; the loss of each is differentiated with respect to its own
parameters only. Over several processes each computes its share of the global batch and gradients are averaged before the
move, so that no wrapper hides a network and no phase touches another's gradients.

Everything random is a function of (seed, step): the order of the data of (seed, epoch), the noise of (seed, step). Together with
the networks and the optimisers in a checkpoint this makes a resumed run equal to an uninterrupted one, bit for bit.
"""

import hashlib
import json
import math
import os
import time
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ridgewalk import naming
from ridgewalk.data.images import to_floats
from ridgewalk.files import note_written, write_bytes
from ridgewalk.progress import track
from ridgewalk.seeds import mixed_seed
from ridgewalk.settings.training import Schedule
from ridgewalk.training import checkpoint
from ridgewalk.training.batch_norm import batch_statistics
from ridgewalk.training.checkpoint import Identity, Spent
from ridgewalk.training.devices import accelerator, refuse_precision, resolve_device, seeded
from ridgewalk.training.health import Event, Health
from ridgewalk.training.log import Written, describe_damage, read_lines, read_log, read_readings
from ridgewalk.training.noise import Noise
from ridgewalk.training.objectives import Objective
from ridgewalk.training.schedule import build_optimiser, decay_factor

INSPECTIONS = 10
"""Times that ``inspect`` is called in a training of as many steps or more."""

Inspect = Callable[[int, torch.device], Sequence[dict[str, Any]]]
"""Step and device -> lines for the log."""


@dataclass(frozen=True, eq=False)
class History:
    """
    What a run logged: one value a step for each term, ``steps`` from 1.

    ``seconds`` in the loop are those of ``timed`` steps: of all parts of a training that was resumed, ``taken`` of them by the last part. The time of steps
    that were lost with a process and computed again is not counted twice. ``inspecting`` are the seconds of ``inspect``.

    ``events`` are what ``training.health`` saw in it; each is warned of when it happens, and is written into the log.
    ``readings`` are the lines of ``inspect``, in order.
    """

    steps: Tensor
    terms: Mapping[str, Tensor]
    seconds: float
    averages: Mapping[str, nn.Module] = field(default_factory=dict)
    taken: int = 0
    events: Sequence[Event] = ()
    readings: Sequence[Mapping[str, Any]] = ()
    timed: int = 0
    inspecting: float = 0.0


def check(
    objective: Objective, rows: Sequence[int], schedule: Schedule, device: str, precision: str, world: int
) -> None:
    """Raises ValueError for what ``fit`` would refuse: rows that fill no batch, a device or precision that is not there, unknown optimisers."""
    if len(set(rows)) != 1 or rows[0] < schedule.batch:
        raise ValueError(
            f"training needs tensors of equal length, at least one batch of {schedule.batch}; got {list(rows)} rows"
        )
    if schedule.batch % world:
        raise ValueError(
            f"a global batch of {schedule.batch} does not divide over {world} processes; choose a multiple"
        )
    for name in (*schedule.rates, *schedule.momenta):
        if name not in objective.optimisers:
            raise ValueError(f"rates: {naming.unknown('optimiser', name, objective.optimisers)}")
    refuse_precision(precision, resolve_device(device))


@dataclass(frozen=True)
class Fitting:
    """
    Where and how ``fit`` runs. None of it changes what is learned, except that devices and precisions round differently.

    Attributes:
        device: ``auto``, ``cpu``, ``cuda`` or ``mps``.
        precision: ``no`` (float32), ``bf16`` or ``fp16``.
        tensorboard: whether to log to TensorBoard too, in the training's folder.
        resume: whether to resume from the newest checkpoint; every later loss then equals that of an uninterrupted training.
        label: label of the progress bar.
        shared: whether the processes of a distributed run train together; otherwise the process that calls trains alone.
    """

    device: str = "auto"
    precision: str = "no"
    tensorboard: bool = False
    resume: bool = False
    label: str = "training"
    shared: bool = True


def fit(
    objective: Objective,
    data: Sequence[Tensor],
    schedule: Schedule,
    fitting: Fitting = Fitting(),
    *,
    folder: Path | None = None,
    inspect: Inspect | None = None,
) -> History:
    """
    Trains the objective's networks in place; they end in evaluation mode on the device that they were trained on.

    Args:
        objective: networks, optimisers and losses.
        data: tensors with one row for each example, kept in memory on the device; uint8 rows are passed on as floats in [0, 1].
        schedule: see ``Schedule``.
        fitting: device, precision, resuming and labels; see ``Fitting``.
        folder: folder for ``log.jsonl`` and ``checkpoints/``; None writes nothing.
        inspect: called ``INSPECTIONS`` times, the last time after the last step, with the networks in evaluation mode, except that batch
            normalisation uses the statistics of each batch as in training. Its lines are added to the log and to the history. Where the
            ``reading`` of a line differs from that of the previous line of its ``name``, its ``sentence`` is issued as a warning.

    Raises:
        ValueError: for data that cannot fill one batch, or a checkpoint of other settings.
        FloatingPointError: when a term is not finite; the message names the step, the term and the last checkpoint.
    """
    return _Run(objective, data, schedule, fitting, folder, inspect).go()


class _Run:
    def __init__(
        self,
        objective: Objective,
        data: Sequence[Tensor],
        schedule: Schedule,
        fitting: Fitting,
        folder: Path | None,
        inspect: Inspect | None,
    ) -> None:
        shared = fitting.shared
        world = int(os.environ.get("WORLD_SIZE", "1")) if shared else 1  # torchrun's
        check(objective, [t.shape[0] for t in data], schedule, fitting.device, fitting.precision, world)
        self.fitting = fitting
        self.objective, self.schedule, self.folder = objective, schedule, folder
        self.accelerator = accelerator(
            resolve_device(fitting.device), fitting.precision, folder if fitting.tensorboard else None
        )
        self.device = self.accelerator.device
        self.world = self.accelerator.num_processes if shared else 1
        self.rank = self.accelerator.process_index if shared else 0
        for network in objective.networks.values():
            network.to(self.device).train()
        self.data = [t.to(self.device) for t in data]
        self.n = self.data[0].shape[0]
        self.per_epoch = self.n // schedule.batch
        self.total = self.per_epoch * schedule.epochs
        self.identity = Identity.of(objective, data, schedule)
        self.parameters = {
            p: [w for name in names for w in objective.networks[name].parameters()]
            for p, names in objective.optimisers.items()
        }
        # only where gradients are scaled does accelerate do anything here, and it looks for packages at every move: a tenth of a small step
        self.scaled = self.accelerator.scaler is not None
        prepare = self.accelerator.prepare if self.scaled else (lambda o: o)
        self.optimisers = {p: prepare(build_optimiser(schedule, p, ws)) for p, ws in self.parameters.items()}
        self.averages = _averages(objective.networks, schedule.ema)
        self.log: list[dict[str, float]] = []
        self.health, self.events = Health(), list[Event]()
        self.inspect, self.readings, self.inspecting = inspect, list[dict[str, Any]](), 0.0
        self.pending: list[tuple[int, dict[str, Tensor]]] = []
        self.written, self.written_digest = 0, hashlib.sha256()
        self.start, self.began, self.before = 0, 0.0, Spent()

    @property
    def saved(self) -> dict[str, nn.Module]:
        return {**self.objective.networks, **{f"ema:{name}": average for name, average in self.averages.items()}}

    def go(self) -> History:
        self.start = start = self._restore() if self.fitting.resume else 0
        self.began = time.perf_counter()
        steps = track(range(start, self.total), self.fitting.label, total=self.total - start)
        order = torch.empty(0)
        for step in steps:
            epoch, place = divmod(step, self.per_epoch)
            if place == 0 or step == start:
                generator = torch.Generator().manual_seed(mixed_seed(self.schedule.seed, -1 - epoch))
                order = torch.randperm(self.n, generator=generator).to(self.device)
            self._step(step, order[place * self.schedule.batch : (place + 1) * self.schedule.batch])
            done, every = step + 1, self.schedule.checkpoint_every or self.per_epoch
            due = done % every == 0 or done == self.total
            if due or done % self.schedule.log_every == 0:
                self._flush()
            if self.inspect is not None and (done * INSPECTIONS // self.total > step * INSPECTIONS // self.total):
                self._inspect(done)
            if due:
                self._refuse_broken(done)
            if due and self.folder is not None and self.rank == 0:
                self._checkpoint(done)
        for network in self.saved.values():
            network.eval()
        self._wait()
        if self.accelerator.trackers:
            self.accelerator.end_training()
        names = [k for k in (self.log[-1] if self.log else {}) if k != "step"]
        self.log = [line for line in self.log if set(names) <= set(line)]  # of a damaged log that was resumed
        terms = {name: torch.tensor([line[name] for line in self.log], dtype=torch.float64) for name in names}
        averages = {name: average.module for name, average in self.averages.items()}
        spent = self._spent(self.total)
        return History(
            torch.tensor([int(line["step"]) for line in self.log]),
            terms,
            spent.seconds,
            averages,
            self.total - start,
            tuple(self.events),
            tuple(self.readings),
            spent.steps,
            spent.inspecting,
        )

    def _spent(self, step: int) -> Spent:
        """The time until now, when ``step`` steps are done, with that of the parts before this one."""
        own, before = time.perf_counter() - self.began - self.inspecting, self.before
        return Spent(before.seconds + own, before.steps + step - self.start, before.inspecting + self.inspecting)

    def _step(self, step: int, index: Tensor) -> None:
        share = self.schedule.batch // self.world
        mine = index[self.rank * share : (self.rank + 1) * share]
        batch = tuple(to_floats(t[mine]) for t in self.data)
        noise = Noise(self.schedule.seed, step, self.rank, self.world, self.device)
        factor = decay_factor(self.schedule, step, self.total)
        logged: dict[str, Tensor] = {}
        with seeded(mixed_seed(self.schedule.seed, step, 1 + self.rank), self.device):
            for name, optimiser in self.optimisers.items():
                with self.accelerator.autocast():
                    loss, terms = self.objective.loss(name, batch, noise)
                logged |= {name: term.detach().float() for name, term in terms.items()}
                optimiser.zero_grad(set_to_none=True)
                backward = self.accelerator.backward if self.scaled else torch.autograd.backward
                backward(loss, inputs=self.parameters[name])
                self._average_gradients(name)
                if self.schedule.log_gradients:
                    logged[f"{name}_gradient"] = _gradient_norm(self.parameters[name])
                if self.schedule.clip is not None:
                    self.accelerator.clip_grad_norm_(self.parameters[name], self.schedule.clip)
                for group in optimiser.param_groups:
                    group["lr"] = factor * self.schedule.rates.get(name, self.schedule.rate)
                optimiser.step()
        for name, average in self.averages.items():
            average.update_parameters(self.objective.networks[name])
        self.pending.append((step + 1, logged))

    def _inspect(self, step: int) -> None:
        """Inspects the networks; every process computes the same, and the first one writes."""
        assert self.inspect is not None
        self._flush()
        began = time.perf_counter()
        for network in self.objective.networks.values():
            network.eval()
        with batch_statistics(self.objective.networks.values()):
            lines = self.inspect(step, self.device)
        for network in self.objective.networks.values():
            network.train()
        for line in lines:
            before = [r["reading"] for r in self.readings if r["name"] == line["name"]]
            self.readings.append(line)
            begins_well = not before and line["reading"] == "alive"
            if before[-1:] != [line["reading"]] and not begins_well:
                warnings.warn(str(line["sentence"]), stacklevel=2)
        self._append(lines)
        self.inspecting += time.perf_counter() - began

    def _append(self, lines: Iterable[Mapping[str, Any]]) -> None:
        if self.folder is not None and self.rank == 0:
            self.folder.mkdir(parents=True, exist_ok=True)
            content = self._noted(lines)
            with (self.folder / "log.jsonl").open("ab") as file:
                file.write(content)
            note_written(self.folder / "log.jsonl")

    def _noted(self, lines: Iterable[Mapping[str, Any]]) -> bytes:
        """Lines as the log has them, which are added to the digest of the log."""
        content = "".join(json.dumps(line) + "\n" for line in lines).encode()
        self.written += len(content)
        self.written_digest.update(content)
        return content

    def _wait(self) -> None:
        if self.world > 1:
            self.accelerator.wait_for_everyone()

    def _average_gradients(self, name: str) -> None:
        if self.world == 1:
            return
        gradients = [w.grad for w in self.parameters[name] if w.grad is not None]
        flat = self.accelerator.reduce(torch.cat([g.flatten() for g in gradients]), reduction="mean")
        for gradient, part in zip(gradients, flat.split([g.numel() for g in gradients])):
            gradient.copy_(part.view_as(gradient))

    def _flush(self) -> None:
        if not self.pending:
            return
        names = list(self.pending[0][1])
        values = torch.stack([torch.stack([terms[name] for name in names]) for _, terms in self.pending])
        if self.world > 1:
            values = self.accelerator.reduce(values, reduction="mean")
        lines = [{"step": step, **dict(zip(names, row))} for (step, _), row in zip(self.pending, values.tolist())]
        self.pending.clear()
        for line in lines:
            bad = [name for name in names if not math.isfinite(line[name])]
            if bad:
                raise self._diverged(f"'{bad[0]}' became {line[bad[0]]} at step {line['step']}")
        self.log += lines
        events = list(self.health.feed(lines))
        self.events += events
        self._append([*lines, *(e.line() for e in events)])
        for event in events:
            warnings.warn(event.sentence, stacklevel=2)
        if self.accelerator.trackers:
            for line in lines:
                self.accelerator.log({name: line[name] for name in names}, step=int(line["step"]))

    def _refuse_broken(self, step: int) -> None:
        """A step may end in weights that are not finite before any term shows it; such a checkpoint is refused."""
        for name, network in self.objective.networks.items():
            if not all(w.isfinite().all() for w in network.parameters()):
                raise self._diverged(f"weights of '{name}' are not finite after step {step}")

    def _diverged(self, what: str) -> FloatingPointError:
        last = checkpoint.latest(self.folder / "checkpoints") if self.folder else None
        kept = f"the last good checkpoint is {last}" if last else "no checkpoint was written before"
        return FloatingPointError(f"{what}; {kept}: lower the learning rate, clip gradients, or look at the data")

    def _checkpoint(self, step: int) -> None:
        assert self.folder is not None
        states: dict[str, Any] = {p: o.state_dict() for p, o in self.optimisers.items()}
        if self.accelerator.scaler is not None:
            states["scaler"] = self.accelerator.scaler.state_dict()
        log = Written(self.written, self.written_digest.hexdigest())
        checkpoint.write(self.folder / "checkpoints", step, self.saved, states, self.identity, log, self._spent(step))

    def _restore(self) -> int:
        """Loads the newest checkpoint, cuts the log back to it, and returns its step (0 where there is none)."""
        if self.folder is None:
            raise ValueError("resuming needs the folder of the run; pass folder=")
        log = self.folder / "log.jsonl"
        step, states, written = checkpoint.restore(self.folder / "checkpoints", self.saved, self.identity)
        if self.rank == 0 and written is not None and (damage := describe_damage(log, written)):
            warnings.warn(damage, stacklevel=4)
        self.before = checkpoint.read_spent(self.folder / "checkpoints", step) if step else Spent()
        lines = [line for line in read_log(log)[0] if line["step"] <= step]
        self.log = lines
        self.events = list(self.health.feed(lines))
        self.readings = [line for line in read_readings(log) if line["step"] <= step]
        if states is not None:
            try:
                for name, optimiser in self.optimisers.items():
                    optimiser.load_state_dict(states[name])
                if self.accelerator.scaler is not None and "scaler" in states:
                    self.accelerator.scaler.load_state_dict(states["scaler"])
            except (KeyError, TypeError, AttributeError, IndexError, RuntimeError) as error:
                raise ValueError(
                    f"the states of the optimisers in {self.folder / 'checkpoints'} do not fit this training ({type(error).__name__}: {error}); "
                    "remove the newest checkpoint to resume from the one before"
                ) from error
        self._wait()
        if self.rank == 0:
            whole = [line for line in read_lines(log) if line["step"] <= step]  # in the order that they were written in
            write_bytes(log, self._noted(whole))
        return step


def _averages(networks: Mapping[str, nn.Module], decay: float | None) -> dict[str, Any]:
    if decay is None:
        return {}
    from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

    return {
        name: AveragedModel(network, multi_avg_fn=get_ema_multi_avg_fn(decay), use_buffers=True)
        for name, network in networks.items()
    }


def _gradient_norm(parameters: Iterable[nn.Parameter]) -> Tensor:
    """The norm of all parameters' gradients together."""
    found = [w.grad.detach().float().norm() for w in parameters if w.grad is not None]
    return torch.stack(found).norm() if found else torch.zeros(())

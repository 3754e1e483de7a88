"""Several processes that train one network: which one this is, and what they say to each other.

`torchrun` starts the processes and tells each its rank. Every rank draws the whole batch of a step and computes its
share; losses and gradients are summed over all, so that a step is that of one process. Gloo speaks between processors,
NCCL between GPUs; a second group, always Gloo, carries what is no tensor and may wait long.
"""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

from edge.errors import ConfigurationError, DeviceError

T = TypeVar("T")

LONGEST_WAIT = timedelta(days=1)  # for a rank that computes features or validates while the others have nothing to do
SAID_FIRST_S = 1.0
STARTED_BY = ("RANK", "WORLD_SIZE")  # what torchrun sets
AGAIN = "Start it again with the same command: it goes on where its last checkpoint is"


class RankLostError(DeviceError):
    """Another rank has ended: this one cannot go on."""


@dataclass(frozen=True)
class Ranks:
    """A process among those that train together; by default it is alone.

    Attributes:
        rank: Which, from 0 on; 0 writes the run's folder, validates and speaks.
        count: How many.
        local_rank: Which on this machine.
        device: Where it computes: "cpu" or "cuda:N".
        control: Group for objects; None for a process that is alone.
    """

    rank: int = 0
    count: int = 1
    local_rank: int = 0
    device: str = "cpu"
    control: Any = None

    @property
    def is_first(self) -> bool:
        """Whether this is the rank that writes and speaks."""
        return self.rank == 0

    @property
    def name(self) -> str:
        """What a message calls it."""
        return f"rank {self.rank} ({platform.node()})"

    def share(self, n: int) -> slice:
        """Return which of n things are this rank's; the shares of all ranks are the whole, in order."""
        return slice(self.rank * n // self.count, (self.rank + 1) * n // self.count)

    def summed(self, tensor: Any) -> Any:
        """Return the sum of a tensor over all ranks, in place.

        Raises:
            RankLostError: Another rank has ended.
        """
        if self.count > 1:
            import torch.distributed as group

            self._together(lambda: group.all_reduce(tensor))
        return tensor

    def sum_step(self, network: Any, terms: Mapping[str, Any]) -> dict[str, float]:
        """Sum the gradients of a network and the terms of its loss over all ranks; average its running statistics.

        Args:
            network: Its gradients are those of this rank's share of a loss that was divided by the whole batch's
                weights. A norm has measured this rank's share: the running statistics become the mean of all.
            terms: This rank's part of each term.

        Returns:
            The terms of the whole batch.

        Raises:
            RankLostError: Another rank has ended; weights and optimiser are as after the last step.
        """
        import torch

        values = [term.detach().reshape(1).float() for term in terms.values()]
        if self.count > 1:
            with torch.no_grad():
                moved = [buffer for buffer in network.buffers() if buffer.is_floating_point()]
                gradients = [p.grad for p in network.parameters() if p.grad is not None]
                tensors = [*gradients, *moved, *values]
                flat = self.summed(torch.cat([tensor.reshape(-1) for tensor in tensors]))
                parts = flat.split([tensor.numel() for tensor in tensors])
                for i, (tensor, part) in enumerate(zip(tensors, parts, strict=True)):
                    is_mean = len(gradients) <= i < len(gradients) + len(moved)
                    tensor.copy_(part.view_as(tensor) / (self.count if is_mean else 1))
        return {name: float(value) for name, value in zip(terms, values, strict=True)}

    def gathered(self, value: T) -> list[T]:
        """Return what every rank gave, in their order."""
        if self.count == 1:
            return [value]
        import torch.distributed as group

        found: list[Any] = [None] * self.count
        self._together(lambda: group.all_gather_object(found, value, group=self.control))
        return found

    def from_first(self, value: T) -> T:
        """Return what the first rank gave."""
        if self.count == 1:
            return value
        import torch.distributed as group

        box = [value]
        self._together(lambda: group.broadcast_object_list(box, src=0, group=self.control))
        return box[0]

    def refuse(self, error: Exception) -> None:
        """End all ranks with one error, said once; every rank must call it.

        Raises:
            Exception: The error, on the first rank.
            SystemExit: On the others, a second later, so that the first has spoken.
        """
        if self.is_first:
            raise error
        time.sleep(SAID_FIRST_S)  # torchrun ends all when one has ended
        raise SystemExit(getattr(error, "exit_code", 1))

    def _together(self, call: Callable[[], Any]) -> None:
        try:
            call()
        except RuntimeError as err:  # Gloo: a connection was closed; NCCL: the communicator was aborted
            found = f"another has ended ({str(err).splitlines()[0]})"
            raise RankLostError(f"training on {self.count} ranks, {self.name}", found, AGAIN) from err


@contextmanager
def joined_ranks(device: str = "auto") -> Iterator[Ranks]:
    """Join the processes that torchrun has started; without it, be alone.

    Args:
        device: "cpu", "cuda", or "auto": a GPU where torch has one.

    Raises:
        ConfigurationError: No such device, fewer GPUs than ranks on this machine, or a torch that cannot do it.
        RankLostError: The others cannot be reached.
    """
    import torch

    if device not in ("auto", "cpu", "cuda"):
        raise ConfigurationError(f"device {device!r}", "unknown", "Use cpu, cuda or auto")
    local_rank = int(os.environ.get("LOCAL_RANK", "0"))
    is_gpu = device == "cuda" or (device == "auto" and torch.cuda.is_available())
    if is_gpu and local_rank >= torch.cuda.device_count():
        raise ConfigurationError(
            f"a GPU for rank {local_rank} of this machine",
            f"torch {torch.__version__} finds {torch.cuda.device_count()}",
            "Start as many processes as there are GPUs, or train on processors: -o device=cpu",
        )
    where = f"cuda:{local_rank}" if is_gpu else "cpu"
    if not all(os.environ.get(name) for name in STARTED_BY):
        yield Ranks(device=where)
        return
    import torch.distributed as group

    backend = "nccl" if is_gpu else "gloo"
    try:
        if is_gpu:
            torch.cuda.set_device(local_rank)
        group.init_process_group(backend)
        control = group.new_group(backend="gloo", timeout=LONGEST_WAIT)
    except (RuntimeError, ValueError) as err:
        found = str(err).splitlines()[0]
        raise RankLostError(
            f"to join the other ranks by {backend}", found, "Start all by `torchrun -m engine_build train ...`"
        ) from err
    try:
        yield Ranks(group.get_rank(), group.get_world_size(), local_rank, where, control)
    finally:
        group.destroy_process_group()

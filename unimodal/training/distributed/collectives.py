"""What processes tell each other outside of gradients."""

from typing import Any

import torch.distributed


def gather(value: Any) -> list[Any]:
    """A value of every process, in the order of ranks; of this one alone where there are no others."""
    if not (torch.distributed.is_available() and torch.distributed.is_initialized()):
        return [value]
    values: list[Any] = [None] * torch.distributed.get_world_size()
    torch.distributed.all_gather_object(values, value)
    return values

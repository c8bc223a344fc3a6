"""Which layers of a model go together."""

import re
from collections import defaultdict

from torch import nn

LAYER = re.compile(r"^(?P<stack>.+?)\.(?P<layer>\d+)\.")
"""The outermost numbered part of a parameter's name: layer 3 of the stack `decoder.blocks`."""


def strided_groups(model: nn.Module, num_groups: int) -> list[list[str]]:
    """Names of the parameters that learn, in groups: layer l of each stack is in group l modulo `num_groups`.

    Encoder and decoder are dealt out each by itself. What belongs to no layer (embeddings, a head) goes, largest first,
    to the group that is smallest so far. A shared parameter is in one group. Raises ValueError for an empty group.
    """
    groups: list[list[str]] = [[] for _ in range(num_groups)]
    sizes = [0] * num_groups
    layers: dict[str, dict[str, int]] = defaultdict(dict)
    others: list[tuple[int, str]] = []
    for name, parameter in model.named_parameters():
        if not parameter.requires_grad:
            continue
        found = LAYER.match(name)
        if found is None:
            others.append((parameter.numel(), name))
            continue
        stack = layers[found["stack"]]
        group = stack.setdefault(found["layer"], len(stack)) % num_groups
        groups[group].append(name)
        sizes[group] += parameter.numel()
    for size, name in sorted(others, key=lambda other: -other[0]):
        smallest = sizes.index(min(sizes))
        groups[smallest].append(name)
        sizes[smallest] += size
    if not all(groups):
        raise ValueError(f"num_fragments: {num_groups} groups are more than the model's layers fill")
    return groups

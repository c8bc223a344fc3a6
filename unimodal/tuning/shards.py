"""The tuner of `unimodal.adapters.mos` for peft: its config, its layers, and what puts them into a model.

Linear layers of one role share two pools of shards. A layer's factors A and B are put together from shards that its
index buffers name; these are drawn once, are saved, and never learn.

i input width, o output width, l shards a vector, r assembled rank, n shards of a pool, s width of a shard
"""

import math
import re
from dataclasses import dataclass
from typing import Any, final

import torch
from jaxtyping import Float
from peft import PeftConfig
from peft.mapping import (
    PEFT_TYPE_TO_CONFIG_MAPPING,
    PEFT_TYPE_TO_PREFIX_MAPPING,
    PEFT_TYPE_TO_TUNER_MAPPING,
)
from peft.tuners._buffer_dict import BufferDict
from peft.tuners.tuners_utils import BaseTuner, BaseTunerLayer, check_adapters_to_merge, check_target_module_exists
from torch import Tensor, nn
from torch.nn import functional

PEFT_TYPE = "MOS"
PREFIX = "mos_"


@final
@dataclass
class ShardConfig(PeftConfig):
    """What `adapter_config.json` holds; `private_rank <= equivalent_rank <= r`."""

    target_modules: Any = None
    r: int = 8
    equivalent_rank: int = 2
    private_rank: int = 1
    num_shards: int = 4
    alpha: float = 16
    dropout: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        self.peft_type = PEFT_TYPE
        if isinstance(self.target_modules, list):
            self.target_modules = set(self.target_modules)


@final
@dataclass(frozen=True, kw_only=True)
class Share:
    """Which shards of its role's pools one layer may take; of `num_layers` layers it is number `place`."""

    config: ShardConfig
    num_layers: int
    place: int

    @property
    def num_public(self) -> int:
        """Shards of a pool that every layer may take; they come first."""
        return (self.config.equivalent_rank - self.config.private_rank) * self.num_layers * self.config.num_shards

    @property
    def num_private(self) -> int:
        """Shards of a pool that are one layer's own."""
        return self.config.private_rank * self.config.num_shards

    @property
    def pool_size(self) -> int:
        return self.config.equivalent_rank * self.num_layers * self.config.num_shards

    @property
    def rank(self) -> int:
        """The assembled rank: that of the config, or as much as a role of few layers has without repeating a shard."""
        return min(self.config.r, (self.num_public + self.num_private) // self.config.num_shards)

    def draw(self) -> Tensor:
        """The layer's shards, [rank * num_shards]: public ones at random, each once, then its own."""
        public = torch.randperm(self.num_public)[: self.rank * self.config.num_shards - self.num_private]
        own = self.num_public + self.place * self.num_private
        return torch.cat([public, torch.arange(own, own + self.num_private)])


@final
class ShardLayer(nn.Module, BaseTunerLayer):
    """Adds `alpha / r * B^T A x` to a linear layer."""

    adapter_layer_names = ("mos_pool_A", "mos_pool_B")
    other_param_names = ("mos_index_A", "mos_index_B")

    def __init__(self, base_layer: nn.Linear, adapter: str, share: Share, pools: "ShardLayer | None") -> None:
        """`pools`: the layer whose pools it shares; None: it is the first of its role, under whose name they are."""
        nn.Module.__init__(self)
        self.base_layer = base_layer
        self._disable_adapters = False
        self._active_adapter = adapter
        self.merged_adapters: list[str] = []
        self.in_features, self.out_features = base_layer.in_features, base_layer.out_features
        if pools is None:
            self.mos_pool_A, self.mos_pool_B = nn.ParameterDict({}), nn.ParameterDict({})
            self._fill_pools(adapter, share)
        else:  # not as modules of this layer: else files would have them once a layer
            vars(self).update(mos_pool_A=pools.mos_pool_A, mos_pool_B=pools.mos_pool_B)
        self.mos_index_A, self.mos_index_B = BufferDict({}, persistent=True), BufferDict({}, persistent=True)
        self.dropout = nn.Dropout(share.config.dropout)
        self.scale = share.config.alpha / share.rank
        self.rank = share.rank
        self.mos_index_A[adapter], self.mos_index_B[adapter] = share.draw(), share.draw()
        self._move_adapter_to_device_of_base_layer(adapter)
        self.set_adapter(adapter)

    def _fill_pools(self, adapter: str, share: Share) -> None:
        num, cut = share.pool_size, share.config.num_shards
        bound = 1 / math.sqrt(self.in_features)  # Kaiming's for a whole row, however it is cut
        self.mos_pool_A[adapter] = nn.Parameter(torch.empty(num, self.in_features // cut).uniform_(-bound, bound))
        self.mos_pool_B[adapter] = nn.Parameter(torch.zeros(num, self.out_features // cut))

    def factors(self, adapter: str) -> tuple[Float[Tensor, "r i"], Float[Tensor, "r o"]]:
        """A and B, put together."""
        a = self.mos_pool_A[adapter][self.mos_index_A[adapter]].reshape(self.rank, self.in_features)
        b = self.mos_pool_B[adapter][self.mos_index_B[adapter]].reshape(self.rank, self.out_features)
        return a, b

    def get_delta_weight(self, adapter: str) -> Float[Tensor, "o i"]:
        """What is added to the weight."""
        a, b = self.factors(adapter)
        return self.scale * (b.T @ a)

    def merge(self, safe_merge: bool = False, adapter_names: list[str] | None = None) -> None:
        for name in check_adapters_to_merge(self, adapter_names):
            weight = self.base_layer.weight
            merged = weight.data + self.get_delta_weight(name).to(weight.dtype)
            if safe_merge and not torch.isfinite(merged).all():
                raise ValueError(f"the adapter {name} holds values that are not finite")
            weight.data = merged
            self.merged_adapters.append(name)

    def unmerge(self) -> None:
        while self.merged_adapters:
            weight = self.base_layer.weight
            weight.data -= self.get_delta_weight(self.merged_adapters.pop()).to(weight.dtype)

    def forward(self, x: Float[Tensor, "*batch i"]) -> Float[Tensor, "*batch o"]:
        if self.disable_adapters and self.merged:
            self.unmerge()
        out: Tensor = self.base_layer(x)
        if self.disable_adapters or self.merged:
            return out
        for name in self.active_adapters:
            a, b = self.factors(name)
            down = functional.linear(self.dropout(x.to(a.dtype)), a)
            out = out + (self.scale * functional.linear(down, b.T)).to(out.dtype)
        return out


@final
class ShardTuner(BaseTuner):
    """Puts the layers into a model."""

    prefix = PREFIX
    tuner_layer_cls = ShardLayer
    target_module_mapping: dict[str, list[str]] = {}

    def _pre_injection_hook(self, model: nn.Module, config: PeftConfig, adapter_name: str) -> None:
        """Finds the layers of each role."""
        self._roles: dict[str, list[str]] = {}
        self._first: dict[str, ShardLayer] = {}
        for name, part in model.named_modules():
            if isinstance(part, nn.Linear) and check_target_module_exists(config, name):
                self._roles.setdefault(role_of(name, part), []).append(name)

    def _create_and_replace(
        self,
        peft_config: PeftConfig,
        adapter_name: str,
        target: nn.Module,
        target_name: str,
        parent: nn.Module,
        current_key: str,
        parameter_name: str | None = None,
    ) -> None:
        assert isinstance(peft_config, ShardConfig) and isinstance(target, nn.Linear)
        role = role_of(current_key, target)
        layers = self._roles[role]
        share = Share(config=peft_config, num_layers=len(layers), place=layers.index(current_key))
        made = ShardLayer(target, adapter_name, share, self._first.get(role))
        self._first.setdefault(role, made)
        self._replace_module(parent, target_name, made, target)


def role_of(name: str, layer: nn.Linear) -> str:
    """What a layer is in its block, whichever stack and block that is; layers of other widths have another role."""
    return f"{re.sub(r'^.*[.]blocks[.][0-9]+[.]', '', name)} {layer.in_features} x {layer.out_features}"


def register() -> None:
    """Makes the tuner known to peft, whose own way refuses kinds that are not in its enumeration."""
    tables: list[tuple[dict[Any, Any], object]] = [
        (PEFT_TYPE_TO_CONFIG_MAPPING, ShardConfig),
        (PEFT_TYPE_TO_TUNER_MAPPING, ShardTuner),
        (PEFT_TYPE_TO_PREFIX_MAPPING, PREFIX),
    ]
    for table, entry in tables:
        table[PEFT_TYPE] = entry


register()

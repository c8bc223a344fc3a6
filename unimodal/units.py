"""Units: clusters of entry features, learned once from a corpus and kept in a file.

n entries, p pieces, l entries of a piece, f values, k units
"""

from collections.abc import Iterable
from functools import cached_property
from pathlib import Path
from typing import final

import torch
from jaxtyping import Float, Int
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from unimodal.batching import Pieces
from unimodal.entry_features import EntryFeatures


@final
class Units:
    """Which of `number` clusters each entry of some pieces belongs to: the nearest centroid of scaled features.

    The file is read when the first pieces come. Raises ValueError or FileNotFoundError that names it where it holds no
    such centroids.
    """

    def __init__(self, features: EntryFeatures, *, number: int, centroids: Path) -> None:
        self.features, self.number, self.file = features, number, centroids

    def __call__(self, pieces: Pieces) -> Int[Tensor, "p l"]:
        features = self.features(pieces)
        centroids, mean, spread = (x.to(features.device) for x in self._known)
        if features.shape[-1] != len(mean):
            raise ValueError(f"{self.file}: holds units of {len(mean)} values, the features have {features.shape[-1]}")
        return torch.cdist((features - mean) / spread, centroids).argmin(-1)

    @cached_property
    def _known(self) -> tuple[Float[Tensor, "k f"], Float[Tensor, " f"], Float[Tensor, " f"]]:
        """Centroids, and the mean and spread by which features are scaled."""
        if not self.file.is_file():
            raise FileNotFoundError(f"{self.file}: no such file; python -m scripts.fit_units CONFIG learns units")
        try:
            tensors = load_file(self.file)
            found = tensors["centroids"], tensors["mean"], tensors["spread"]
        except (SafetensorError, KeyError) as error:
            raise ValueError(f"{self.file}: holds no units ({error})") from error
        if len(found[0]) != self.number:
            raise ValueError(f"{self.file}: holds {len(found[0])} units, not {self.number}")
        return found


def fit_units(
    features: Iterable[Float[Tensor, "_ f"]], number: int, file: Path, *, seed: int = 0, rounds: int = 3
) -> Float[Tensor, " k"]:
    """Learns `number` units by k-means in small batches (Sculley 2010) and writes them; the share of each is given.

    Starts by k-means++ (Arthur and Vassilvitskii 2007). Raises ValueError where there are fewer entries than units.
    """
    from sklearn.cluster import MiniBatchKMeans

    known = torch.cat(list(features)).double()
    if len(known) < number:
        raise ValueError(f"{len(known)} entries are too few for {number} units")
    mean, spread = known.mean(0), known.std(0, correction=0).clamp_min(1e-6)
    scaled = ((known - mean) / spread).numpy()
    clusters = MiniBatchKMeans(number, n_init=rounds, batch_size=4096, random_state=seed, max_iter=100).fit(scaled)
    tensors = {"centroids": torch.from_numpy(clusters.cluster_centers_), "mean": mean, "spread": spread}
    file.parent.mkdir(parents=True, exist_ok=True)
    save_file({name: tensor.float().contiguous() for name, tensor in tensors.items()}, file)
    return torch.bincount(torch.from_numpy(clusters.labels_).long(), minlength=number) / len(known)

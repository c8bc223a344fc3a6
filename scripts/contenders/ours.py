"""Ours, by `unimodal.load`, as a user decodes."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

from scripts.contenders import Answerer, Contender, Rows

if TYPE_CHECKING:
    from unimodal.decoding.generate import Decoding
    from unimodal.model import UnimodalForConditionalGeneration

GREEDY, BEAM = "unimodal.samplers.greedy.Greedy", "unimodal.samplers.beam.Beam"
WEIGHT_BYTES = {"float32": 4.0, "int8": 1.0, "int4": 0.5}


@final
class Ours(Contender):
    """`numbers` and `rewrites` as `unimodal.load` takes them; `decoding`: what is said beside sampler and limit."""

    library = "unimodal"

    def __init__(
        self,
        name: str,
        *,
        numbers: str = "float32",
        rewrites: Sequence[str] = (),
        decoding: Mapping[str, Any] | None = None,
        only: Sequence[str] = (),
    ) -> None:
        self.name, self.numbers, self.only = name, numbers, tuple(only)
        self.weight_bytes = WEIGHT_BYTES[numbers]
        self.rewrites, self.decoding = tuple(rewrites), dict(decoding or {})

    def open(self, folder: Path, threads: int) -> Callable[[], Answerer]:
        import torch

        from unimodal.loading.hub import load

        torch.set_num_threads(threads)

        def loaded() -> Answerer:
            found: Any = load(folder, dtype=self.numbers, rewrites=self.rewrites)
            return _Loaded(found.model, self.decoding)

        return loaded


@final
class _Loaded(Answerer):
    def __init__(self, model: "UnimodalForConditionalGeneration", decoding: Mapping[str, Any]) -> None:
        self.model = model
        self._said = decoding
        self._decodings: dict[tuple[int, int], Decoding] = {}  # so that a call finds what the one before it recorded

    def answer(self, source: Rows, *, width: int, num_tokens: int) -> Rows:
        import torch

        ids = self.model.generate(torch.tensor(source), decoding=self._decoding(width, num_tokens))
        rows: Rows = ids[:, 1:].tolist()
        return rows

    def _decoding(self, width: int, num_tokens: int) -> "Decoding":
        from unimodal.decoding.generate import decoding_of

        if (width, num_tokens) not in self._decodings:
            sampler = GREEDY if width == 1 else {"class": BEAM, "width": width}
            said = {"sampler": sampler, "limit": num_tokens, **self._said}
            self._decodings[width, num_tokens] = decoding_of(said)
        return self._decodings[width, num_tokens]

    def encode(self, source: Rows) -> None:
        import torch

        from unimodal.layout import Layout

        ids = torch.tensor(source)
        with torch.inference_mode():
            self.model.backbone.encode(self.model.embed_tokens(ids), Layout.of_valid(torch.ones_like(ids).bool()))

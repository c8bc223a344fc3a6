"""transformers' `generate`: as it comes, and compiled over a static cache, which is its documented way to be fast."""

from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any, final

from scripts.contenders import Answerer, Contender, Rows


@final
class TransformersGenerate(Contender):
    """In float32. Compiled, it needs a C++ compiler, and minutes before the first answer of each shape."""

    library, numbers, weight_bytes = "transformers", "float32", 4.0

    def __init__(self, name: str, *, compiled: bool = False) -> None:
        self.name, self.compiled = name, compiled
        self.by_length = compiled

    def open(self, folder: Path, threads: int) -> Callable[[], Answerer]:
        import torch
        from transformers import AutoModelForSeq2SeqLM, CompileConfig
        from transformers.utils.logging import disable_progress_bar

        torch.set_num_threads(threads)
        disable_progress_bar()  # type: ignore[no-untyped-call]
        for family in ("t5", "bart"):  # else they are imported when a model is loaded
            import_module(f"transformers.models.{family}.modeling_{family}")

        def loaded() -> Answerer:
            model = AutoModelForSeq2SeqLM.from_pretrained(folder, dtype=torch.float32)
            if not self.compiled:
                return _Loaded(model, model.get_encoder(), {})
            config: Any = CompileConfig(mode="default")  # its own default is for CUDA graphs
            config._compile_all_devices = True  # without it only accelerators compile
            options = {"cache_implementation": "static", "compile_config": config}
            return _Loaded(model, torch.compile(model.get_encoder()), options)

        return loaded


@final
class _Loaded(Answerer):
    def __init__(self, model: Any, encoder: Any, options: dict[str, Any]) -> None:
        self.model, self.encoder, self.options = model, encoder, options

    def answer(self, source: Rows, *, width: int, num_tokens: int) -> Rows:
        import torch

        ids = torch.tensor(source)
        found = self.model.generate(
            ids,
            attention_mask=torch.ones_like(ids),
            max_new_tokens=num_tokens,
            num_beams=width,
            do_sample=False,
            **self.options,
        )
        rows: Rows = found[:, 1:].tolist()
        return rows

    def encode(self, source: Rows) -> None:
        import torch

        ids = torch.tensor(source)
        with torch.inference_mode():
            self.encoder(input_ids=ids, attention_mask=torch.ones_like(ids))

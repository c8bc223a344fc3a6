"""Models to the Hub: the files, and a card written from what was measured."""

import json
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

from huggingface_hub import EvalResult, HfApi, ModelCard, ModelCardData

LICENCE = "apache-2.0"
_HEADER = """
On held-out data, beside the best answer that needs no model.

| task | reads | metric | model | best trivial answer | examples |
|---|---|---|---|---|---|
"""


def model_card(name: str, metrics: Sequence[Mapping[str, Any]], *, description: str, licence: str | None) -> str:
    """The README of a repository `owner/name`, from rows as `make demo` writes them into `metrics.json`."""
    results = [
        EvalResult(
            task_type=row["task"],
            task_name=row["task"],
            dataset_type="held-out",
            dataset_name=f"held-out {row['modality']}",
            metric_type=row["metric"],
            metric_value=row["value"],
        )
        for row in metrics
    ]
    data = ModelCardData(
        license=licence,
        library_name="unimodal",
        tags=["unimodal", "encoder-decoder"],
        model_name=name.rpartition("/")[2],
        eval_results=results or None,
    )
    measured = _HEADER + "".join(map(_row, metrics)) if metrics else "\nNo measurements came with this model.\n"
    use = f'```python\nimport unimodal\n\nmodel = unimodal.load("{name}")\n```\n'
    text = f"# {name}\n\n{description}\n\n{use}\n## Measured\n{measured}"
    return str(ModelCard(f"---\n{data.to_yaml()}\n---\n\n{text}"))


@final
@dataclass(frozen=True)
class Change:
    """What fine-tuning changed: a row of `metrics.json`, the base's value, PEFT's name of an adapter, examples read."""

    row: Mapping[str, Any]
    before: float | None
    kind: str | None
    num_train: int


def tuned_card(name: str, change: Change) -> str:
    """The README of the folder of an adapter, or of a model of which all weights learned."""
    row = change.row
    result = EvalResult(
        task_type=row["task"],
        task_name=row["task"],
        dataset_type="held-out",
        dataset_name="held-out rows of a manifest",
        metric_type=row["metric"],
        metric_value=row["value"],
    )
    library, tag = ("transformers", "fine-tuned") if change.kind is None else ("peft", "adapter")
    data = ModelCardData(
        library_name=library, tags=["unimodal", tag], model_name=name, eval_results=[result], base_model=None
    )
    what = f"An adapter ({change.kind}, in PEFT's format)" if change.kind is not None else "A model, all weights tuned"
    base = "" if change.kind is None else " It needs its base: the folder `base` here, or `--base FOLDER`."
    arrow = "↑" if row["higher_is_better"] else "↓"
    before = "not taught" if change.before is None else f"{change.before:.3g}"
    lines = [
        f"# {name}",
        f"{what} for the task `{row['task']}`, trained on {change.num_train} examples.{base}",
        f"```\nunimodal run {row['task']} INPUT --model FOLDER\n```",
        "## Measured",
        f"On {row['n_test']} examples that were held out, the same before and after.",
        f"| task | metric | before | after | best trivial answer |\n|---|---|---|---|---|\n| {row['task']} | "
        f"{row['metric']} {arrow} | {before} | {row['value']:.3g} | {row['baseline_value']:.3g} |",
    ]
    return str(ModelCard(f"---\n{data.to_yaml()}\n---\n\n" + "\n\n".join(lines) + "\n"))


def _row(row: Mapping[str, Any]) -> str:
    metric = f"{row['metric']} {'↑' if row['higher_is_better'] else '↓'}"
    scores = f"{row['value']:.3g} | {row['baseline_value']:.3g}"
    return f"| {row['task']} | {row['modality']} | {metric} | {scores} | {row['n_test']} |\n"


def read_metrics(file: Path) -> list[dict[str, Any]]:
    """Rows of {task, modality, metric, value, baseline_value, higher_is_better, n_test}; ValueError names the file."""
    if not file.is_file():
        raise FileNotFoundError(f"{file}: not there")
    try:
        rows = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{file}: is no JSON ({type(error).__name__})") from error
    needed = {"task", "modality", "metric", "value", "baseline_value", "higher_is_better", "n_test"}
    if not isinstance(rows, list) or not all(isinstance(row, dict) and needed <= row.keys() for row in rows):
        raise ValueError(f"{file}: expected a list of objects with {', '.join(sorted(needed))}")
    return rows


def push(write: Callable[[Path], object], name: str, card: str, *, private: bool, token: str | None) -> str:
    """Uploads what `write` puts into a folder, with its card, as one commit; its address."""
    api = HfApi(token=token)
    with tempfile.TemporaryDirectory() as folder:
        write(Path(folder))
        (Path(folder) / "README.md").write_text(card, encoding="utf-8")
        api.create_repo(name, private=private, exist_ok=True)
        commit = api.upload_folder(repo_id=name, folder_path=folder, commit_message=f"unimodal writes {name}")
    return str(commit.commit_url)

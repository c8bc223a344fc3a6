"""What a user can ask for: one file per family of tasks, each a final `Task` with its prompt, codec and metric.

`corpora/` holds real data, `worlds/` data drawn from a seed, `metrics/` what counts as good. A task's file reads raw
examples from a corpus or a world and knows no model; `configs/tasks/NAME.yaml` builds it, with `vocabulary` and `cache`
from the caller. A corpus that cannot be fetched raises `CorpusUnavailable`, and the caller goes on without the task.
"""

from unimodal.task import SPLITS, Baseline, Example, Metric, Schema, Task

__all__ = ["SPLITS", "Baseline", "Example", "Metric", "Schema", "Task"]

"""docs/manifests.md: how a user's own examples are written, task by task, made from the tasks themselves."""

import inspect
import json
import tempfile
from pathlib import Path

from unimodal.catalogue import build_task, task_names
from unimodal.task import Task
from unimodal.vocabulary import TextPieces, TokenSpace, Vocabulary

HEADER = """# Manifests

<!-- written by `unimodal tasks --manifests FILE` (`make docs`) from the tasks -->

`unimodal finetune TASK MANIFEST --model MODEL --out FOLDER` reads a user's own examples from a file of JSON lines, one
object a line, in UTF-8. Each task has the fields below; `answer` is what the model shall say.

- Paths are relative to the manifest's folder and stay inside it, links followed. `--outside` lets them lead anywhere.
- `group` (a string) may say what belongs together, such as a speaker or a sentence: a group is never on both sides.
  Rows without it that read the same are one group.
- `split` may say `test` for rows that are held out, `train` for others. Where no row says so, a tenth is held out
  (`--held-out`), whole groups at a time, at least 20 rows where there are 40. What is held out is scored before and
  after, and never trained on.
- Any other field is not looked at.
- A line that cannot be used is left out: the first 20 are printed with number and reason, `rejected.jsonl` in the
  adapter's folder has all. A manifest without a good row ends with status 2.
- `--language CODE` is for speech or text in a language that the task is not made for: the adapter's task has a name and
  a tag of its own then (`asr_es`). Characters that the model can only spell in bytes become pieces of the vocabulary
  where they are seen twice or more.
- `--set NAME=VALUE` changes a setting of the task: `--set names='[cat, dog]'`, `--set max_seconds=12`.

"""


def page() -> str:
    """The whole page."""
    with tempfile.TemporaryDirectory() as folder:
        # A task is built with a vocabulary, though its schema asks nothing of it.
        pieces = TextPieces.train([HEADER], 360, Path(folder) / "tokenizer.model")
    ranges: list[dict[str, int | list[str]]] = [{"text": len(pieces)}, {"unit": 500}, {"sentinel": 100}]
    vocabulary = Vocabulary(TokenSpace([*ranges, {"table": ["header", "row", "cell"]}]), pieces)
    return HEADER + "\n".join(section(build_task(name, vocabulary)) for name in task_names())


def section(task: Task) -> str:
    """One task's fields, and a row."""
    what = (inspect.getdoc(task) or "").partition("\n")[0]
    fields = "".join(f"| `{name}` | {column.wants} |\n" for name, column in task.schema.columns.items())
    return f"## {task.name}\n\n{what}\n\n| field | holds |\n|---|---|\n{fields}\n```json\n{sample(task)}\n```\n"


def sample(task: Task) -> str:
    """The row of the page."""
    return json.dumps({name: column.sample for name, column in task.schema.columns.items()}, ensure_ascii=False)

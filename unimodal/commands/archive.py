"""`unimodal archive`: a task's examples as tar archives, to train on more than memory or disk hold."""

import inspect
import tempfile
from pathlib import Path

from unimodal.commands import Parser

TEXT = "the quick brown fox jumps over the lazy dog"


def main(arguments: list[str]) -> int:
    """Writes the archives and says how many examples they hold."""
    options = _parser().parse_args(arguments)
    if options.megabytes <= 0:
        raise ValueError(f"--megabytes: expected a number above 0, got {options.megabytes:g}")

    from unimodal.catalogue import build_task, check_task
    from unimodal.data.archives import write_archives
    from unimodal.tasks.raw_values import members_of
    from unimodal.vocabulary import TextPieces, TokenSpace, Vocabulary

    with tempfile.TemporaryDirectory() as folder:  # a task is built with a vocabulary, its examples know nothing of it
        pieces = TextPieces.train([TEXT], 287, Path(folder) / "any.model")
    vocabulary = Vocabulary(TokenSpace([{"text": len(pieces)}, {"task": [check_task(options.task)]}]), pieces)
    examples = build_task(options.task, vocabulary, options.cache).examples(options.split)
    count = len(examples) if options.limit is None else min(options.limit, len(examples))
    made = (members_of(examples[place]) for place in range(count))
    archives = write_archives(options.out, made, size=round(options.megabytes * 1e6))
    size = sum(archive.bytes for archive in archives)
    print(f"{options.out}: {count:,} examples of {options.task} in {len(archives)} archives of {size / 1e6:,.1f} MB")
    return 0


def _parser() -> Parser:
    parser = Parser(prog="unimodal archive", description=inspect.cleandoc(__doc__ or ""))
    parser.add_argument("task", metavar="TASK", help="one of `unimodal tasks`")
    parser.add_argument("out", metavar="OUT", type=Path, help="the folder to write")
    parser.add_argument("--split", default="train", choices=("train", "validation", "test"), help="default: train")
    parser.add_argument("--megabytes", type=float, default=256, help="of one archive, about; default: 256")
    parser.add_argument("--limit", type=int, help="at most so many examples, for tasks without end")
    parser.add_argument("--cache", type=Path, help="where the task's corpora lie")
    return parser

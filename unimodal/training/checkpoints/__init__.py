"""Checkpoints: folders that are whole or absent, from which a run goes on; a writer says when their files are written.

`checkpoints/step-000123/` holds the weights and everything else that a step depends on (`states.py`), and a manifest of
sizes and digests by which a torn one is known (`manifest.py`). It appears under its name by one rename (`folders.py`).
"""

from abc import ABC, abstractmethod
from collections.abc import Callable

Job = Callable[[], None]
"""Writes one checkpoint from copies of the state: what training does meanwhile changes nothing."""


class Writer(ABC):
    """Runs jobs, in their order, one at a time.

    Laws: after `wait` every job has run; an OSError or ValueError of a job is raised once, by the next call of any
    method, and jobs after it run as if it had not been; whatever is written is what the state was at `write`.
    """

    @abstractmethod
    def write(self, job: Job) -> None:
        """Runs a job, now or soon; returns when none but this one is left to do."""

    @abstractmethod
    def check(self) -> None:
        """Raises the error of a job that has failed since the last call; never waits."""

    @abstractmethod
    def wait(self) -> None:
        """Returns when every job has run."""

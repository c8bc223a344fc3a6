"""Training goes on while its checkpoint is written."""

from threading import Thread
from typing import final

from unimodal.training.checkpoints import Job, Writer


@final
class Background(Writer):
    """Writes in one thread; a checkpoint that comes before the last one is written waits for it.

    Only what a job raises of OSError and ValueError is a run's affair; anything else is an error of ours and is shown
    by Python as a thread's.
    """

    def __init__(self) -> None:
        self._thread: Thread | None = None
        self._error: OSError | ValueError | None = None

    def write(self, job: Job) -> None:
        self.wait()
        self._thread = Thread(target=self._run, args=(job,), name="checkpoint")
        self._thread.start()

    def check(self) -> None:
        error, self._error = self._error, None
        if error is not None:
            raise error

    def wait(self) -> None:
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        self.check()

    def _run(self, job: Job) -> None:
        try:
            job()
        except (OSError, ValueError) as error:
            self._error = error

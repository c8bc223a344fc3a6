"""What the checkpoints of other projects do: one file for each way to ask, named in `configs/checkpoints/FAMILY.yaml`.

A class is a `CheckpointTask`: its constructor takes the checkpoint and what a user may say, and the builder refuses
everything else. Prompts are those that the checkpoints were published with.
"""

from unimodal.loading.checkpoint_tasks import CheckpointTask, Question
from unimodal.running.work import Choice, Result

__all__ = ["CheckpointTask", "Choice", "Question", "Result"]

"""As it is written."""

from typing import TYPE_CHECKING, final

from unimodal.captures import Capture
from unimodal.decoding.programs import Runner, run_eagerly

if TYPE_CHECKING:
    from unimodal.model import UnimodalForConditionalGeneration


@final
class Eager(Capture):
    """Operation by operation: nothing to wait for, a millisecond or a few of Python a step."""

    def runner(self, model: "UnimodalForConditionalGeneration") -> Runner:
        return run_eagerly

"""What is T5's own: the head of an untied checkpoint, the activations."""

import pytest
import torch

from tests.parity.cases import CASES
from tests.parity.test_parity import converted
from unimodal.conversions.t5 import T5


def test_a_head_of_its_own_is_never_lost() -> None:
    case = next(case for case in CASES if case.name == "t5_gated_untied")
    theirs, config = case.make()
    assert not torch.equal(theirs.lm_head.weight, theirs.shared.weight)
    model = converted(theirs.state_dict(), config)
    assert torch.equal(model.head.project.weight, theirs.lm_head.weight)
    with pytest.raises(ValueError, match="lm_head.weight: differs from shared.weight"):
        T5().to_unimodal(theirs.state_dict(), {**config, "tie_word_embeddings": True})


def test_an_activation_that_ours_lack_is_named() -> None:
    with pytest.raises(ValueError, match="feed_forward_proj: 'gated-selu'"):
        T5().config(
            {
                "model_type": "t5",
                "d_model": 8,
                "vocab_size": 8,
                "num_layers": 1,
                "num_heads": 1,
                "d_kv": 4,
                "feed_forward_proj": "gated-selu",
            }
        )

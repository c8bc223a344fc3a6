"""Speech in somebody's voice, where no checkpoint says what is right: losses, ends, and dropout that is shared."""

import torch

from unimodal.layout import stack_ragged
from unimodal.prenets.dropouts.shared import SharedDropout
from unimodal.prenets.mel import MelPostnet, Refinement

BANDS, DIM = 4, 6


def postnet():
    made = MelPostnet(DIM, refinement=lambda bands: Refinement(bands, width=5, num_layers=3), num_bands=BANDS)
    return made.double().eval()


def test_losses_do_not_depend_on_padding():
    net, lengths = postnet(), torch.tensor([2, 5, 1])
    frames = [torch.randn(length, 2 * BANDS, dtype=torch.double) for length in lengths.tolist()]
    hidden = torch.randn(3, 5, DIM, dtype=torch.double)
    together = net.loss(hidden, {"frames": stack_ragged(frames)}, lengths)
    for row, length in enumerate(lengths.tolist()):
        alone = net.loss(hidden[row : row + 1, :length], {"frames": frames[row][None]}, lengths[row : row + 1])
        for name, loss in together.items():
            torch.testing.assert_close(loss[row], alone[name][0])


def test_a_step_ends_an_utterance_by_the_sum_of_its_frames():
    logits = torch.tensor([[[0.0, 0.0], [0.0, -20.0], [20.0, 20.0]]])
    decoded = {"stop": logits}
    assert postnet().ended(decoded, 0.5).tolist() == [[True, True, True]]
    assert postnet().ended(decoded, 0.9).tolist() == [[True, False, True]]
    assert postnet().ended(decoded, 1.5).tolist() == [[False, False, True]]


def test_shared_dropout_draws_for_steps_and_not_for_rows():
    dropout, x = SharedDropout(rate=0.5), torch.ones(3, 7, 40)
    steps = torch.arange(7).expand(3, 7)
    torch.manual_seed(1)
    whole = dropout(x, steps)
    assert torch.equal(whole[0], whole[1]) and not torch.equal(whole[:, 0], whole[:, 1])
    torch.manual_seed(1)
    assert torch.equal(dropout(x[:, -1:], steps[:, -1:]), whole[:, -1:]), "a step alone draws what it draws at the end"

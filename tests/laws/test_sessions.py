"""Sessions: trees, commits, rollbacks and forks leave what a fresh full pass would give.

n nodes of a tree
"""

import torch
from torch import Tensor

from tests.laws.decoding import START, TOKENS, every_model, full_pass, model_and_items
from unimodal.batching import Item, token_piece
from unimodal.caches.dense import Dense
from unimodal.decoding.generate import Prompt
from unimodal.decoding.session import Session
from unimodal.decoding.tree import TokenTree
from unimodal.model import UnimodalForConditionalGeneration


def session_of(tiny: UnimodalForConditionalGeneration, asked: list[Item]) -> tuple[Session, Tensor]:
    session = Session(tiny, Dense)
    start = [token_piece([START])] * len(asked)
    prompt = Prompt.of(tiny, asked, start)
    hidden = session.prefill(prompt.read(tiny), prompt.target)
    return session, tiny.logits(hidden)


def agree(
    tiny: UnimodalForConditionalGeneration, asked: list[Item], before: list[list[int]], logits: list[Tensor]
) -> None:
    """Logits [v] of each item are those of a full pass that has read what was written `before`."""
    expected = full_pass(tiny, asked, [[*answer, 0] for answer in before])
    torch.testing.assert_close(logits, [row[-1] for row in expected], rtol=1e-9, atol=1e-9)


# For each row its own tree: forks at the root and below it; two chains side by side; one chain.
PARENTS = torch.tensor([[-1, -1, 0, 0, 2, 1], [-1, -1, 0, 1, 2, 3], [-1, 0, 1, 2, 3, 4]])
PATHS = [[0, 2, 4], [1, 3], [0]]


def ancestors(row: int, node: int) -> list[int]:
    path = [node]
    while PARENTS[row, path[0]] >= 0:
        path.insert(0, int(PARENTS[row, path[0]]))
    return path


@every_model
@torch.no_grad()
def test_a_tree_is_each_of_its_branches_alone(name: str) -> None:
    tiny, asked = model_and_items(name)
    asked = asked[:3]
    session, logits = session_of(tiny, asked)
    agree(tiny, asked, [[], [], []], list(logits))
    valid = torch.ones_like(PARENTS, dtype=torch.bool)
    valid[1, 5] = valid[2, 4:] = False
    written: list[list[int]] = [[], [], []]
    for _ in range(2):  # the second tree stands behind what was kept of the first
        first, second = (torch.randint(4, TOKENS, PARENTS.shape) for _ in range(2))
        session.forward(TokenTree(first, PARENTS, valid))
        logits = tiny.logits(session.forward(TokenTree(second, PARENTS, valid)))
        nodes = valid.nonzero().tolist()
        branches = [written[row] + second[row, ancestors(row, node)].tolist() for row, node in nodes]
        agree(tiny, [asked[row] for row, _ in nodes], branches, [logits[row, node] for row, node in nodes])
        session.commit(torch.tensor([path + [0] * (3 - len(path)) for path in PATHS]), torch.tensor([3, 2, 1]))
        written = [past + [int(second[row, node]) for node in PATHS[row]] for row, past in enumerate(written)]
        step = torch.randint(4, TOKENS, (3, 1))
        logits = tiny.logits(session.forward(TokenTree.chain(step))[:, -1])
        agree(tiny, asked, [past + new for past, new in zip(written, step.tolist(), strict=True)], list(logits))


@every_model
@torch.no_grad()
def test_rolled_back_and_forked_sessions_go_on_as_fresh_ones(name: str) -> None:
    tiny, asked = model_and_items(name)
    asked = asked[:3]
    session, _ = session_of(tiny, asked)
    prompt, chain = session.length.clone(), TokenTree.chain(torch.randint(4, TOKENS, (3, 5)))
    session.forward(chain)
    session.commit_all(chain)
    kept = torch.tensor([5, 0, 2])
    session.rollback(prompt + kept)
    assert session.length.tolist() == (prompt + kept).tolist()
    rows = [2, 0, 0, 1]
    session.fork(torch.tensor(rows))
    written = [chain.tokens[row, : int(kept[row])].tolist() for row in rows]
    while rows:  # one row leaves after every step
        step = torch.randint(4, TOKENS, (len(rows), 2))
        logits = tiny.logits(session.forward(TokenTree.chain(step)))
        for node in (0, 1):
            before = [past + new[: node + 1] for past, new in zip(written, step.tolist(), strict=True)]
            agree(tiny, [asked[row] for row in rows], before, list(logits[:, node]))
        session.commit_all(TokenTree.chain(step))
        written = [past + new for past, new in zip(written, step.tolist(), strict=True)][1:]
        rows = rows[1:]
        session.fork(torch.arange(1, len(rows) + 1))

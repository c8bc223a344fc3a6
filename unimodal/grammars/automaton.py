"""Regular languages.

b batch, v vocabulary, s states, c classes of tokens that no rule tells apart
"""

from collections import deque
from typing import final

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from unimodal.expressions import Expression, Rules, any_of, sequence
from unimodal.grammars import DEAD, NEVER, Grammar

MOST_ENTRIES = 2**25
"""Of a table, states times classes; each takes 8 bytes."""
_FAR = torch.iinfo(torch.int32).max


@final
class Automaton(Grammar):
    """A regular language as a transition table over classes of tokens (subset construction: Rabin and Scott, 1959).

    Tokens that no rule tells apart share a column, so the table has states x classes entries, not states x vocabulary.
    What each state allows within n tokens is looked up too: beside every move stands how far the end is behind it.
    """

    def __init__(self, table: Int[Tensor, "s c"], classes: Int[Tensor, " v"], finals: Bool[Tensor, " s"]):
        # A last row stands for DEAD: index -1 finds it.
        table = torch.cat([table, table.new_full((1, table.shape[1]), DEAD)])
        self._finals = torch.cat([finals, finals.new_zeros(1)])
        self._distances = _distances(table, self._finals)
        self._table = table.int()
        self._costs = self._distances[table].clamp(max=_FAR).int()
        self._classes = classes

    @classmethod
    def compile(cls, expression: Expression, size: int, end: int, *, most_states: int = 50_000) -> "Automaton":
        """The expression followed by the end token, over `size` token ids; final states allow nothing.

        Raises ValueError where that takes more states than `most_states`, a table of more than `MOST_ENTRIES`, or no
        sequence is left.
        """
        rules = Rules(most_states)
        last = sequence(expression, any_of([end])).wire(rules, rules.origin)
        classes, members = _classes(list(rules.sets), size)
        table, finals = _determine(rules, members, last)
        return cls(*_trim(table, classes, finals))

    @property
    def num_states(self) -> int:
        """States, the dead one left out."""
        return len(self._finals) - 1

    @property
    def classes(self) -> Int[Tensor, " v"]:
        return self._classes

    def start(self, rows: int, device: torch.device | None = None) -> Int[Tensor, " b"]:
        return torch.zeros(rows, dtype=torch.long, device=device)

    def live(self, state: Int[Tensor, "*b"], within: Int[Tensor, "*b"] | None = None) -> Bool[Tensor, "*b c"]:
        self._follow(state.device)
        bound = _FAR if within is None else within[..., None].clamp(max=_FAR)
        return self._costs[state] < bound

    def step(self, state: Int[Tensor, "*b"], token: Int[Tensor, "*b"]) -> Int[Tensor, "*b"]:
        self._follow(state.device)
        return self._table[state, self._classes[token]].long()

    def final(self, state: Int[Tensor, "*b"]) -> Bool[Tensor, "*b"]:
        self._follow(state.device)
        return self._finals[state]

    def distance(self, state: Int[Tensor, "*b"]) -> Int[Tensor, "*b"]:
        self._follow(state.device)
        return self._distances[state]

    def _follow(self, device: torch.device) -> None:
        """Moves the tables to where they are used; once, as a decoder stays on its device."""
        if self._table.device != device:
            self._table, self._costs = self._table.to(device), self._costs.to(device)
            self._finals, self._distances = self._finals.to(device), self._distances.to(device)
            self._classes = self._classes.to(device)


def _distances(table: Int[Tensor, "s c"], finals: Bool[Tensor, " s"]) -> Int[Tensor, " s"]:
    """The fewest tokens from each state to a final one."""
    distances = torch.where(finals, 0, NEVER)
    reached, steps = finals, 0
    while True:
        steps += 1
        new = reached[table].any(1) & (distances == NEVER)
        if not new.any():
            return distances
        distances = torch.where(new, steps, distances)
        reached = reached | new


def _classes(sets: list[frozenset[int]], size: int) -> tuple[Int[Tensor, " v"], list[list[int]]]:
    """The class of each token, and the classes that each set holds."""
    inside = torch.zeros(len(sets), size, dtype=torch.bool)
    for row, tokens in enumerate(sets):
        assert all(0 <= token < size for token in tokens), "a rule names a token outside the vocabulary"
        inside[row, list(tokens)] = True
    distinct, classes = torch.unique(inside, dim=1, return_inverse=True)
    return classes, [row.nonzero()[:, 0].tolist() for row in distinct]


def _determine(rules: Rules, members: list[list[int]], last: int) -> tuple[list[dict[int, int]], list[bool]]:
    """The deterministic automaton: for each state (a set of the rules' states) the next state by class."""
    first = rules.closure([rules.origin])
    number, waiting, table, finals = {first: 0}, deque([first]), list[dict[int, int]](), list[bool]()
    while waiting:
        states = waiting.popleft()
        reached: dict[int, set[int]] = {}
        for state in states:
            for tokens, target in rules.moves[state]:
                for column in members[tokens]:
                    reached.setdefault(column, set()).add(target)
        closures: dict[frozenset[int], frozenset[int]] = {}
        row = {}
        for column, targets in reached.items():
            key = frozenset(targets)
            following = closures[key] if key in closures else closures.setdefault(key, rules.closure(key))
            if following not in number:
                if len(number) >= rules.most_states:
                    raise ValueError(f"the grammar needs more than {rules.most_states} states")
                number[following] = len(number)
                waiting.append(following)
            row[column] = number[following]
        table.append(row)
        finals.append(last in states)
    return table, finals


def _trim(
    table: list[dict[int, int]], classes: Int[Tensor, " v"], finals: list[bool]
) -> tuple[Int[Tensor, "s c"], Int[Tensor, " v"], Bool[Tensor, " s"]]:
    """Leaves out the states from which no final state can be reached, and lays the rest out as tensors."""
    sources: list[list[int]] = [[] for _ in table]
    for source, row in enumerate(table):
        for target in row.values():
            sources[target].append(source)
    alive = {state for state, is_final in enumerate(finals) if is_final}
    waiting = list(alive)
    while waiting:
        for source in sources[waiting.pop()]:
            if source not in alive:
                alive.add(source)
                waiting.append(source)
    if 0 not in alive:
        raise ValueError("the grammar accepts no sequence at all")
    num_classes = int(classes.max()) + 1
    if len(alive) * num_classes > MOST_ENTRIES:
        raise ValueError(f"the grammar needs {len(alive)} states x {num_classes} classes, more than {MOST_ENTRIES}")
    number = {state: place for place, state in enumerate(sorted(alive))}
    result = torch.full((len(alive), num_classes), DEAD)
    for state, place in number.items():
        live = {column: number[target] for column, target in table[state].items() if target in alive}
        result[place, list(live)] = torch.tensor(list(live.values()), dtype=torch.long)
    return result, classes, torch.tensor([finals[state] for state in number])

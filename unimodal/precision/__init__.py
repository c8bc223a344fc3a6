"""Numbers of fewer bits: the types that a model can have, and what they would lose."""

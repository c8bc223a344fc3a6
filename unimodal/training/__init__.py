"""Training: one LightningModule for every objective, one data module for every mixture of tasks.

A batch is a pure function of (seed, rank, number), and so is the noise of a step: a run that stops and goes on from
a checkpoint takes the same steps as one that never stopped.
"""

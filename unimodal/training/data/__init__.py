"""Data: from tasks by name to batches by number.

Which example comes when is `mixtures`, `streams`, `rounds` and `shards`; which share a batch, `bucketings`.
"""

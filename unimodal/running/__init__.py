"""A task on inputs: what is read, answered part by part, and put together again."""

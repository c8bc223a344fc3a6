"""Distributed: how processes are started, what they tell each other, and how they notice that one is gone."""

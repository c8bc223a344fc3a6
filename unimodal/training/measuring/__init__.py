"""Measuring: what a run tells of itself while it trains, and where that is written."""

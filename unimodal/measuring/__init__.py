"""What is measured, and what a measurement is read against."""

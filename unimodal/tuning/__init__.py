"""What adapters are made of: the part that peft's kinds share, and tuners that peft does not have."""

"""Examples of one's own in files: manifests and archives, in the order in which they are read."""

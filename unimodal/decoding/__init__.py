"""From a prompt to an answer: the one decoding loop, and the session that it advances."""

"""Logits to sentences: greedy, n-gram, decoding graph, beam search, combination, tuning, files."""

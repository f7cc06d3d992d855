"""Batches of trials to logits or a loss: encoders, the CTC head, models as files."""

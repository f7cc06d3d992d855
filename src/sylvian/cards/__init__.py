"""The card of a trained model: what it is, what it saw, how well it does, what it is not for."""

from sylvian.cards.card import CardResult, model_card, write_card

__all__ = ["CardResult", "model_card", "write_card"]

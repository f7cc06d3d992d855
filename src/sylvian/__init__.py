"""From intracortical recordings to the sentence a person is trying to say."""

__version__ = "0.1.0"

"""What can go wrong, in five kinds; a message says what happened, the value, and what to do."""


class SylvianError(Exception):
    """Base of every error a user can cause or mend; the command line prints it as one sentence."""


class ConfigError(SylvianError):
    """A recipe, an override or an argument is not what the component accepts."""


class DataError(SylvianError):
    """A recording or a prepared corpus is missing, damaged or inconsistent.

    The message starts with the path or the trial key, so that the reader can find the culprit.
    """


class CheckpointError(SylvianError):
    """A run folder or a saved model cannot be read, or does not match the code or the data."""


class DecodeError(SylvianError):
    """A language model, lexicon or graph is unusable, or a search ended without a hypothesis."""


class ProtocolError(SylvianError):
    """A rate cannot be claimed: something was chosen on its trials, or after they were seen."""

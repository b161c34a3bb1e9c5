"""What the machine cannot do."""


class LoadError(Exception):
    """
    The kernel side cannot be loaded on this machine.

    The message names the feature that is missing, the kernel or setting that has it, and the next step.
    """


class PassingError(LoadError):
    """It did not work this time: time or memory was short. Another start can succeed."""

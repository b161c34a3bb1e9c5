"""What the machine cannot do."""


class LoadError(Exception):
    """
    The kernel side cannot be loaded on this machine.

    The message names the feature that is missing, the kernel or setting that has it, and the next step.
    """

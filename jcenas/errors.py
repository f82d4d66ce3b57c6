"""The one exception that means "the input is at fault": its message names the thing and the remedy.

The command line prints it as one line and exits with code 2; every other exception is a defect and keeps its traceback.
"""


class InputError(ValueError):
    """A flag, file or folder that cannot be used as it is. The message is one line for the user."""


class ImageSideError(InputError):
    """Images whose sides a network cannot halve as often as it does."""

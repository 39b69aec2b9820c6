"""The kinds of error a user can meet.

A message is one line: what is wrong, the value got, what to do about it.
"""


class DepthInterpError(Exception):
    """Base of every error that is reported to the user without a traceback."""

    exit_code = 1


class InputError(DepthInterpError):
    """A file or an array that cannot be used as a stack of sections."""


class MissingSpacingError(InputError):
    """The depths of the sections are not known, and guessing them would be wrong."""


class OutputError(DepthInterpError):
    """A result that cannot be written."""


class RequestError(DepthInterpError):
    """Options that make no sense, alone or for this stack: unknown method, factor 0 ..."""

    exit_code = 2


class DeviceError(DepthInterpError):
    """A device that this machine does not have."""


class TooLargeError(DepthInterpError):
    """A result that does not fit into the memory of this machine."""


class WeightsError(DepthInterpError):
    """Weights of a network that cannot be loaded, or are not what they should be."""

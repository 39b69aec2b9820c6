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


class MissingPackageError(DepthInterpError):
    """A package of an extra that was not installed."""


class DeviceError(DepthInterpError):
    """A device that this machine does not have."""


class TooLargeError(DepthInterpError):
    """A result that does not fit into the memory of this machine."""


class WeightsError(DepthInterpError):
    """Weights of a network that cannot be loaded, or are not what they should be."""


def explain(error: BaseException) -> str:
    """Return what any error means for the user, in one line."""
    if isinstance(error, DepthInterpError):
        return " ".join(str(error).split())
    if isinstance(error, MemoryError):
        return "not enough memory; use a smaller factor or one --channel, or crop the stack"
    if type(error).__name__ == "OutOfMemoryError":  # torch's, which is not imported for it
        first = (str(error).splitlines() or [""])[0].split(". ")[0]
        return f"the memory of the GPU is full ({first}); use --device cpu, or a crop of the stack"
    if isinstance(error, OSError):
        reason = error.strerror or str(error) or type(error).__name__
        where = f"'{error.filename}': " if error.filename else ""
        return " ".join(f"{where}{reason}; check the disk and the permissions".split())
    return " ".join(f"unexpected {type(error).__name__}: {error}; please report it with --debug".split())

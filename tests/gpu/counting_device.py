"""A device for torch that is none: it computes on the CPU, refuses what a GPU refuses, and counts what makes one wait.

Its name is ``counting``. Tensors on it are wrappers around tensors of the CPU, so that results are real and can be
compared; to torch and to the methods they lie on another device (a PrivateUse1 backend in Python). Counted are

- copies from the host and to it, and which of them wait (``non_blocking`` is not set);
- synchronisations: whatever makes the host wait for the device, as ``item()``, ``bool()``, a mask as an index;
- tensors of double precision, in which many GPUs are slow;
- kernels, the operations that were started.

Operations on tensors of both devices are refused, and with :attr:`Counts.largest` also tensors larger than so many
bytes, with the error of a GPU whose memory is full.
"""

from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from functools import cache

import torch
from torch.utils import backend_registration

NAME = "counting"
aten = torch.ops.aten

_WAITS = {
    aten._local_scalar_dense.default, aten.nonzero.default, aten.masked_select.default, aten.equal.default,
    aten.is_nonzero.default, aten._unique2.default, aten.unique_dim.default, aten.unique_consecutive.default,
    aten.repeat_interleave.Tensor, aten._linalg_check_errors.default, aten._linalg_eigh.default, aten.bincount.default,
}  # fmt: skip
_INDEXING = {
    aten.index.Tensor, aten.index_put.default, aten.index_put_.default, aten._index_put_impl_.default,
    aten._unsafe_index.Tensor,
}  # fmt: skip
_VIEWS = (
    "view", "alias", "detach", "slice", "select", "expand", "permute", "transpose", "as_strided", "unbind", "split",
)  # fmt: skip
"""How the names of operations begin that take no memory."""


@dataclass
class Counts:
    """What has happened on the device so far.

    ``biggest`` is the size of the biggest tensor in bytes, ``largest`` that above which one is refused (None: none).
    """

    to_device: int = 0
    to_host: int = 0
    syncs: int = 0
    doubles: int = 0
    kernels: int = 0
    refused: int = 0
    biggest: int = 0
    largest: int | None = None

    def since(self, before: "Counts") -> "Counts":
        """Return what has happened since then."""
        names = [each.name for each in fields(self) if each.name not in ("largest", "biggest")]
        return Counts(**{name: getattr(self, name) - getattr(before, name) for name in names})

    def copy(self) -> "Counts":
        return replace(self)


COUNTS = Counts()


class OnDevice(torch.Tensor):
    """A tensor on the device; ``inner`` holds its values."""

    @staticmethod
    def __new__(cls, inner):
        made = torch.Tensor._make_wrapper_subclass(
            cls, inner.size(), strides=inner.stride(), storage_offset=inner.storage_offset(), dtype=inner.dtype,
            layout=inner.layout, device=torch.device(NAME, 0),
        )  # fmt: skip
        made.inner = inner
        return made

    @classmethod
    def __torch_dispatch__(cls, operation, types, args=(), kwargs=None):
        return compute(operation, *args, **(kwargs or {}))

    def __repr__(self):
        return f"OnDevice({self.inner})"


def compute(operation, *args, **kwargs):
    """Compute an operation of the device on the values, and count it."""
    _count(operation, args, kwargs)
    own = {}

    def inside(each):
        if isinstance(each, OnDevice):
            own[id(each.inner)] = each
            return each.inner
        is_here = isinstance(each, torch.device) and each.type == NAME
        return torch.device("cpu") if is_here else each

    leaves = operation is aten._to_copy.default and torch.device(kwargs.get("device") or NAME).type != NAME
    kwargs.pop("pin_memory", None)
    made = operation(*_mapped(inside, args), **{name: _mapped(inside, each) for name, each in kwargs.items()})
    if leaves or (operation is aten.copy_.default and not isinstance(args[0], OnDevice)):
        return args[0] if operation is aten.copy_.default else made

    def outside(each):
        if not isinstance(each, torch.Tensor):
            return each
        return own[id(each)] if id(each) in own else _placed(each, operation)

    return _mapped(outside, made)


def _mapped(function, values):
    """Apply a function to values in tuples and lists: as torch's own, which takes most of the time of small tensors."""
    if isinstance(values, (tuple, list)):
        return (
            type(values)(_mapped(function, each) for each in values)
            if type(values) in (tuple, list)
            else tuple(_mapped(function, each) for each in values)
        )
    return function(values)


def _leaves(values):
    if isinstance(values, torch.Tensor):
        yield values
    elif isinstance(values, (tuple, list)):
        for each in values:
            yield from _leaves(each)


@cache
def _is_view(operation):
    return operation.name().removeprefix("aten::").lstrip("_").startswith(_VIEWS)


def _placed(values, operation):
    if not _is_view(operation):
        COUNTS.doubles += values.dtype == torch.float64
        size = values.numel() * values.element_size()
        COUNTS.biggest = max(COUNTS.biggest, size)
        if COUNTS.largest is not None and size > COUNTS.largest:
            COUNTS.refused += 1
            raise torch.OutOfMemoryError(f"{NAME}: out of memory, tried to allocate {size} bytes")
    return OnDevice(values)


def _count(operation, args, kwargs):
    tensors = list(_leaves((args, list(kwargs.values()))))
    here = [isinstance(each, OnDevice) for each in tensors]
    COUNTS.kernels += 1
    waits = operation in _WAITS
    if operation is aten.copy_.default:
        waits = _copied(*here, non_blocking=bool(args[2] if len(args) > 2 else kwargs.get("non_blocking")))
    elif operation is aten._to_copy.default:
        target = torch.device(kwargs.get("device") or tensors[0].device).type == NAME
        waits = _copied(target, here[0], non_blocking=bool(kwargs.get("non_blocking")))
    elif operation in _INDEXING:
        given = [each for each in args[1] if each is not None]
        COUNTS.to_device += sum(not isinstance(each, OnDevice) for each in given)
        waits = any(each.dtype in (torch.bool, torch.uint8) or not isinstance(each, OnDevice) for each in given)
    elif any(here) and any(each.ndim and not on for each, on in zip(tensors, here, strict=True)):
        raise RuntimeError(f"{operation} mixes tensors of the CPU and of the device '{NAME}'")
    COUNTS.syncs += bool(waits)


def _copied(target, source, *, non_blocking):
    """Count a copy; return whether it waits."""
    COUNTS.to_device += target and not source
    COUNTS.to_host += source and not target
    return target != source and not non_blocking


class _Event:
    """A mark in the work of the device; waiting for it is no synchronisation of all that was started."""

    def record(self, _stream=None):
        pass

    def synchronize(self):
        pass


class _Module:
    """What stands under ``torch.counting``."""

    Event = _Event

    def is_available(self):
        return True

    def is_initialized(self):
        return True

    def current_device(self):
        return 0

    def device_count(self):
        return 1

    def _is_in_bad_fork(self):
        return False

    def manual_seed(self, seed):
        """Do nothing: random numbers are those of the CPU, so that they are the same."""

    def manual_seed_all(self, seed):
        """Do nothing, for the same reason."""

    def empty_cache(self):
        """Do nothing: there is no cache."""

    def mem_get_info(self, _device=None):
        """Return the free memory and all of it, in bytes."""
        return 2**30, 2**31

    def is_bf16_supported(self, including_emulation=True):
        return True

    def get_device_capability(self, _device=None):
        return 9, 0

    def get_amp_supported_dtype(self):
        return [torch.bfloat16, torch.float16]


def _install():
    """Make the device known to torch; nobody can take it back."""
    backend_registration._setup_privateuseone_for_python_backend(NAME, backend_module=_Module())
    library = torch.library.Library("_", "IMPL")
    library.fallback(compute, "PrivateUse1")
    library.fallback(torch.library.fallthrough_kernel, "AutocastPrivateUse1")
    return library


_LIBRARY = _install()
"""Made known when tests are collected: autograd counts the devices once, at the first backward pass of the process."""


@contextmanager
def counting():
    """Yield the counts of the device, from 0; outside nothing can be put on it by ``torch.tensor``."""
    COUNTS.__init__()
    torch._C._set_only_lift_cpu_tensors(True)
    try:
        yield COUNTS
    finally:
        COUNTS.largest = None
        torch._C._set_only_lift_cpu_tensors(False)

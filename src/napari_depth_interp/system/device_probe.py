"""Says which torch is there and what it computes on; run by :func:`.probing.ask`."""

from __future__ import annotations

from .devices import available_devices
from .probing import tell


def main() -> None:
    """Tell torch's version, then every device with its name and, if known, its memory in bytes."""
    import torch

    tell(torch=torch.__version__, cuda=torch.version.cuda)
    tell(devices=[_described(name) for name in available_devices()])


def _described(name: str) -> dict[str, str | int | None]:
    import torch

    if not name.startswith("cuda"):
        return {"device": name, "name": None, "free": None, "total": None}
    free, total = torch.cuda.mem_get_info(torch.device(name))
    return {"device": name, "name": torch.cuda.get_device_name(name), "free": free, "total": total}


if __name__ == "__main__":
    main()

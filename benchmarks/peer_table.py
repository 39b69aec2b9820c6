"""Other programs beside this one on the same hidden sections: ``python benchmarks/peer_table.py --data DIR``.

``make_peers.py`` installs the others, each into an environment of its own; those that are there take part. Without
``--data`` the simulated specimens are filled. Programs that train take hours by default: ``--train NAME=SECONDS`` gives
them a time, and they are run on the first volume alone unless ``--train-first`` or ``--train-on`` says otherwise.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from _tools import machine, markdown_table, remembered
from _volumes import Question, Volume, volumes
from napari_depth_interp import __version__
from napari_depth_interp.metrics.perceptual import Lpips
from napari_depth_interp.models import weights
from peers import FOLDER, PeerError, adapter, installed

BASELINE = "linear"
OURS = (BASELINE, "nearest", "cubic", "flow", "auto:fast")
SCORES = ("psnr", "ssim", "lpips", "gradient_z")


def score(question: Question, name: str, lpips: Lpips | None, folder: Path, seconds: float) -> dict[str, Any]:
    """Return one row: a contender on a volume."""
    about = {"volume": question.volume.name, "every": question.every, "contender": name}
    try:
        filled = question.peer(name, seconds, folder) if name not in OURS else question.ours(name)
    except PeerError as error:
        return about | {"failed": str(error)}
    print(f"{about}: {filled.cpu_seconds:.1f} s", file=sys.stderr, flush=True)
    made = {"version": filled.version, "seconds_given": seconds, "default_seconds": filled.default_seconds}
    return about | question.scores(filled, lpips) | made


def summary(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return for each contender the means over its volumes, gains over linear and of ours on them, the worst gain."""
    linear = {row["volume"]: row for row in rows if row["contender"] == BASELINE}
    ours = {row["volume"]: row["psnr"] for row in rows if row["contender"] == OURS[-1]}
    found = []
    for name in dict.fromkeys(row["contender"] for row in rows):
        own = [row for row in rows if row["contender"] == name and "failed" not in row]
        if not own:
            continue
        gains = [row["psnr"] - linear[row["volume"]]["psnr"] for row in own]
        means = {f"{key}_change": _mean(row[key] - linear[row["volume"]][key] for row in own if row[key] is not None)
                 for key in ("ssim", "lpips")}  # fmt: skip
        found.append(
            {
                "contender": name,
                "volumes": len(own),
                "gain": float(np.mean(gains)),
                "worst": float(np.min(gains)),
                "ours_there": _mean(
                    ours[row["volume"]] - linear[row["volume"]]["psnr"] for row in own if row["volume"] in ours
                ),
                **means,
                "gradient_z": _mean(row["gradient_z"] for row in own),
                "cpu_seconds": _mean(row["cpu_seconds"] for row in own),
                "version": own[0]["version"],
                "seconds_given": own[0]["seconds_given"],
                "default_seconds": _mean(row.get("default_seconds") for row in own),
            }
        )
    return sorted(found, key=lambda each: -each["gain"])


def _mean(values: Iterable[float | None]) -> float | None:
    known = [each for each in values if each is not None]
    return float(np.mean(known)) if known else None


def table(found: Sequence[Mapping[str, Any]]) -> str:
    """Return the summary as Markdown."""
    header = [
        "contender", "volumes", "gain, dB", "worst, dB", "SSIM", "LPIPS", "gradient along z", "CPU s", "licence",
    ]  # fmt: skip
    rows = []
    for each in found:
        name = each["contender"]
        ours = name in OURS
        title = f"`{name}`" if ours else adapter(name).TITLE
        title += f" (trained {each['seconds_given']:.0f} s)" if each["seconds_given"] else ""
        rows.append(
            [
                title, each["volumes"], f"{each['gain']:+.2f}", f"{each['worst']:+.2f}", _signed(each["ssim_change"]),
                _signed(each["lpips_change"]), f"{each['gradient_z']:.2f}", f"{each['cpu_seconds']:.1f}",
                "ours" if ours else adapter(name).LICENCE,
            ]
        )  # fmt: skip
    return markdown_table(header, rows)


def _signed(value: float | None) -> str:
    return "n/a" if value is None else f"{value:+.3f}"


def main() -> None:
    """Print the table and write the JSON."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, metavar="DIR", help="folder of TIFF and NIfTI volumes")
    parser.add_argument("--volumes", nargs="+", default=[], metavar="NAME", help="only these, by name without suffix")
    parser.add_argument("--every", type=int, default=4, metavar="K")
    parser.add_argument("--crop", type=int, nargs=3, default=(65, 96, 96), metavar=("Z", "Y", "X"))
    parser.add_argument("--peers", nargs="+", metavar="NAME", help="default: all that are installed")
    parser.add_argument("--folder", type=Path, default=FOLDER, help="environments of the peers")
    parser.add_argument("--train", nargs="+", default=[], metavar="NAME=SECONDS", help="time for peers that train")
    chosen = parser.add_mutually_exclusive_group()
    chosen.add_argument("--train-first", type=int, default=1, metavar="N", help="that many volumes for them; default 1")
    chosen.add_argument("--train-on", nargs="+", default=[], metavar="NAME", help="volumes for them, by name")
    parser.add_argument("--lpips-weights", type=Path, metavar="FILE", help="AlexNet's weights, for LPIPS")
    parser.add_argument("--out", type=Path, metavar="DIR", help="keep what is finished here, and peers.json")
    args = parser.parse_args()
    lpips = None
    if args.lpips_weights is not None:
        lpips = Lpips("alex", weights.read(args.lpips_weights), weights.lpips_linear_weights("alex"))
    budget = {name: float(value) for name, value in (each.split("=") for each in args.train)}
    peers = [name for name in args.peers or installed(args.folder) if hasattr(adapter(name), "fill")]
    rows = []
    for number, volume in enumerate(volumes(args.data, args.crop, args.every, args.volumes)):
        question = Question.of(volume, args.every)
        here = volume.name in args.train_on if args.train_on else number < args.train_first
        for name in [*OURS, *peers]:
            trains = name not in OURS and getattr(adapter(name), "TRAINS", False)
            if not trains or (here and name in budget):
                rows.append(_kept(args, question, volume, name, lpips, budget.get(name, 0.0)))
    found = summary(rows)
    print(f"{machine()}\n\nEvery {args.every}th section kept, crops of {' x '.join(map(str, args.crop))} voxels.\n")
    print(table(found))
    failed = [f"- {row['contender']} on {row['volume']}: {row['failed']}" for row in rows if "failed" in row]
    print("\n".join(failed))
    if args.out is not None:
        about = {"machine": machine(), "version": __version__, "every": args.every, "crop": list(args.crop)}
        text = json.dumps(about | {"summary": found, "rows": rows}, indent=1)
        (args.out / "peers.json").write_text(text + "\n", encoding="utf-8")


def _kept(
    args: argparse.Namespace, question: Question, volume: Volume, name: str, lpips: Lpips | None, seconds: float
) -> dict[str, Any]:
    about = {"volume": volume.name, "shape": volume.dataset.voxels.shape, "every": args.every, "contender": name,
             "seconds": seconds, "lpips": lpips is not None, "version": __version__}  # fmt: skip
    return remembered(args.out, about, lambda: score(question, name, lpips, args.folder, seconds))


if __name__ == "__main__":
    main()

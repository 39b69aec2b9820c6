"""MicroDiffusion: the rows of the paper's Table 1 and ours, on projections of simulated and real volumes.

A projection is the mean of n sections. Simulated volumes are recorded with noise and scored against what they are
without it; real ones against what was recorded. ``--ablations`` prints the paper's instead and draws one figure:
averaging of neighbours (its table 4, on the INR and on what the diffusion makes of it), gamma, the options of the
network (tables 2, 3, 5 and 6) and n (figure 6). ``--out`` keeps finished rows: a longer run goes on from there.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch

from _tools import machine, markdown_table, remembered, verdict
from napari_depth_interp.evaluation.evaluate import LpipsChoice, evaluate
from napari_depth_interp.evaluation.holdout import Protocol, projections
from napari_depth_interp.run.settings import Settings
from napari_depth_interp.simulate import simulate
from napari_depth_interp.stack import Dataset
from quality import volumes

PAPER = {
    "dendrites": {
        "linear": (0.5799, 28.78, 0.6482), "cubic": (0.6511, 28.85, 0.3973), "inr": (0.5837, 25.81, 0.4589),
        "naive diffusion": (0.0297, 19.95, 0.2869), "linear diffusion": (0.6366, 27.02, 0.5729),
        "cubic diffusion": (0.4765, 21.31, 0.3786), "MicroDiffusion as published": (0.6742, 29.74, 0.7557),
    },
    "vessels": {
        "linear": (0.3774, 20.42, 0.5936), "cubic": (0.5204, 20.52, 0.4448), "inr": (0.5032, 21.69, 0.7136),
        "naive diffusion": (0.0207, 14.81, 0.3234), "linear diffusion": (0.4039, 19.09, 0.4860),
        "cubic diffusion": (0.2395, 16.41, 0.2672), "MicroDiffusion as published": (0.5787, 22.35, 0.7158),
    },
    "neuron": {
        "linear": (0.1208, 24.12, 0.3553), "cubic": (0.3265, 26.50, 0.1116), "inr": (0.4759, 26.43, 0.6403),
        "naive diffusion": (0.0210, 24.08, 0.1468), "linear diffusion": (0.4426, 25.35, 0.2425),
        "cubic diffusion": (0.3478, 23.79, 0.1318), "MicroDiffusion as published": (0.4845, 26.66, 0.6708),
    },
}  # fmt: skip
"""SSIM, PSNR (dB) and Dice of Hui 2024, Table 1: of other volumes, so only the order of the rows can be compared."""
PAPER_AVERAGING = {
    "none": (0.4315, 15.26, 0.2025), "uniform": (0.4996, 17.36, 0.4086), "published": (0.5787, 22.35, 0.7158),
}  # fmt: skip
"""Table 4: of the vasculature, after the diffusion."""
ABLATIONS = ("averaging", "gamma", "options", "n")
GAMMAS = (0.0, 0.05, 0.1, 0.3, 0.5, 0.9)
OPTIONS = ("positions=sincos", "condition=none", "condition=attention", "prior_use=condition",
           "prior_training=trainable", "prior_training=joint")  # fmt: skip
STEPS = (2, 3, 4, 6, 8, 10, 16)
"""Sections of a projection."""
FIGURE_6 = {"ssim": ".4f", "psnr": ".2f", "dice": ".4f"}
LINEAR, MATCHED, OURS = "linear", "cubic, back-projected", "microdiffusion, mean of 8"
BACK, PLAIN = "linear, back-projected", "MicroDiffusion as published"
PUBLISHED = "draws=image:prior_use=blend:learn=mean:correct=false:self_check=false:noise=keep:samples=1"
MLP = "inr:field=mlp:correct=false:learning_rate=0.001"
GAIN_DB, GAIN_SSIM, BELOW_DB = 1.0, 0.03, 0.2


@dataclass(frozen=True)
class Setting:
    """Size of the volumes and effort of the methods."""

    shape: tuple[int, int, int]
    ours: str
    diffusion: str
    prior: str
    mlp: str

    def guided(self, averaging: str = "published") -> str:
        """Return MicroDiffusion with the INR as its prior, read with these weights over neighbours."""
        return f"microdiffusion:{self.diffusion}:prior=inr:prior_options=averaging={averaging}{self.prior}"


SETTINGS = {
    "small": Setting((60, 64, 64), ":fast",
                     f"{PUBLISHED}:training_steps=200:levels=2:steps=10:prior_training_steps=150", "",
                     f"{MLP}:training_steps=500:frequencies=64:width=128:rays=512"),
    "middle": Setting((60, 48, 48), ":fast",
                      "published:training_steps=300:channels=16:levels=3:window=48:learning_rate=0.002:rate_falls=true:"
                      "steps=10:prior_training_steps=800", ",rays=512",
                      "inr:published:training_steps=800:rays=512"),
    "full": Setting((130, 128, 128), "",
                    f"{PUBLISHED}:training_steps=5000:channels=64:batch=48:steps=1000:eta=1:prior_training_steps=5000",
                    "", f"{MLP}:training_steps=5000:rays=65536"),
}  # fmt: skip
"""``middle`` is the presets published, narrower, with a higher rate and for a shorter time: about 2 minutes a row."""


def contenders(setting: Setting) -> dict[str, str]:
    """Return the rows: words and how ``evaluate`` calls them.

    ``nearest`` is the projection itself: what a network gives that has learned the loss of algorithm 1 to its end.
    """
    diffusion = f"microdiffusion:{setting.diffusion}"
    ours = f"microdiffusion{setting.ours}"
    return {
        LINEAR: "linear:match_projections=false",
        "nearest": "nearest",
        "cubic": "cubic:match_projections=false",
        "inr": setting.mlp,
        "naive diffusion": f"{diffusion}:prior=none",
        "linear diffusion": f"{diffusion}:prior=linear",
        "cubic diffusion": f"{diffusion}:prior=cubic",
        PLAIN: setting.guided(),
        BACK: "linear",
        MATCHED: "cubic",
        "inr, factorised": "inr",
        "auto": f"auto{setting.ours}",
        "microdiffusion, one sample": f"{ours}:samples=1",
        "microdiffusion, noise kept, mean of 8": f"{ours}:samples=8:noise=keep",
        OURS: f"{ours}:samples=8",
    }


@dataclass(frozen=True)
class Found:
    """Scores of one row: means over sections, those of the whole volume, and seconds."""

    mean: dict[str, float | None]
    volume: dict[str, float | None]
    seconds: float

    def gain_over(self, other: Found) -> float:
        """Return the PSNR of all sections together above another's."""
        return (self.volume["psnr"] or 0.0) - (other.volume["psnr"] or 0.0)


@dataclass(frozen=True)
class How:
    """What all rows share: threads, LPIPS if it is wanted, and the folder that keeps finished rows."""

    threads: int
    lpips: Path | None
    out: Path | None


@dataclass(frozen=True, eq=False)
class Volume:
    """Projections and the sections behind them."""

    name: str
    recorded: Dataset
    truth: Dataset


def simulated(name: str, shape: tuple[int, int, int], n: int) -> Volume:
    """Return projections of a simulated specimen, and its sections without noise."""
    specimen = simulate(name, shape=shape, voxel_size=(0.5, 0.5, 0.5))
    [trial] = projections(specimen.observed, n)
    return Volume(name, trial.visible, specimen.truth)


def real(folder: Path, shape: tuple[int, int, int], n: int) -> Iterator[Volume]:
    """Yield projections of the centres of volumes."""
    for volume in volumes(folder, shape):
        if volume.dataset.voxels.shape[2] >= 4 * n:
            [trial] = projections(volume.dataset, n)
            yield Volume(volume.name, trial.visible, volume.dataset)


def score(volume: Volume, methods: dict[str, str], how: How) -> dict[str, Found]:
    """Return the scores of each row."""
    settings = Settings(threads=how.threads, dtype="float32")
    lpips = None if how.lpips is None else LpipsChoice("alex", how.lpips)
    found = {}
    for row, method in methods.items():

        def make(method: str = method) -> dict[str, object]:
            protocol = Protocol("reference")
            [each] = evaluate(
                volume.recorded, [method], protocol, settings, reference=volume.truth, lpips=lpips
            ).methods  # fmt: skip
            return asdict(Found(each.mean, each.volume, each.seconds))

        sections = len(volume.recorded.stack().depths)
        about = {"volume": volume.name, "shape": volume.truth.voxels.shape, "sections": sections, "method": method}
        found[row] = Found(**remembered(how.out, about | {"lpips": lpips is not None}, make))  # type: ignore[arg-type]
        print(f"{volume.name}: {row}, {found[row].seconds:.0f} s", file=sys.stderr, flush=True)
    return found


def table(name: str, scores: dict[str, Found], paper: dict[str, tuple[float, float, float]] | None = None) -> str:
    """Return one line per row, with the paper's beside."""
    lines = []
    known = PAPER.get(name, {}) if paper is None else paper
    for row, each in scores.items():
        published = known.get(row)
        mean = {key: each.mean.get(key) or 0.0 for key in ("ssim", "psnr", "dice", "ms_ssim")}
        lpips = each.mean.get("lpips")
        lines.append([
            row, f"{mean['ssim']:.4f}", f"{mean['psnr']:.2f}", f"{each.volume['psnr'] or 0.0:.2f}",
            f"{mean['dice']:.4f}", f"{mean['ms_ssim']:.4f}", "n/a" if lpips is None else f"{lpips:.4f}",
            f"{each.volume.get('gradient_z') or 0.0:.2f}", f"{each.seconds:.0f}",
            "-" if published is None else "{:.4f} / {:.2f} / {:.4f}".format(*published),
        ])  # fmt: skip
    header = [
        "row", "SSIM", "PSNR dB", "pooled PSNR dB", "Dice", "MS-SSIM", "LPIPS", "gradient along z", "s",
        "paper SSIM / PSNR / Dice",
    ]  # fmt: skip
    return markdown_table(header, lines)


def orders(scores: dict[str, Found], paper: dict[str, tuple[float, float, float]]) -> Iterator[str]:
    """Yield our order and the paper's of the rows that both have, best first."""
    both = [row for row in scores if row in paper]
    for number, key in enumerate(("ssim", "psnr", "dice")):
        ours = sorted(both, key=lambda row: -(scores[row].mean[key] or 0.0))
        theirs = sorted(both, key=lambda row: -paper[row][number])
        words = "the same" if ours == theirs else f"the paper: {' > '.join(theirs)}"
        yield f"- {key}, best first: {' > '.join(ours)}; {words}"


def targets(name: str, scores: dict[str, Found]) -> Iterator[str]:
    """Yield how the mean of 8 samples stands to the targets, in the mean of the sections' PSNRs and in the pooled one.

    Where some sections are nearly empty, they alone rule the mean.
    """

    def above(row: str, key: str = "psnr") -> float:
        return (scores[OURS].mean[key] or 0.0) - (scores[row].mean[key] or 0.0)

    def both(row: str) -> tuple[float, str]:
        pooled = scores[OURS].gain_over(scores[row])
        return min(above(row), pooled), f"{above(row):+.2f} dB, pooled {pooled:+.2f} dB"

    if name in PAPER:
        (least, words), ssim = both(LINEAR), above(LINEAR, "ssim")
        yield verdict(least >= GAIN_DB, f"{name}: {GAIN_DB:g} dB above linear: {words}")
        yield verdict(ssim >= GAIN_SSIM, f"{name}: SSIM {GAIN_SSIM:g} above linear: {ssim:+.4f}")
    least, words = both(MATCHED)
    yield verdict(least >= -BELOW_DB, f"{name}: within {BELOW_DB:g} dB of {MATCHED}: {words}")


def ablations(args: argparse.Namespace, how: How) -> None:
    """Print what averaging of neighbours, gamma, n and the options of the network do; draw all but the options."""
    setting, parts = SETTINGS[args.setting], args.ablations or ABLATIONS
    diffusion = setting.guided()
    vessels = simulated("vessels", setting.shape, 6)
    by_averaging: dict[str, Found] = {}
    by_gamma: dict[str, Found] = {}
    by_n: dict[int, dict[str, Found]] = {}
    if "averaging" in parts:
        kinds = ("none", "uniform", "published", "gaussian")
        by_averaging = score(vessels, {kind: f"{setting.mlp}:averaging={kind}" for kind in kinds}, how)
        guided = score(vessels, {kind: setting.guided(kind) for kind in PAPER_AVERAGING}, how)
        print(f"\nVessels, averaging of neighbours, the INR alone:\n\n{table('', by_averaging)}")
        print(f"\nVessels, averaging of neighbours, after diffusion:\n\n{table('', guided, PAPER_AVERAGING)}\n")
        print("\n".join(orders(guided, PAPER_AVERAGING)), flush=True)
    if "gamma" in parts:
        by_gamma = score(vessels, {f"{each:g}": f"{diffusion}:gamma={each}" for each in GAMMAS}, how)
        print(f"\nVessels, gamma:\n\n{table('', by_gamma)}", flush=True)
    if "options" in parts:
        others = score(vessels, {"as published": diffusion, **{each: f"{diffusion}:{each}" for each in OPTIONS}}, how)
        print(f"\nVessels, options of the network:\n\n{table('', others)}", flush=True)
    if "n" in parts:
        rows = {BACK: "linear", PLAIN: diffusion, OURS: f"microdiffusion{setting.ours}:samples=8"}
        rows = chosen(rows, args.rows)
        fitting = [n for n in args.sections if setting.shape[0] >= 3 * n]
        by_n = {n: score(simulated("vessels", setting.shape, n), rows, how) for n in fitting}
        print(f"\nVessels by n, SSIM / PSNR / Dice:\n\n{by_sections(by_n)}", flush=True)
    if by_averaging and by_gamma and by_n and not args.rows:
        draw(args.figure, by_averaging, by_gamma, by_n)


def by_sections(found: dict[int, dict[str, Found]]) -> str:
    """Return one line per n (figure 6)."""
    lines = [
        [n, *(" / ".join(f"{each.mean[key] or 0:{form}}" for key, form in FIGURE_6.items()) for each in rows.values())]
        for n, rows in found.items()
    ]
    return markdown_table(["n", *next(iter(found.values()))], lines)


def draw(
    file: Path,
    averaging: dict[str, Found],
    gammas: dict[str, Found],
    by_n: dict[int, dict[str, Found]],
) -> None:
    """Draw SSIM over averaging, gamma and n."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 3.4), layout="constrained")
    bars, lines, steps = figure.subplots(1, 3, sharey=True)
    bars.bar(list(averaging), [each.mean["ssim"] or 0 for each in averaging.values()])
    bars.set(xlabel="averaging of neighbours (INR)", ylabel="SSIM")
    lines.plot([float(gamma) for gamma in gammas], [each.mean["ssim"] or 0 for each in gammas.values()], "o-")
    lines.set(xlabel="share gamma of the prior")
    for row in next(iter(by_n.values())):
        steps.plot(list(by_n), [found[row].mean["ssim"] or 0 for found in by_n.values()], "o-", label=row)
    steps.set(xlabel="sections per projection")
    steps.legend()
    figure.savefig(file, dpi=120)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("data", nargs="?", type=Path, metavar="DIR", help="also score volumes of this folder")
    parser.add_argument("--setting", choices=list(SETTINGS), default="small", help="full is for a GPU")
    parser.add_argument("--sets", nargs="*", default=list(PAPER), choices=list(PAPER), help="simulated specimens")
    parser.add_argument("--rows", nargs="+", help="only these rows, or those that hold one of these words")
    parser.add_argument("-n", type=int, default=6, help="sections per projection, default 6")
    parser.add_argument("--ablations", nargs="*", choices=ABLATIONS, help="the paper's ablations instead; default: all")
    parser.add_argument("--sections", nargs="+", type=int, default=STEPS, metavar="N", help="of the ablation of n")
    parser.add_argument("--lpips-weights", type=Path, metavar="FILE", help="AlexNet's weights, for LPIPS")
    parser.add_argument("--out", type=Path, metavar="DIR", help="keep finished rows here, and go on from them")
    parser.add_argument("--figure", type=Path, default=Path("microdiffusion.png"), help="of the ablations")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    args = parser.parse_args()
    setting = SETTINGS[args.setting]
    print(machine(), flush=True)
    how = How(args.threads, args.lpips_weights, args.out)
    if args.ablations is not None:
        ablations(args, how)
        return
    rows = chosen(contenders(setting), args.rows)
    verdicts = []
    found = (simulated(name, setting.shape, args.n) for name in args.sets)
    for volume in [*found, *(real(args.data, setting.shape, args.n) if args.data else ())]:
        scores = score(volume, rows, how)
        print(f"\n{volume.name}, projections of {args.n} sections:\n\n{table(volume.name, scores)}\n")
        print("\n".join(orders(scores, PAPER.get(volume.name, {}))), flush=True)
        if {LINEAR, MATCHED, OURS} <= set(scores):
            verdicts += list(targets(volume.name, scores))
    print("\n" + "\n".join(verdicts))


def chosen(rows: dict[str, str], words: Sequence[str] | None) -> dict[str, str]:
    """Return the rows that are, or else hold, one of the words; all without any."""

    def wanted(row: str) -> bool:
        return any(row == word if word in rows else word in row for word in words or ())

    return {row: how for row, how in rows.items() if not words or wanted(row)}


if __name__ == "__main__":
    main()

"""Damage of every kind put into sound volumes: what is found, what is repaired, and how well.

    python benchmarks/repair.py [DIR] [--beds all|NAME ...] [--rounds N] [--method auto] [--preset fast] [--detect]

DIR holds sound volumes (TIFF, NIfTI and others); without it volumes are simulated. With ``--beds`` small stacks are
made of each volume and of simulated ones: corners, other axes, scales, depths, noise, types. In each round about one
section of ten (of beds: of eight) is damaged, never two within three sections; kind, strength and place come from the
seed. A kind counts as found where a section is said to have that kind; the PSNR is of the damaged sections that were
repaired, in the range of percentiles 0.1 to 99.9 of the sound volume, and linear interpolation gets sound neighbours.
Then each volume, with all that was made of it, is judged with thresholds that were chosen on the others alone.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from _beds import BEDS, Volume, beds, sources
from _damage import damaged, stored
from _tools import machine, markdown_table, verdict
from napari_depth_interp.damage.cases import case_of
from napari_depth_interp.damage.detect import examine, first_kind
from napari_depth_interp.damage.examination import Examination
from napari_depth_interp.damage.execute import execute_repair
from napari_depth_interp.damage.kinds import KINDS
from napari_depth_interp.damage.remedies import measured_shift
from napari_depth_interp.damage.request import resolve_repair
from napari_depth_interp.damage.settings import make_repair_settings
from napari_depth_interp.stack import Dataset

SURE = ("missing", "duplicate", "saturated", "partial")
"""Kinds of which at least 0.95 are to be found; of stripes nothing was asked, of others 0.9."""
FACTORS = (0.6, 0.7, 0.8, 0.9, 1.0, 1.1, 1.25, 1.5, 1.75, 2.0)
"""What thresholds are multiplied with where they are chosen on other volumes."""


@dataclass(frozen=True)
class Section:
    """One section that was judged: of which volume and bed, its damage ("" for none), what was said, its scores.

    ``over`` says by kind how many times over the threshold the score is.
    """

    volume: str
    bed: str
    clean: bool
    truth: str
    found: str
    over: Mapping[str, float]


@dataclass(frozen=True)
class Gain:
    """One section that was repaired: PSNR (dB) as left, by linear interpolation, and repaired."""

    volume: str
    bed: str
    kind: str
    left: float
    linear: float
    repaired: float

    @property
    def gain(self) -> float:
        return self.repaired - self.linear


@dataclass(frozen=True)
class Shift:
    """A shift that was found: error (pixels) against what was put in, and how far the sound section lay off already.

    ``alone`` is the error of what was put in by itself: how far the section lay off before is taken from what is found.
    ``expected`` is the error that the repair itself expects, of which it warns where it is more than 0.3 pixel; not a
    number where it was not repaired. ``corrected`` says that it was undone, and the section neither made anew nor left.
    """

    volume: str
    bed: str
    error: float
    before: float
    alone: float
    expected: float = float("nan")
    corrected: bool = False


@dataclass(eq=False)
class Tally:
    """What was judged and repaired; kinds of damaged sections that were found and left; shifts that were found."""

    sections: list[Section] = field(default_factory=list)
    gains: list[Gain] = field(default_factory=list)
    shifts: list[Shift] = field(default_factory=list)
    left: list[str] = field(default_factory=list)


def volumes(folder: Path | None, only: list[str]) -> Iterator[Volume]:
    """Yield the volumes of a folder, or simulated ones."""
    for name, read in sources(folder).items():
        if (folder is None or not name.startswith("simulated")) and (not only or name in only):
            voxels = read()
            if len(voxels) > 8:
                yield Volume(name, voxels)


def over(examination: Examination, k: int) -> dict[str, float]:
    """Return how many times each score of a section is over its threshold."""
    found = {name: values[k] / examination.thresholds[name] for name, values in examination.scores.items()}
    return {name: float(value) for name, value in found.items() if np.isfinite(value)}


def look_at_sound(volume: Volume, tally: Tally) -> None:
    """Count what is taken for damage in a sound volume."""
    examination = examine(Dataset.from_array(volume.voxels))
    note(volume, examination, {}, tally, clean=True)


def note(volume: Volume, examination: Examination, truth: Mapping[int, str], tally: Tally, *, clean: bool) -> None:
    """Note what was said of all sections."""
    found = {each.index: each for each in examination.found}
    for k in range(examination.count):
        was, said = truth.get(k, ""), found[k].kind if k in found else ""
        tally.sections.append(Section(volume.name, volume.bed, clean, was, said, over(examination, k)))
        if was != said:
            detail = f"{found[k].severity:.2f} {found[k].detail}" if said else ""
            print(volume.name, volume.bed, k, was or "sound", "->", said or "nothing", detail, file=sys.stderr)


def look(volume: Volume, number: int, tally: Tally, given: argparse.Namespace) -> None:
    """Put damage into a volume, look for it, repair it, and note all."""
    random = np.random.default_rng([given.seed + number, *map(ord, volume.name + volume.bed)])
    made = damaged(volume, random)
    voxels, truth = made.voxels, made.truth
    settings = make_repair_settings(method=given.method, preset=given.preset, threads=given.threads)
    request = resolve_repair(Dataset.from_array(voxels), settings)
    note(volume, request.examination, truth, tally, clean=False)
    found = {each.index: each.kind for each in request.examination.found}
    result = None if given.detect else execute_repair(request)
    done = {} if result is None else {entry["index"]: entry for entry in result.sections}
    for k, by in made.moved.items():
        if found.get(k) == "shift":
            measured, before = (shift_of(each, k, found) for each in (voxels, volume.voxels))
            error, lay, alone = (
                float(np.linalg.norm(each)) for each in (measured - by, before, measured - before - by)
            )
            expected = done.get(k, {}).get("expected_shift_error")
            expected = float("nan") if expected is None else expected
            corrected = done.get(k, {}).get("action") == "correct"
            tally.shifts.append(Shift(volume.name, volume.bed, error, lay, alone, expected, corrected))
    if result is None:
        return
    for entry in result.sections:
        k = entry["index"]
        if k in truth and entry["action"] == "leave":
            tally.left.append(truth[k])
            print(volume.name, volume.bed, k, truth[k], "left:", entry["reason"], file=sys.stderr)
        elif k in truth:
            plain = (volume.voxels[k - 1].astype(np.float64) + volume.voxels[k + 1]) / 2
            plain = stored(plain, volume.voxels[k])
            scores = [psnr(each, volume, k) for each in (voxels[k], plain, np.asarray(result[k]))]
            tally.gains.append(Gain(volume.name, volume.bed, truth[k], *scores))
            if tally.gains[-1].gain < -0.1:
                words = f"{tally.gains[-1].gain:+.2f} dB, {entry['kind']}: {entry['reason']}"
                print(volume.name, volume.bed, k, truth[k], words, file=sys.stderr)


def shift_of(voxels: NDArray[Any], k: int, damaged: Collection[int]) -> NDArray[np.float64]:
    """Return by how much (rows, columns) a repair takes a section to be shifted."""
    return measured_shift(case_of(Dataset.from_array(voxels).counted(), (0, 0, k), damaged))


def psnr(section: NDArray[Any], volume: Volume, k: int) -> float:
    """Return the PSNR of a section in the range of the volume; 99 dB at most."""
    low, high = volume.span
    error = float(np.mean((section.astype(np.float64) - volume.voxels[k]) ** 2))
    return float(min(99.0, 10 * np.log10((high - low) ** 2 / max(error, 1e-12))))


def report(tally: Tally) -> None:
    """Print all tables, and which targets are met."""
    print("\nFound, with the thresholds that are built in:\n")
    report_found(tally.sections, lambda each: each.found)
    chosen = {name: factors_without(name, tally.sections) for name in {each.volume for each in tally.sections}}
    print("\nFound, each volume with thresholds chosen on the others:\n")
    report_found(tally.sections, lambda each: told(each, chosen[each.volume]))
    print("\nFactors:", {name: dict(Counter(each[name] for each in chosen.values())) for name in KINDS})
    if tally.shifts:
        report_shifts(tally.shifts)
    if tally.gains:
        report_gains(tally)


def report_shifts(shifts: Sequence[Shift]) -> None:
    """Print errors of measured shifts, and how far the sound sections lay off before."""
    rows = []
    exact = [each for each in shifts if each.expected <= 0.3]
    warned = [each for each in shifts if each.expected > 0.3]
    parts = [("all", list(shifts)), ("said to be exact", exact), ("warned of", warned)]
    parts.append(("warned of, undone", [each for each in warned if each.corrected]))
    for name, own in [*groups(shifts, lambda each: each.volume), *(part for part in parts if part[1])]:
        errors, before, alone = (
            np.array([getattr(each, what) for each in own]) for what in ("error", "before", "alone")
        )
        worst = max(own, key=lambda each: each.error)
        row = [
            name,
            len(own),
            f"{np.median(errors):.2f}",
            f"{(errors <= 0.3).mean():.2f}",
            f"{worst.error:.2f} {worst.bed}",
        ]
        row += [f"{np.median(before):.2f}", f"{before.max():.2f}"]
        rows.append([*row, f"{np.median(alone):.2f}", f"{(alone <= 0.3).mean():.2f}", f"{alone.max():.2f}"])
    header = ["volume", "shifts", "error, px", "within 0.3 px", "worst", "before, px", "worst before"]
    header += ["less before, px", "within 0.3 px", "worst"]
    print("\n" + markdown_table(header, rows))
    told = "where nothing is said"
    print(verdict(all(each.alone <= 0.3 for each in exact), f"what was put in is found within 0.3 px {told}"))
    print(verdict(all(each.error <= 0.3 for each in exact), f"and so it is with how far they lay off before, {told}"))


def told(section: Section, factors: Mapping[str, float]) -> str:
    """Return the kind that a section is said to have if thresholds are so many times higher."""
    return first_kind({name: section.over.get(name, -np.inf) / factors[name] for name in KINDS}) or ""


def factors_without(volume: str, sections: Sequence[Section]) -> dict[str, float]:
    """Return factors of the thresholds with the fewest wrong answers on all other volumes, kind by kind.

    In damaged stacks each counts; of false alarms in untouched ones those beyond one in 200 sections, three times.
    """
    kept = [each for each in sections if each.volume != volume]
    allowed = sum(each.clean for each in kept) / 200
    others = [each for each in kept if max(each.over.values(), default=0) > FACTORS[0]]
    factors = dict.fromkeys(KINDS, 1.0)

    def wrong(tried: Mapping[str, float]) -> float:
        answers = [told(each, tried) != each.truth for each in others]
        false = sum(bad for bad, each in zip(answers, others, strict=True) if each.clean)
        return sum(answers) - false + 3 * max(0.0, false - allowed)

    for name in [*KINDS, *KINDS]:
        best = min(FACTORS, key=lambda factor: (wrong({**factors, name: factor}), abs(np.log(factor))))
        factors[name] = best
    return factors


def report_found(sections: Sequence[Section], said: Callable[[Section], str]) -> None:
    """Print recall and precision by kind, over all and of the worst volume and bed, and false alarms."""
    broken, rows, verdicts = [each for each in sections if not each.clean], [], []
    for kind in KINDS:
        recall, precision = rates(broken, kind, said)
        worst = [
            min(
                [(rates(own, kind, said)[0], name) for name, own in groups(broken, key) if has(own, kind)]
                or [(1.0, "-")]
            )
            for key in (lambda each: each.volume, lambda each: each.bed)
        ]
        words = [f"{rate:.2f} {name}" for rate, name in worst]
        put = sum(each.truth == kind for each in broken)
        rows.append([kind, put, f"{recall:.3f}", f"{precision:.3f}", *words])
        least = 0.95 if kind in SURE else 0.9
        verdicts.append(verdict(min(recall, precision) >= least, f"{kind}: recall and precision {least}"))
    header = ["kind", "put in", "recall", "precision", "recall, worst volume", "recall, worst bed"]
    print("\n".join([markdown_table(header, rows), *verdicts]))
    clean = [each for each in sections if each.clean]
    false = sum(bool(said(each)) for each in clean)
    print(verdict(200 * false <= len(clean), f"{false} false alarms in {len(clean)} sound sections"))
    for what, key in (("volumes", lambda each: each.volume), ("beds", lambda each: each.bed)):
        counts = {name: (sum(bool(said(each)) for each in own), len(own)) for name, own in groups(clean, key)}
        most = sorted(counts.items(), key=lambda each: -each[1][0])[:3]
        print(f"Most false alarms among {what}:", ", ".join(f"{name} {a} of {b}" for name, (a, b) in most))


def groups(sections: Iterable[Any], key: Callable[[Any], str]) -> list[tuple[str, list[Any]]]:
    """Return what has the same key, by key."""
    found: dict[str, list[Any]] = {}
    for each in sections:
        found.setdefault(key(each), []).append(each)
    return list(found.items())


def has(sections: Sequence[Section], kind: str) -> bool:
    return any(each.truth == kind for each in sections)


def rates(sections: Sequence[Section], kind: str, said: Callable[[Section], str]) -> tuple[float, float]:
    """Return recall and precision of a kind."""
    put, told_so = ([each for each in sections if of(each) == kind] for of in (lambda each: each.truth, said))
    right = sum(said(each) == kind for each in put)
    return right / max(1, len(put)), right / max(1, len(told_so))


def report_gains(tally: Tally) -> None:
    """Print what the repair is worth, by kind and for the worst bed and volume, in dB."""
    rows = []
    for kind in (*KINDS, "all"):
        chosen = [each for each in tally.gains if kind in (each.kind, "all")]
        if chosen:
            means = [np.mean([getattr(each, name) for each in chosen]) for name in ("left", "linear", "repaired")]
            gains = np.array([each.gain for each in chosen])
            below = int((gains < -0.1).sum())
            left = sum(kind in (each, "all") for each in tally.left)
            row = [kind, len(chosen), left, *(f"{each:.1f}" for each in means), f"{gains.mean():+.2f}"]
            rows.append([*row, f"{np.median(gains):+.2f}", f"{gains.min():+.2f}", below])
    header = ["kind", "repaired", "left as they are", "left, dB", "linear, dB", "repaired, dB", "over linear"]
    print("\n" + markdown_table([*header, "median", "worst", "0.1 dB below linear"], rows))
    for key in (lambda each: each.volume, lambda each: each.bed):
        mean, name = min((float(np.mean([each.gain for each in own])), name) for name, own in groups(tally.gains, key))
        print(f"least over linear on average: {name}, {mean:+.2f} dB")
    gains = np.array([each.gain for each in tally.gains])
    print(verdict(gains.mean() >= 1, f"repaired sections 1 dB over linear on average: {gains.mean():+.2f} dB"))
    print(verdict(gains.min() >= -0.1, f"none more than 0.1 dB below linear: {gains.min():+.2f} dB"))


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path, nargs="?", help="sound volumes; default: simulated ones")
    parser.add_argument("--beds", nargs="+", default=[], help=f"all, or some of: {', '.join(BEDS)}")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seed", type=int, default=0, help="of the first round")
    parser.add_argument("--method", default="auto")
    parser.add_argument("--preset", default="fast")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--crop", type=int, help="centre of each volume, so many rows and columns; not of beds")
    parser.add_argument("--only", nargs="+", default=[], help="names of volumes")
    parser.add_argument("--detect", action="store_true", help="do not repair")
    given = parser.parse_args()
    print(machine())
    tally = Tally()
    chosen = [] if given.beds == ["all"] else given.beds
    for volume in beds(given.folder, given.only, chosen) if given.beds else volumes(given.folder, given.only):
        part = volume if given.crop is None or given.beds else cropped(volume, given.crop)
        look_at_sound(part, tally)
        for number in range(given.rounds):
            look(part, number, tally, given)
    report(tally)


def cropped(volume: Volume, size: int) -> Volume:
    """Return the centre of the sections of a volume."""
    first = [max(0, (each - size) // 2) for each in volume.voxels.shape[1:]]
    rows, columns = (slice(each, each + size) for each in first)
    return Volume(volume.name, np.ascontiguousarray(volume.voxels[:, rows, columns]))


if __name__ == "__main__":
    main()

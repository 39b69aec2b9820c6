"""What a model is, in words: for the terminal, the window and a model card."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..system.amounts import size_in_words
from .folder import RECIPE
from .library import Entry

_ABBREVIATIONS = ("psnr", "ssim")
_MANY = 8
"""Files of data beyond which only their number is said."""


def best_of(record: Mapping[str, Any]) -> Mapping[str, float] | None:
    """Return the scores of the look at the validation data whose weights were kept; None without validation."""
    looks = [each for each in record.get("validation") or () if isinstance(each, Mapping) and len(each) > 1]
    return max(looks, key=lambda each: list(each.values())[1], default=None)


def score_of(record: Mapping[str, Any]) -> str:
    """Return the score that decided, such as ``PSNR 31.2``, or a dash."""
    best = best_of(record)
    if best is None:
        return "-"
    name, value = next((name, value) for name, value in best.items() if name != "step")
    return f"{_named(name)} {value:.4g}"


def verdict(scores: Mapping[str, float]) -> str:
    """Say in words how the deciding score stands to its baseline: ``psnr`` to ``psnr_linear``."""
    names = [name for name in scores if name != "step"]
    if not names:
        return ""
    first = names[0]
    words = [f"{_named(first)} {scores[first]:.4g}"]
    for name in names[1:]:
        if name.startswith(f"{first}_"):
            gain, other = scores[first] - scores[name], name.removeprefix(f"{first}_")
            better = "above" if gain >= 0 else "worse than"
            words.append(f"{abs(gain):.2f} {'dB ' if first == 'psnr' else ''}{better} {other}")
        else:
            words.append(f"{_named(name)} {scores[name]:.4g}")
    return ", ".join(words)


def _named(score: str) -> str:
    first, *others = score.split("_")
    return " ".join([first.upper() if first in _ABBREVIATIONS else first, *others])


def describe(entry: Entry) -> list[tuple[str, str]]:
    """Return what a model is as (heading, text) pairs: method, data, scores, size, licence, history."""
    pairs = [("name", entry.name), ("folder", str(entry.folder)), ("state", entry.state)]
    if entry.about is None:
        return [*pairs, *([("problem", entry.problem)] if entry.problem else [])]
    record = entry.about.record
    pairs += [
        ("method", entry.about.method),
        ("network", _words({name: each for name, each in entry.about.config.items() if name != RECIPE})),
        *([("run", _words(recipe))] if isinstance(recipe := entry.about.config.get(RECIPE), dict) else []),
        ("data", _data(record)),
        ("scores", _scores(record)),
        ("size", size_in_words(entry.size)),
        ("licence", str(record.get("licence") or "not said")),
        ("history", _history(record)),
        ("weights", f"SHA-256 {entry.about.sha256}"),
    ]
    return pairs


def _words(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{name}={value}" for name, value in values.items())


def _data(record: Mapping[str, Any]) -> str:
    files = [str(each.get("file")) for each in record.get("data") or () if isinstance(each, Mapping)]
    names = list(dict.fromkeys(files))
    if not names:
        return "not said"
    return ", ".join(names) if len(names) <= _MANY else f"{len(names)} files, such as {', '.join(names[:3])}"


def _scores(record: Mapping[str, Any]) -> str:
    best = best_of(record)
    if best is None:
        return "none: nothing was held back for validation"
    return f"{verdict(best)} on held-back data, at step {best.get('step', 0):g}"


def _history(record: Mapping[str, Any]) -> str:
    losses: Sequence[float] = record.get("loss") or ()
    versions = record.get("versions") or {}
    planned = record.get("planned_steps")
    steps = f"{record.get('steps', '?')} steps" + (
        f" of {planned}: stopped" if planned and planned != record.get("steps") else ""
    )
    words = [steps, f"loss {losses[0]:.4g} to {losses[-1]:.4g}" if losses else ""]
    words += [f"{key.replace('_', ' ')} {record[key]}" for key in ("trained", "device", "source") if record.get(key)]
    words.append(", ".join(f"{name} {number}" for name, number in versions.items()))
    return "; ".join(word for word in words if word)


def card(entry: Entry, licence: str) -> str:
    """Return the README of a shared model: what it is, how good it was, how it is used."""
    pairs = [(name, text) for name, text in describe(entry) if name not in ("folder", "state", "licence")]
    rows = "\n".join(f"| {name} | {text.replace('|', ' ')} |" for name, text in [*pairs, ("licence", licence)])
    method = entry.about.method if entry.about else ""
    return (
        f"---\nlicense: {licence}\nlibrary_name: napari-depth-interp\ntags: [microscopy, {method}]\n---\n\n"
        f"# {entry.name}\n\nA model of the method `{method}` of napari-depth-interp, which fills in missing "
        "sections of volumes.\n\n| | |\n|---|---|\n"
        f"{rows}\n\nUse it: `depth-interp models import hf:OWNER/REPOSITORY@COMMIT --name {entry.name}`, then "
        f"`depth-interp run IN OUT --method {method} -p 'model={entry.name}'`.\n\n"
        "# Validation\n\nScores are of the data that was held back from the training; on other data it may be worse "
        "than linear interpolation. Check with `depth-interp evaluate`.\n"
    )

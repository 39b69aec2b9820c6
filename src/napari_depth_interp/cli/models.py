"""``depth-interp models``: the models on this machine, and those of others."""

from __future__ import annotations

import json as json_module
import sys
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from ..errors import RequestError
from ..models import card as model_card
from ..models import library
from ..models import names as model_names
from ..system.amounts import size_in_words
from .options import Debug, Json, Overwrite
from .output import print_json

app = typer.Typer(help="List, show, rename, remove, import, export and share trained models.")

Name = Annotated[str, typer.Argument(metavar="NAME", help="Name of a model.", show_default=False)]


@app.callback(invoke_without_command=True)
def _models(context: typer.Context, json: Json = False, debug: Debug = False) -> None:
    if context.invoked_subcommand is None:
        list_models(json=json, debug=debug)


@app.command("list")
def list_models(json: Json = False, debug: Debug = False) -> None:
    """List the models: name, method, score, size, state."""
    found = library.entries()
    if json:
        print_json({"folder": str(model_names.home()), "models": [_summary(each) for each in found]})
        return
    if not found:
        typer.echo(f"There are no models in {model_names.home()}; make one with depth-interp train ... --name NAME")
        return
    from rich.console import Console
    from rich.table import Table

    table = Table("model", "method", "score", "size", "state", box=None)
    for each in found:
        score = model_card.score_of(each.about.record) if each.about else "-"
        method = each.about.method if each.about else "-"
        table.add_row(each.name, method, score, size_in_words(each.size), each.state)
    Console(width=None if sys.stdout.isatty() else 120).print(table, highlight=False, markup=False)
    typer.echo(f"in {model_names.home()}; use one with -p model=NAME")


@app.command()
def show(name: Name, json: Json = False, debug: Debug = False) -> None:
    """Show a model: method, data, scores, size, licence, history; its weights are checked."""
    found = library.get(name)
    if found.about is not None:
        found = library.checked(name)
    if json:
        record = dict(found.about.record) if found.about else {}
        print_json(_finite(_summary(found) | {"record": record}))
        return
    for heading, text in model_card.describe(found):
        typer.echo(f"{heading + ':':<9} {text}")


@app.command()
def rename(
    old: Name,
    new: Annotated[str, typer.Argument(metavar="NEW_NAME", help="Its new name.", show_default=False)],
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Give a model a new name."""
    folder = library.rename(old, new)
    _done({"model": new, "folder": str(folder)}, f"{old} is called {new} now", json=json)


@app.command()
def remove(
    names: Annotated[list[str], typer.Argument(metavar="NAME...", help="Names of models.", show_default=False)],
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Delete models."""
    for name in names:
        library.get(name)  # all of them are there, or none is deleted
    for name in names:
        library.remove(name)
    _done({"removed": names}, f"removed {', '.join(names)}", json=json)


@app.command("import")
def import_model(
    source: Annotated[
        str,
        typer.Argument(
            metavar="FILE|DIR|hf:OWNER/REPOSITORY@COMMIT",
            help="An exported model, a model's folder, or one commit of a repository on the Hugging Face hub.",
            show_default=False,
        ),
    ],
    name: Annotated[str | None, typer.Option(help="Its name here. Default: that of the file or repository.")] = None,
    sha256: Annotated[
        str | None, typer.Option(metavar="HEX", help="SHA-256 that the weights must have, if you know it.")
    ] = None,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Import a model; it is checked first, and kept only if all of it is right."""
    from ..models import hub

    if hub.is_place(source):
        found = hub.import_model(hub.place_of(source), name, _say, sha256)
    else:
        found = library.import_model(Path(source), name, sha256)
    text = f"imported {found.name}"
    if found.about is not None:
        text += f", a model of {found.about.method}; use it with -p 'model={found.name}'"
    _done(_summary(found), text, json=json)


@app.command()
def export(
    name: Name,
    target: Annotated[
        str,
        typer.Argument(
            metavar="FILE|hf:OWNER/REPOSITORY", help="File to write, or repository to share it in.", show_default=False
        ),
    ],
    form: Annotated[
        Literal["zip", "bioimageio"],
        typer.Option("--format", help="zip: for this program. bioimageio: the network for the BioImage Model Zoo."),
    ] = "zip",
    licence: Annotated[str, typer.Option(help="Licence, such as CC-BY-4.0, if the model has none.")] = "",
    author: Annotated[str, typer.Option(help="Your name, for bioimageio.")] = "",
    private: Annotated[bool, typer.Option("--private", help="A new repository on the hub is private.")] = False,
    overwrite: Overwrite = False,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Write a model as one file, or share it on the Hugging Face hub."""
    from ..models import hub

    if hub.is_place(target):
        if form != "zip":
            raise RequestError("the hub takes the model as it is; leave --format out")
        place = hub.share(name, hub.place_of(target), licence, _say, private=private)
        _done({"model": name, "place": str(place)}, f"shared; others take it in from {place}", json=json)
        return
    if form == "bioimageio":
        from ..training.bioimageio import export_bioimageio

        path = export_bioimageio(name, Path(target), author=author, licence=licence, overwrite=overwrite)
    else:
        path = library.export(name, Path(target), overwrite=overwrite)
    _done({"model": name, "file": str(path), "format": form}, f"{path} holds {name}", json=json)


def _say(text: str) -> None:
    print(text, file=sys.stderr)


def _done(answer: dict[str, Any], text: str, *, json: bool) -> None:
    if json:
        print_json(answer)
    else:
        typer.echo(text)


def _summary(found: library.Entry) -> dict[str, Any]:
    about = found.about
    return {
        "name": found.name, "folder": str(found.folder), "state": found.state, "size": found.size,
        "method": about.method if about else None, "sha256": about.sha256 if about else None,
        "scores": dict(model_card.best_of(about.record) or {}) if about else {}, "problem": found.problem or None,
        "licence": about.record.get("licence") if about else None,
    }  # fmt: skip


def _finite(value: dict[str, Any]) -> dict[str, Any]:
    """Return what JSON can hold: a loss may have become not a number."""
    found: dict[str, Any] = json_module.loads(json_module.dumps(value), parse_constant=lambda _: None)
    return found

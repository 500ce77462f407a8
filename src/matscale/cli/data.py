"""``matscale data``: datasets, what is known of them, where they are."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from matscale.cli import data_particles
from matscale.cli.options import AsJson
from matscale.runtime.errors import UserError

data_app = typer.Typer(help="Datasets: list, describe, fetch and build.", no_args_is_help=True)
data_particles.register(data_app)
DatasetName = Annotated[str, typer.Argument(help="Name of a dataset, as in `matscale data list`.")]


@data_app.command("list")
def data_list(as_json: AsJson = False) -> None:
    """List the datasets that matscale knows."""
    from matscale import datasets
    from matscale.datasets.hub import describe_hub
    from matscale.datasets.hub_sets import HUB_SETS

    found = [*datasets.list_datasets(), *map(describe_hub, HUB_SETS)]
    if as_json:
        print(json.dumps(found, indent=1))
        return
    for item in found:
        sizes = ", ".join(f"{size} {split}" for split, size in item["splits"].items())
        title = f"{item['title']} ({sizes})" if sizes else item["title"]
        here = item["path"] or f"not on this machine: matscale data fetch {item['name']}"
        print(f"{item['name']:<18}{title}\n{'':<18}{here}")


@data_app.command("info")
def data_info(name: Annotated[str, typer.Argument()], as_json: AsJson = False) -> None:
    """Describe a dataset, or a folder of particles and any leakage in it."""
    from matscale import datasets
    from matscale.datasets.hub import describe_hub
    from matscale.datasets.hub_sets import HUB_SETS

    if Path(name, "particles.json").is_file():
        data_particles.show_particles(Path(name), as_json)
        return
    item = describe_hub(name) if name in HUB_SETS else datasets.describe(name)
    if as_json:
        print(json.dumps(item, indent=1))
        return
    for key, value in item.items():
        if not value:
            continue
        if key == "files":
            for file in value:
                print(f"{'file':<14}{file['name']}  sha256 {file['sha256'] or 'not known'}")
                for url in file["urls"]:
                    print(f"{'':<14}{url}")
        elif isinstance(value, dict):
            print(f"{key:<14}{', '.join(f'{name} {size}' for name, size in value.items())}")
        elif isinstance(value, list):
            print(f"{key:<14}" + f"\n{'':<14}".join(value))
        else:
            print(f"{key:<14}{value}")


@data_app.command("fetch")
def data_fetch(
    name: DatasetName,
    source: Annotated[
        str | None, typer.Option("--from", help="A local file or folder, or the URL of a mirror.")
    ] = None,
    pins: Annotated[
        list[str] | None,
        typer.Option("--sha256", help="FILE=HASH, to verify a file whose hash is not on record."),
    ] = None,
) -> None:
    """Download a dataset into the cache, or import it from a file; verify its hash."""
    from matscale import datasets
    from matscale.datasets.hub import fetch_hub
    from matscale.datasets.hub_sets import HUB_SETS

    if name in HUB_SETS:
        if pins:
            raise UserError(
                f"--sha256 is for datasets that are single files; {name} is a folder of many"
            )
        print(fetch_hub(name, source=source))
        return
    pinned = dict(_pin(text) for text in pins or [])
    print(datasets.fetch(name, source=source, pins=pinned or None))


def _pin(text: str) -> tuple[str, str]:
    file, equals, sha256 = text.partition("=")
    if not equals:
        raise UserError(f"--sha256 {text!r} is not of the form FILE=HASH")
    return file, sha256


@data_app.command("path")
def data_path(name: Annotated[str, typer.Argument()]) -> None:
    """Print where the files of a dataset are on this machine."""
    from matscale import datasets
    from matscale.datasets.hub import find_hub
    from matscale.datasets.hub_sets import HUB_SETS

    if name in HUB_SETS:
        print(find_hub(name))
        return
    for path in datasets.find(name):
        print(path)

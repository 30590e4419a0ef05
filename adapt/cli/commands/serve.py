"""The command that puts a model behind HTTP."""

import ipaddress
from importlib import import_module
from pathlib import Path
from typing import Annotated

import typer

from adapt.errors import MissingExtraError

NEEDS = ("starlette", "uvicorn", "python_multipart", "prometheus_client")
"""Packages of the extra `serve`."""


def serve(
    model: Annotated[Path, typer.Argument(help="The `model` folder of a run, or an export of it.")],
    settings: Annotated[
        list[str] | None,
        typer.Argument(
            help="Limits and batching, such as timeout=10 max_images=16; see docs/serve.md.",
            metavar="[NAME=NUMBER]...",
            show_default=False,
        ),
    ] = None,
    host: Annotated[str, typer.Option(help="Address; 0.0.0.0 for all of IPv4.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port; 0 for any that is free.")] = 8000,
    device: Annotated[
        str, typer.Option(help="auto (a GPU where there is one), cpu, cuda or mps.")
    ] = "auto",
    token_file: Annotated[
        Path | None,
        typer.Option(help="File with the token that clients send; or set $ADAPT_SERVE_TOKEN."),
    ] = None,
) -> None:
    """Serve a model over HTTP, with a page to try it. SIGTERM stops, SIGHUP loads it again."""
    from adapt.models.building.light import import_open_clip

    import_open_clip()
    from adapt.export.load import place_of

    _check_installed()
    from adapt.serve.access import read_token
    from adapt.serve.process import serve as serve_model
    from adapt.serve.settings import read_settings

    limits, token = read_settings(settings or []), read_token(token_file)
    place = place_of(device, model)

    def started(address: str, name: str) -> None:
        typer.echo(f"model {name} on {place}: {address}")
        if token is None and not _is_local(host):
            typer.echo(f"no token: whoever reaches {address} can use it", err=True)

    serve_model(model, (host, port), limits, token, place, started)
    typer.echo("stopped; every request that was taken has been answered")


def _check_installed() -> None:
    for module in NEEDS:
        try:
            import_module(module)
        except ImportError as error:
            raise MissingExtraError(
                f"serve - {module} is not installed - {error} - pip install 'adapt-clip[serve]'"
            ) from error


def _is_local(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"

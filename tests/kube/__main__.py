"""`python -m kube`: a Kubernetes of this machine's own for the end-to-end tests."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer

from kube import cluster, images
from kube.commands import FailedError, run
from kube.home import BINARIES, KUBECONFIG, LOGS, ROOT
from kube.network import address

KEPT = ROOT / ".kube-logs"
"""Where the logs of a failed run go."""

app = typer.Typer(help=__doc__, add_completion=False, pretty_exceptions_enable=False)
Count = Annotated[int, typer.Option("--machines", min=1, max=cluster.MOST, help="each in a zone")]


@app.command()
def up(machines: Count = 3) -> None:
    """Start a cluster that stays, and say how to use it."""
    _check()
    with cluster.alone():
        cluster.up(machines)
    print(f"export KUBECONFIG={KUBECONFIG} PATH={BINARIES}:$PATH")
    print(f"The Ingress listens on http://{address(0)}; `python -m kube down` removes it all.")


@app.command()
def down() -> None:
    """Remove the cluster, or what a killed run left of one."""
    with cluster.alone():
        cluster.down()


@app.command()
def reload(machines: Count = 3) -> None:
    """Build the project's images again, and give them to the machines of a cluster that is up."""
    archives = images.build()
    for machine in cluster.machines(machines):
        cluster.load(machine, archives)


@app.command("run", context_settings={"ignore_unknown_options": True})
def run_on_it(command: Annotated[list[str], typer.Argument()], machines: Count = 3) -> None:
    """Run a command on a cluster that is there for it, or on that of $KUBECONFIG."""
    if os.environ.get("KUBECONFIG"):
        raise typer.Exit(_on_theirs(command))
    _check()
    with cluster.alone():
        try:
            cluster.up(machines)
            code = _call(command, {**ours(), "APOMIXIS_KUBE_MACHINES": str(machines)})
            if code:
                _keep_logs()
        except FailedError:
            _keep_logs()
            raise
        finally:
            print("==> Removing the cluster", flush=True)
            cluster.down()
    raise typer.Exit(code)


def ours() -> dict[str, str]:
    """What tests are told about our cluster."""
    return {
        "KUBECONFIG": str(KUBECONFIG),
        "PATH": f"{BINARIES}:{os.environ['PATH']}",
        "INGRESS": f"http://{address(0)}",
        **_images(),
    }


def _images() -> dict[str, str]:
    return {
        "OPERATOR_IMAGE": images.OPERATOR,
        "NODE_IMAGE": images.NODE,
        "NEXT_NODE_IMAGE": images.NEXT,
    }


def _on_theirs(command: list[str]) -> int:
    """Images by docker, brought there by $LOAD_IMAGE, such as `kind load docker-image`."""
    load = os.environ.get("LOAD_IMAGE", "").split()
    if not load:
        raise typer.BadParameter('say how images get there: LOAD_IMAGE="kind load docker-image"')
    for image, recipe in ((images.OPERATOR, "operator"), (images.NODE, "node")):
        run("docker", "build", "-t", image, "-f", ROOT / f"Dockerfile.{recipe}", ROOT, seconds=1800)
    for name, image in images.ALSO_CALLED.items():
        run("docker", "tag", image, name)
    for image in (images.OPERATOR, images.NODE, *images.ALSO_CALLED):
        run(*load, image, seconds=600)
    return _call(command, _images())


def _call(command: list[str], told: dict[str, str]) -> int:
    environment = {**os.environ, **told, "APOMIXIS_REQUIRE_KUBE": "1"}
    return subprocess.run(command, env=environment, check=False).returncode


def _keep_logs() -> None:
    shutil.rmtree(KEPT, ignore_errors=True)
    if LOGS.exists():
        shutil.copytree(LOGS, KEPT, symlinks=True)
        print(f"The cluster's logs are in {Path(KEPT).name}/", flush=True)


def _check() -> None:
    if lacking := cluster.missing():
        typer.echo(
            f"This machine can't run Kubernetes for the tests; missing: {lacking}. "
            'Use a cluster of your own: KUBECONFIG=… LOAD_IMAGE="kind load docker-image" make e2e',
            err=True,
        )
        raise typer.Exit(int(os.environ.get("APOMIXIS_REQUIRE_KUBE") == "1"))


if __name__ == "__main__":
    try:
        app()
    except FailedError as failed:
        sys.exit(f"{failed}")

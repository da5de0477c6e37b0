"""The commands, put together; each says in its `--help` how it is used."""

from __future__ import annotations

from inspect import cleandoc

import typer

from apomixis_node.cli.configuration import configuration
from apomixis_node.cli.nginx import nginx, nginx_config
from apomixis_node.cli.node import node
from apomixis_node.cli.put import put
from apomixis_node.cli.scale import replace, scale
from apomixis_node.cli.status import status
from apomixis_node.cli.terminal import Commands
from apomixis_node.cli.up import up
from apomixis_node.cli.url import url
from apomixis_node.cli.verify import rebalance, verify

app = typer.Typer(
    cls=Commands,
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    help=cleandoc("""Post a picture to any node, show it at any size from every node.

    Three nodes on this machine, a picture, and its address at 300 pixels wide:

        apomixis up --nodes 3 --data ./images --sample

        apomixis put photo.jpg

        apomixis url 3f9c0a…e1 300w
    """),
)
for command in (up, put, url, status, scale, replace, verify, rebalance, node, nginx, nginx_config):
    app.command()(command)
app.command(hidden=True)(configuration)

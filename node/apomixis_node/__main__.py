"""`python -m apomixis_node` is the command `apomixis`."""

from apomixis_node.cli.main import app

if __name__ == "__main__":
    app(prog_name="apomixis")

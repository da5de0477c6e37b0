"""The command `apomixis`: a cluster on one machine, uploads, URLs, status, and a single node."""

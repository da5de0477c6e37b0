"""An image node: stores originals, replicates them, renders and serves every size of them."""

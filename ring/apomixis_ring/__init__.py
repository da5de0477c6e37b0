"""Where every image lives, and when a write or a read is certain. Pure: no I/O, no clock."""

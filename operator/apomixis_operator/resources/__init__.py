"""One pure builder for each child object: from the spec to a manifest."""

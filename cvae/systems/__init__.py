"""One folder a system, which `cvae.registry` finds by itself; none imports another's."""

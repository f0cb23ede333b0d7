"""Drawn pasture scenes in COCO's own format, for a machine with neither COCO nor a network."""

"""MS COCO's archives and captions."""

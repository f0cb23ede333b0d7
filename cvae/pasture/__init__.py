"""Judging pictures of drawn scenes."""

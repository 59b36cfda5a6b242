"""Pictures that an alert carries: read, checked, freed of what they tell beside the picture, and described."""

from __future__ import annotations

from kentongan.pictures.picture import LARGEST, MOST, Picture, digest_of, named_apart, read, unfit

__all__ = ["LARGEST", "MOST", "Picture", "digest_of", "named_apart", "read", "unfit"]

"""Maps of an image's semantic likelihood, as pictures: where it cost more bits than its model expected.

What is drawn is the coding-cost gap (NLL minus expected NLL, bits a sub-pixel) of each patch of the
semantic scale. That scale sees the centre crop of the resized view, so an overlay tints only
that part of the image, outlined; what lies outside was not looked at and keeps its colours. The
colour scale is the same for all images, so that maps can be compared.
"""

from cinemae.maps.files import write_maps
from cinemae.maps.patches import PatchMap, patch_map, reconstruction, tint, view
from cinemae.maps.pictures import overlay, side_by_side

__all__ = ["PatchMap", "overlay", "patch_map", "reconstruction", "side_by_side", "tint", "view", "write_maps"]

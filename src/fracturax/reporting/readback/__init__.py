"""Written forms read back by parsing of their own: what another program would see in them.

Nothing here uses the modules that write the forms, so that a wrong coordinate shows.
"""

from fracturax.reporting.readback.drawing import draw_marks
from fracturax.reporting.readback.files import read_back
from fracturax.reporting.readback.marks import Mark, Place, ReadBack
from fracturax.reporting.readback.planes import Plane, plane_of

__all__ = ["Mark", "Place", "Plane", "ReadBack", "draw_marks", "plane_of", "read_back"]

"""Vectors where the user has none: of items and users from what they did, of nodes from their links.

The semantic space, a backbone over a text column, needs nothing of its own: it is `embed` with ids.
"""

from frostline.spaces.behavioral import BehavioralSpace, behavioral_space
from frostline.spaces.graph import GraphSpace, graph_space

__all__ = ["BehavioralSpace", "GraphSpace", "behavioral_space", "graph_space"]

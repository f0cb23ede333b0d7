"""An encoder of photographs that comes along, and the network of photographs that it and the losses look through."""

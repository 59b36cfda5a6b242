"""`kentongan demo`: the whole main job against stand-ins, with faults on the way. Nobody is reached."""

"""Memory that is free again, given back to the system: a service runs for months, and its peaks are few.

The C library keeps what a thread has freed for that thread's next need. With every other thread that an alert or a
pruning runs in, more would be kept: 11 MB of 47 after three days of a hundred alerts, of which nothing was in use.
"""

from __future__ import annotations

import ctypes
import gc

_ARENA_MAX = -8
"""M_ARENA_MAX of malloc.h."""
_ARENAS = 2


def share_arenas() -> bool:
    """From here threads share what is free: no more than two arenas are made; False where it is not glibc.

    Where one is held for the moment another serves, and few of our threads run at once. Source: mallopt(3).
    """
    try:
        set_option = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError):
        return False
    set_option.argtypes, set_option.restype = (ctypes.c_int, ctypes.c_int), ctypes.c_int
    return bool(set_option(_ARENA_MAX, _ARENAS))


def give_back() -> bool:
    """Gives back every page that holds nothing; False where the C library cannot (it is not glibc) or had none.

    It takes some milliseconds, without Python's lock. Source: malloc_trim(3).
    """
    gc.collect()
    try:
        trim = ctypes.CDLL(None).malloc_trim
    except (AttributeError, OSError):
        return False
    trim.argtypes, trim.restype = (ctypes.c_size_t,), ctypes.c_int
    return bool(trim(0))

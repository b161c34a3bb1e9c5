"""
The few functions of libbpf that BCC's Python side does not offer, by ctypes.

libbpf.so.1 is what libbcc itself is linked with, so it is there whenever BCC is.
"""

import ctypes
import functools
import os
from ctypes import c_char_p, c_int, c_longlong, c_size_t, c_uint32, c_uint64, c_void_p

PROG_TYPE_TRACING = 26  # enum bpf_prog_type
TRACE_RAW_TP = 23  # enum bpf_attach_type
STATS_RUN_TIME = 0  # enum bpf_stats_type


class ProgLoadOpts(ctypes.Structure):
    """struct bpf_prog_load_opts (bpf.h of libbpf 1.0), as far as it is used; `sz` says how far."""

    _fields_ = (
        ("sz", c_size_t),
        ("attempts", c_int),
        ("expected_attach_type", c_int),
        ("prog_btf_fd", c_uint32),
        ("prog_flags", c_uint32),
        ("prog_ifindex", c_uint32),
        ("kern_version", c_uint32),
        ("attach_btf_id", c_uint32),
        ("attach_prog_fd", c_uint32),
        ("attach_btf_obj_fd", c_uint32),
        ("fd_array", c_void_p),
        ("func_info", c_void_p),
        ("func_info_cnt", c_uint32),
        ("func_info_rec_size", c_uint32),
        ("line_info", c_void_p),
        ("line_info_cnt", c_uint32),
        ("line_info_rec_size", c_uint32),
        ("log_level", c_uint32),
        ("log_size", c_uint32),
        ("log_buf", c_void_p),
    )


class MapCreateOpts(ctypes.Structure):
    """struct bpf_map_create_opts (bpf.h of libbpf 1.0), as far as it is used; `sz` says how far."""

    _fields_ = (
        ("sz", c_size_t),
        ("btf_fd", c_uint32),
        ("btf_key_type_id", c_uint32),
        ("btf_value_type_id", c_uint32),
        ("btf_vmlinux_value_type_id", c_uint32),
        ("inner_map_fd", c_uint32),
        ("map_flags", c_uint32),
        ("map_extra", c_uint64),
        ("numa_node", c_uint32),
        ("map_ifindex", c_uint32),
    )


class MapInfo(ctypes.Structure):
    """struct bpf_map_info (uapi/linux/bpf.h) up to the flags; the kernel fills in as much as is asked for."""

    _fields_ = (
        ("type", c_uint32),
        ("id", c_uint32),
        ("key_size", c_uint32),
        ("value_size", c_uint32),
        ("max_entries", c_uint32),
        ("map_flags", c_uint32),
    )


class ProgInfo(ctypes.Structure):
    """struct bpf_prog_info (uapi/linux/bpf.h) up to `recursion_misses`; the kernel fills in as much as is asked for."""

    _fields_ = (
        ("_before", ctypes.c_uint8 * 192),
        ("run_time_ns", c_uint64),
        ("run_cnt", c_uint64),
        ("recursion_misses", c_uint64),
    )


@functools.cache
def library() -> ctypes.CDLL:
    """
    libbpf, with the signatures of what is used here.

    :raises OSError: it is not installed.
    """
    lib = ctypes.CDLL("libbpf.so.1", use_errno=True)
    signatures: dict[str, tuple[object, tuple[object, ...]]] = {
        "btf__load_vmlinux_btf": (c_void_p, ()),
        "btf__free": (None, (c_void_p,)),
        "btf__find_by_name_kind": (c_int, (c_void_p, c_char_p, c_uint32)),
        "btf__type_by_id": (c_void_p, (c_void_p, c_uint32)),
        "btf__name_by_offset": (c_char_p, (c_void_p, c_uint32)),
        "btf__resolve_size": (c_longlong, (c_void_p, c_uint32)),
        "bpf_map_create": (c_int, (c_int, c_char_p, c_uint32, c_uint32, c_uint32, c_void_p)),
        "bpf_prog_load": (c_int, (c_int, c_char_p, c_char_p, c_void_p, c_size_t, c_void_p)),
        "bpf_raw_tracepoint_open": (c_int, (c_char_p, c_int)),
        "bpf_obj_get_info_by_fd": (c_int, (c_int, c_void_p, c_void_p)),
        "bpf_enable_stats": (c_int, (c_int,)),
        "bpf_map_lookup_elem": (c_int, (c_int, c_void_p, c_void_p)),
        "bpf_map_update_elem": (c_int, (c_int, c_void_p, c_void_p, c_uint64)),
        "bpf_map_update_batch": (c_int, (c_int, c_void_p, c_void_p, c_void_p, c_void_p)),
        "bpf_map_delete_elem": (c_int, (c_int, c_void_p)),
        "bpf_map_get_next_key": (c_int, (c_int, c_void_p, c_void_p)),
        "libbpf_num_possible_cpus": (c_int, ()),
        "libbpf_set_print": (c_void_p, (c_void_p,)),
    }
    for name, (result, arguments) in signatures.items():
        function = getattr(lib, name)
        function.restype, function.argtypes = result, arguments
    lib.libbpf_set_print(None)  # errors come back as values; nothing is printed
    return lib


def check(result: int, what: str) -> int:
    """
    A libbpf result, which is negative on error with errno set.

    :raises OSError: with the errno, and `what` failed.
    """
    if result < 0:
        number = ctypes.get_errno() or -result
        raise OSError(number, f"{what}: {os.strerror(number)}")
    return result

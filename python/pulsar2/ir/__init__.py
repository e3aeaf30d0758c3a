"""Text of the IR, in and out, and its verification."""

from pulsar2.ir.text import ParsedModule, parse_module, print_module, save_module, weight_keys
from pulsar2.ir.verify import VerifyError, verify_locations, verify_module

__all__ = [
    "ParsedModule",
    "VerifyError",
    "parse_module",
    "print_module",
    "save_module",
    "verify_locations",
    "verify_module",
    "weight_keys",
]

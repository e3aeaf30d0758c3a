"""Names of the ImageNet classes that the evaluation's photographs show or are taken for."""

from __future__ import annotations

_NAMES = {
    22: "bald eagle", 99: "goose", 129: "spoonbill", 243: "bull mastiff", 251: "dalmatian",
    302: "ground beetle", 305: "dung beetle", 317: "leafhopper", 436: "beach wagon",
    438: "beaker", 455: "bottlecap", 471: "cannon", 511: "convertible", 541: "drum",
    559: "folding chair", 609: "jeep", 630: "loafer", 741: "prayer rug", 853: "thatch",
    915: "yurt", 949: "strawberry", 990: "buckeye",
}  # fmt: skip


def class_name(label: int) -> str:
    """``949 strawberry``; the number alone for a class that is not listed."""
    return f"{label} {_NAMES[label]}" if label in _NAMES else str(label)

"""`onnx.Custom`: an operator of a domain other than ONNX's default one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from xdsl.dialects.builtin import DictionaryAttr, IntegerAttr, LocationAttr, StringAttr
from xdsl.ir import Attribute, Region, SSAValue
from xdsl.utils.exceptions import VerifyException

from pulsar2.dialects.onnx.attributes import from_attribute, kind_of
from pulsar2.dialects.onnx.op import OnnxOp


class Custom(OnnxOp):
    """An operator that ONNX's default domain does not have.

    ```
    %y = onnx.Custom(%x) {attrs = {}, domain = "com.microsoft", function = "Gelu",
         version = 1 : i64} : (tensor<4xf32>) -> tensor<4xf32>
    ```

    `function` is its ONNX op type, `attrs` are its attributes, `version` is the domain's opset
    version. `region_names`, when there are regions, names the graph attributes that they are.
    """

    name = "onnx.Custom"

    def __init__(
        self,
        domain: str,
        function: str,
        version: int,
        operands: Sequence[SSAValue],
        result_types: Sequence[Attribute],
        attributes: Mapping[str, Attribute],
        *,
        regions: Sequence[Region] = (),
        region_names: Sequence[str] = (),
        location: LocationAttr | None = None,
    ):
        super().__init__(
            operands,
            result_types,
            {
                "domain": domain,
                "function": function,
                "version": version,
                "attrs": DictionaryAttr(dict(attributes)),
                "region_names": tuple(region_names) if region_names else None,
            },
            regions=regions,
            location=location,
        )

    @property
    def domain(self) -> str:
        return from_attribute(self.attributes["domain"])

    @property
    def function(self) -> str:
        return from_attribute(self.attributes["function"])

    @property
    def version(self) -> int:
        return from_attribute(self.attributes["version"])

    @property
    def custom_attributes(self) -> Mapping[str, Attribute]:
        attrs = self.attributes["attrs"]
        assert isinstance(attrs, DictionaryAttr)
        return attrs.data

    @property
    def region_names(self) -> tuple[str, ...]:
        names: Any = self.value_of("region_names")
        return names or ()

    def verify_structure(self) -> None:
        for name, wanted in (
            ("domain", StringAttr),
            ("function", StringAttr),
            ("version", IntegerAttr),
            ("attrs", DictionaryAttr),
        ):
            if not isinstance(self.attributes.get(name), wanted):
                raise VerifyException(f"onnx.Custom needs the attribute '{name}'")
        if not self.domain or self.domain == "ai.onnx":
            raise VerifyException("onnx.Custom is for domains other than ONNX's default one")
        for name, attribute in self.custom_attributes.items():
            if kind_of(attribute) is None:
                raise VerifyException(f"onnx.Custom: '{name}' has no form in ONNX: {attribute}")
        if len(self.region_names) != len(self.regions):
            raise VerifyException("onnx.Custom names each of its regions in 'region_names'")

// RUN: ax-opt -p 'quant-place-operators{target=AX650}' %s | filecheck %s

// Of a large table few rows are wanted: the NPU would have to load it whole.
// CHECK-LABEL: @table
// CHECK: onnx.Gather({{.*}}) {quant.cpu = {kind = "shape", message = "the table [30522, 384] does not fit into the 3,145,728 bytes of OCM of AX650"}}
func.func @table(%ids: tensor<8xi64>) -> tensor<8x384xf32> {
  %t = onnx.Constant {value = #ax.weight<"00000000000000000000000000000000", tensor<30522x384xf32>>} : tensor<30522x384xf32>
  %y = onnx.Gather(%t, %ids) : (tensor<30522x384xf32>, tensor<8xi64>) -> tensor<8x384xf32>
  func.return %y : tensor<8x384xf32>
}

// RUN: ax-opt %s | ax-opt | filecheck %s

// CHECK-LABEL: @domain
// CHECK-NEXT: onnx.SpatialTransformer(%x, %t) {align_corners = 1 : i64, interpolation = "nearest", output_size = array<i64: 8, 4>} : (tensor<1x3x16x16xf32>, tensor<1x2x3xf32>) -> tensor<1x3x8x4xf32>
// CHECK-NEXT: onnx.Bevpool(%d, %f, %p, %p, %p) {bev_size = array<i64: 1, 2, 8, 8>}
// CHECK-NEXT: onnx.InverseSigmoid(%x) {eps = {{.*}} : f32}
func.func @domain(%x: tensor<1x3x16x16xf32>, %t: tensor<1x2x3xf32>, %d: tensor<1x4x2x2xf32>, %f: tensor<1x2x2x3xf32>, %p: tensor<9xi64>) {
  %0 = onnx.SpatialTransformer(%x, %t) {align_corners = 1 : i64, interpolation = "nearest", output_size = array<i64: 8, 4>} : (tensor<1x3x16x16xf32>, tensor<1x2x3xf32>) -> tensor<1x3x8x4xf32>
  %1 = onnx.Bevpool(%d, %f, %p, %p, %p) {bev_size = array<i64: 1, 2, 8, 8>} : (tensor<1x4x2x2xf32>, tensor<1x2x2x3xf32>, tensor<9xi64>, tensor<9xi64>, tensor<9xi64>) -> tensor<1x3x2x8x8xf32>
  %2 = onnx.InverseSigmoid(%x) {eps = 1.0e-03 : f32} : (tensor<1x3x16x16xf32>) -> tensor<1x3x16x16xf32>
  func.return
}

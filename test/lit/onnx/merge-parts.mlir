// RUN: ax-opt -p onnx-merge-parts --split-input-file %s | filecheck %s

// CHECK-LABEL: @main
func.func @main(%x: tensor<8xf32>) -> (tensor<2xf32>, tensor<3xf32>, tensor<8xf32>) {
  %zero = onnx.Constant {value = dense<[0]> : tensor<1xi64>} : tensor<1xi64>
  %one = onnx.Constant {value = dense<[1]> : tensor<1xi64>} : tensor<1xi64>
  %two = onnx.Constant {value = dense<[2]> : tensor<1xi64>} : tensor<1xi64>
  %five = onnx.Constant {value = dense<[5]> : tensor<1xi64>} : tensor<1xi64>
  %nine = onnx.Constant {value = dense<[9]> : tensor<1xi64>} : tensor<1xi64>
  %sizes = onnx.Constant {value = dense<[5, 3]> : tensor<2xi64>} : tensor<2xi64>
  // Every second one from 1 on, of what is there from 2 on: 3, 5.
  // CHECK: [[B:%\w+]] = onnx.Constant {value = dense<3> : tensor<1xi64>}
  // CHECK-NEXT: [[E:%\w+]] = onnx.Constant {value = dense<6> : tensor<1xi64>}
  // CHECK: [[A:%\w+]] = onnx.Slice(%x, [[B]], [[E]], {{.*}}) : {{.*}} -> tensor<2xf32>
  %a = onnx.Slice(%x, %two, %nine) : (tensor<8xf32>, tensor<1xi64>, tensor<1xi64>) -> tensor<6xf32>
  %b = onnx.Slice(%a, %one, %five, %zero, %two) : (tensor<6xf32>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>) -> tensor<2xf32>
  // CHECK: [[S:%\w+]] = onnx.Slice(%x, {{.*}}) : {{.*}} -> tensor<3xf32>
  %c, %d = onnx.Split(%x, %sizes) {axis = 0 : i64} : (tensor<8xf32>, tensor<2xi64>) -> (tensor<5xf32>, tensor<3xf32>)
  %e, %f = onnx.Split(%x, %sizes) {axis = 0 : i64} : (tensor<8xf32>, tensor<2xi64>) -> (tensor<5xf32>, tensor<3xf32>)
  %g = onnx.Concat(%e, %f) {axis = 0 : i64} : (tensor<5xf32>, tensor<3xf32>) -> tensor<8xf32>
  // CHECK: func.return [[A]], [[S]], %x
  func.return %b, %d, %g : tensor<2xf32>, tensor<3xf32>, tensor<8xf32>
}

// -----

// A Slice that others use, backwards, parts of different tensors.
// CHECK-LABEL: @main
func.func @main(%x: tensor<8xf32>, %y: tensor<8xf32>) -> (tensor<6xf32>, tensor<4xf32>, tensor<6xf32>, tensor<8xf32>, tensor<8xf32>) {
  %zero = onnx.Constant {value = dense<[0]> : tensor<1xi64>} : tensor<1xi64>
  %back = onnx.Constant {value = dense<[-1]> : tensor<1xi64>} : tensor<1xi64>
  %two = onnx.Constant {value = dense<[2]> : tensor<1xi64>} : tensor<1xi64>
  %far = onnx.Constant {value = dense<[-9]> : tensor<1xi64>} : tensor<1xi64>
  %nine = onnx.Constant {value = dense<[9]> : tensor<1xi64>} : tensor<1xi64>
  // CHECK: [[A:%\w+]] = onnx.Slice(%x
  // CHECK-NEXT: onnx.Slice([[A]]
  %a = onnx.Slice(%x, %two, %nine) : (tensor<8xf32>, tensor<1xi64>, tensor<1xi64>) -> tensor<6xf32>
  %b = onnx.Slice(%a, %two, %nine) : (tensor<6xf32>, tensor<1xi64>, tensor<1xi64>) -> tensor<4xf32>
  // CHECK-NEXT: [[C:%\w+]] = onnx.Slice(%y
  // CHECK-NEXT: onnx.Slice([[C]]
  %c = onnx.Slice(%y, %two, %nine) : (tensor<8xf32>, tensor<1xi64>, tensor<1xi64>) -> tensor<6xf32>
  %d = onnx.Slice(%c, %back, %far, %zero, %back) : (tensor<6xf32>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>) -> tensor<6xf32>
  // CHECK-NEXT: onnx.Split
  %e, %f = onnx.Split(%x) {axis = 0 : i64, num_outputs = 2 : i64} : (tensor<8xf32>) -> (tensor<4xf32>, tensor<4xf32>)
  // CHECK-NEXT: onnx.Split
  %g, %h = onnx.Split(%y) {axis = 0 : i64, num_outputs = 2 : i64} : (tensor<8xf32>) -> (tensor<4xf32>, tensor<4xf32>)
  // CHECK-NEXT: onnx.Concat
  // CHECK-NEXT: onnx.Concat
  %i = onnx.Concat(%h, %e) {axis = 0 : i64} : (tensor<4xf32>, tensor<4xf32>) -> tensor<8xf32>
  %j = onnx.Concat(%g, %f) {axis = 0 : i64} : (tensor<4xf32>, tensor<4xf32>) -> tensor<8xf32>
  func.return %a, %b, %d, %i, %j : tensor<6xf32>, tensor<4xf32>, tensor<6xf32>, tensor<8xf32>, tensor<8xf32>
}

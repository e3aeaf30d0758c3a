// RUN: ax-opt %s | ax-opt | filecheck %s

// CHECK-LABEL: func.func @integers
func.func @integers(%a: tensor<2x3xi32>, %b: tensor<3xi32>, %c: tensor<2x1xi1>, %x: tensor<2x3x!quant.uniform<u8:f32, 0.5:3>>, %l: tensor<4xi64>) {
  // CHECK: quant.compare greater_or_equal %x, %x : (tensor<{{.*}}>, tensor<{{.*}}>) -> tensor<2x3xi1>
  %0 = quant.compare greater_or_equal %x, %x : (tensor<2x3x!quant.uniform<u8:f32, 0.5:3>>, tensor<2x3x!quant.uniform<u8:f32, 0.5:3>>) -> tensor<2x3xi1>
  // CHECK-NEXT: quant.integer add %a, %b : (tensor<2x3xi32>, tensor<3xi32>) -> tensor<2x3xi32>
  %1 = quant.integer add %a, %b : (tensor<2x3xi32>, tensor<3xi32>) -> tensor<2x3xi32>
  // CHECK-NEXT: quant.integer less %a, %b : (tensor<2x3xi32>, tensor<3xi32>) -> tensor<2x3xi1>
  %2 = quant.integer less %a, %b : (tensor<2x3xi32>, tensor<3xi32>) -> tensor<2x3xi1>
  // CHECK-NEXT: quant.integer xor %c, %2 : (tensor<2x1xi1>, tensor<2x3xi1>) -> tensor<2x3xi1>
  %3 = quant.integer xor %c, %2 : (tensor<2x1xi1>, tensor<2x3xi1>) -> tensor<2x3xi1>
  // CHECK-NEXT: quant.where %c, %a, %b : (tensor<2x1xi1>, tensor<2x3xi32>, tensor<3xi32>) -> tensor<2x3xi32>
  %4 = quant.where %c, %a, %b : (tensor<2x1xi1>, tensor<2x3xi32>, tensor<3xi32>) -> tensor<2x3xi32>
  // CHECK-NEXT: quant.cast %l saturate : tensor<4xi64> -> tensor<4xi32>
  %5 = quant.cast %l saturate : tensor<4xi64> -> tensor<4xi32>
  // CHECK-NEXT: quant.cast %x : tensor<{{.*}}> -> tensor<2x3xi32>
  %6 = quant.cast %x : tensor<2x3x!quant.uniform<u8:f32, 0.5:3>> -> tensor<2x3xi32>
  // CHECK-NEXT: quant.expand %c : tensor<2x1xi1> -> tensor<4x2x3xi1>
  %7 = quant.expand %c : tensor<2x1xi1> -> tensor<4x2x3xi1>
  func.return
}

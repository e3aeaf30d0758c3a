// RUN: ax-opt %s | ax-opt | filecheck %s

// CHECK-LABEL: func.func @places
func.func @places(%x: tensor<4x9xf32>, %i: tensor<4x2xi32>, %u: tensor<4x2xf32>, %q: tensor<4x9x!quant.uniform<u8:f32, 0.5:3>>) {
  // CHECK: quant.gather %x at %i axis 1 : (tensor<4x9xf32>, tensor<4x2xi32>) -> tensor<4x4x2xf32>
  %0 = quant.gather %x at %i axis 1 : (tensor<4x9xf32>, tensor<4x2xi32>) -> tensor<4x4x2xf32>
  // CHECK-NEXT: quant.gather_elements %x at %i axis 1 : (tensor<4x9xf32>, tensor<4x2xi32>) -> tensor<4x2xf32>
  %1 = quant.gather_elements %x at %i axis 1 : (tensor<4x9xf32>, tensor<4x2xi32>) -> tensor<4x2xf32>
  // CHECK-NEXT: quant.scatter_elements add %x at %i with %u axis 1 : (tensor<4x9xf32>, tensor<4x2xi32>, tensor<4x2xf32>) -> tensor<4x9xf32>
  %2 = quant.scatter_elements add %x at %i with %u axis 1 : (tensor<4x9xf32>, tensor<4x2xi32>, tensor<4x2xf32>) -> tensor<4x9xf32>
  // CHECK-NEXT: quant.arg %q axis 0 : tensor<{{.*}}> -> tensor<1x9xi32>
  %3 = quant.arg %q axis 0 : tensor<4x9x!quant.uniform<u8:f32, 0.5:3>> -> tensor<1x9xi32>
  // CHECK-NEXT: quant.top_k %q axis 1 largest : tensor<{{.*}}> -> tensor<4x3xi32>
  %4 = quant.top_k %q axis 1 largest : tensor<4x9x!quant.uniform<u8:f32, 0.5:3>> -> tensor<4x3xi32>
  func.return
}

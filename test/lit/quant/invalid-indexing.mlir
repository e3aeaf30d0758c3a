// RUN: ax-opt %s --split-input-file --verify-diagnostics

func.func @f(%x: tensor<4x9xf32>, %i: tensor<2xi64>) {
  // expected-error@+1 {{indices are of i32, got i64}}
  %0 = quant.gather %x at %i axis 1 : (tensor<4x9xf32>, tensor<2xi64>) -> tensor<4x2xf32>
  func.return
}

// -----

func.func @f(%x: tensor<4x9xf32>, %i: tensor<2xi32>) {
  // expected-error@+1 {{axis 2 is outside 0 to 1}}
  %0 = quant.gather %x at %i axis 2 : (tensor<4x9xf32>, tensor<2xi32>) -> tensor<4x2xf32>
  func.return
}

// -----

func.func @f(%x: tensor<4x9xf32>, %i: tensor<5x2xi32>) {
  // expected-error@+1 {{the indices are no more than the elements of x}}
  %0 = quant.gather_elements %x at %i axis 1 : (tensor<4x9xf32>, tensor<5x2xi32>) -> tensor<5x2xf32>
  func.return
}

// -----

func.func @f(%x: tensor<4x9xf32>, %i: tensor<5x2xi32>, %u: tensor<5x2xf32>) {
  // expected-error@+1 {{the updates are no more than the elements of x}}
  %0 = quant.scatter_elements none %x at %i with %u axis 1 : (tensor<4x9xf32>, tensor<5x2xi32>, tensor<5x2xf32>) -> tensor<4x9xf32>
  func.return
}

// -----

func.func @f(%x: tensor<4x!quant.uniform<u8:f32, 0.5:3>>, %i: tensor<2xi32>, %u: tensor<2x!quant.uniform<u8:f32, 0.5:3>>) {
  // expected-error@+1 {{sums and products are of f32 or plain integers}}
  %0 = quant.scatter_elements mul %x at %i with %u axis 0 : (tensor<4x!quant.uniform<u8:f32, 0.5:3>>, tensor<2xi32>, tensor<2x!quant.uniform<u8:f32, 0.5:3>>) -> tensor<4x!quant.uniform<u8:f32, 0.5:3>>
  func.return
}

// -----

func.func @f(%x: tensor<4x9xf32>) {
  // expected-error@+1 {{the result has 1 to 1 places along the axis}}
  %0 = quant.arg %x axis 1 largest : tensor<4x9xf32> -> tensor<4x2xi32>
  func.return
}

// -----

func.func @f(%x: tensor<4x9xf32>) {
  // expected-error@+1 {{the result has 1 to 9 places along the axis}}
  %0 = quant.top_k %x axis 1 : tensor<4x9xf32> -> tensor<4x10xi32>
  func.return
}

// -----

func.func @f(%x: tensor<4x9xi64>) {
  // expected-error@+1 {{i64 is no type of numbers}}
  %0 = quant.top_k %x axis 1 : tensor<4x9xi64> -> tensor<4x3xi32>
  func.return
}

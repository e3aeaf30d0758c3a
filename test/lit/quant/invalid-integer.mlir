// RUN: ax-opt --split-input-file --verify-diagnostics %s

func.func @f(%a: tensor<3xf32>) {
  // expected-error@+1 {{the result is of i1, got i32}}
  %0 = quant.compare less %a, %a : (tensor<3xf32>, tensor<3xf32>) -> tensor<3xi32>
  func.return
}

// -----

func.func @f(%a: tensor<3xi32>) {
  // expected-error@+1 {{a is f32 or quantized per tensor, got elements of i32}}
  %0 = quant.compare less %a, %a : (tensor<3xi32>, tensor<3xi32>) -> tensor<3xi1>
  func.return
}

// -----

func.func @f(%a: tensor<3xi32>, %b: tensor<3xi16>) {
  // expected-error@+1 {{a and b have one type, got i32 and i16}}
  %0 = quant.integer add %a, %b : (tensor<3xi32>, tensor<3xi16>) -> tensor<3xi32>
  func.return
}

// -----

func.func @f(%a: tensor<3xi64>) {
  // expected-error@+1 {{a has plain integers of at most 32 bits, got i64}}
  %0 = quant.integer add %a, %a : (tensor<3xi64>, tensor<3xi64>) -> tensor<3xi64>
  func.return
}

// -----

func.func @f(%a: tensor<3xi32>) {
  // expected-error@+1 {{the result is of i1, got i32}}
  %0 = quant.integer equal %a, %a : (tensor<3xi32>, tensor<3xi32>) -> tensor<3xi32>
  func.return
}

// -----

func.func @f(%a: tensor<3xi32>, %b: tensor<2xi32>) {
  // expected-error@+1 {{shapes [3] and [2] do not broadcast}}
  %0 = quant.integer add %a, %b : (tensor<3xi32>, tensor<2xi32>) -> tensor<3xi32>
  func.return
}

// -----

func.func @f(%a: tensor<3xi32>) {
  // expected-error@+1 {{the condition is of i1, got i32}}
  %0 = quant.where %a, %a, %a : (tensor<3xi32>, tensor<3xi32>, tensor<3xi32>) -> tensor<3xi32>
  func.return
}

// -----

func.func @f(%c: tensor<3xi1>, %a: tensor<3xi32>) {
  // expected-error@+1 {{a has elements of i32 and the result of i16}}
  %0 = quant.where %c, %a, %a : (tensor<3xi1>, tensor<3xi32>, tensor<3xi32>) -> tensor<3xi16>
  func.return
}

// -----

func.func @f(%a: tensor<3xf32>) {
  // expected-error@+1 {{f32 and f32 are both of real numbers}}
  %0 = quant.cast %a : tensor<3xf32> -> tensor<3xf32>
  func.return
}

// -----

func.func @f(%a: tensor<3xf64>) {
  // expected-error@+1 {{f64 is no type of numbers}}
  %0 = quant.cast %a : tensor<3xf64> -> tensor<3xi32>
  func.return
}

// -----

func.func @f(%a: tensor<3xi32>) {
  // expected-error@+1 {{the result has shape [2, 1], expected [2, 3]}}
  %0 = quant.expand %a : tensor<3xi32> -> tensor<2x1xi32>
  func.return
}

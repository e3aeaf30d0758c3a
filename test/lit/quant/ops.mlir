// RUN: ax-opt %s | ax-opt | filecheck %s

// CHECK-LABEL: func.func @types
// CHECK-SAME: tensor<4x!quant.uniform<u4:f32, 0.5:3>>
// CHECK-SAME: tensor<4x!quant.uniform<i16:f32, 1.0e-20:-7>>
// CHECK-SAME: tensor<2x4x!quant.uniform<i8:f32:0, {0.1, 0.2:3}>>
// CHECK-SAME: tensor<96x!quant.uniform<i8:f32:0, #ax.weight<"000102030405060708090a0b0c0d0e0f", tensor<96xf32>>>>
// CHECK-SAME: tensor<96x!quant.uniform<u8:f32:0, #ax.weight<"000102030405060708090a0b0c0d0e0f", tensor<96xf32>> : #ax.weight<"100102030405060708090a0b0c0d0e0f", tensor<96xi32>>>>
func.func @types(%a: tensor<4x!quant.uniform<u4:f32, 0.5:3>>, %b: tensor<4x!quant.uniform<i16:f32, 1.0e-20:-7>>,
    %c: tensor<2x4x!quant.uniform<i8:f32:0, {0.1, 0.2:3}>>,
    %d: tensor<96x!quant.uniform<i8:f32:0, #ax.weight<"000102030405060708090a0b0c0d0e0f", tensor<96xf32>>>>,
    %e: tensor<96x!quant.uniform<u8:f32:0, #ax.weight<"000102030405060708090a0b0c0d0e0f", tensor<96xf32>> : #ax.weight<"100102030405060708090a0b0c0d0e0f", tensor<96xi32>>>>) {
  func.return
}

// CHECK-LABEL: func.func @casts
func.func @casts(%x: tensor<4xf32>) -> tensor<4xf32> {
  // CHECK: [[Q:%\w+]] = quant.qcast %x : tensor<4xf32> -> tensor<4x!quant.uniform<u8:f32, 0.1:128>>
  %0 = quant.qcast %x : tensor<4xf32> -> tensor<4x!quant.uniform<u8:f32, 0.1:128>>
  // CHECK-NEXT: [[R:%\w+]] = quant.requantize [[Q]] : tensor<4x!quant.uniform<u8:f32, 0.1:128>> -> tensor<4x!quant.uniform<i16:f32, 0.001>>
  %1 = quant.requantize %0 : tensor<4x!quant.uniform<u8:f32, 0.1:128>> -> tensor<4x!quant.uniform<i16:f32, 0.001>>
  // CHECK-NEXT: quant.dcast [[R]] : tensor<4x!quant.uniform<i16:f32, 0.001>> -> tensor<4xf32>
  %2 = quant.dcast %1 : tensor<4x!quant.uniform<i16:f32, 0.001>> -> tensor<4xf32>
  func.return %2 : tensor<4xf32>
}

// CHECK-LABEL: func.func @contractions
func.func @contractions(%x: tensor<1x2x4x4x!quant.uniform<u8:f32, 0.5:3>>, %a: tensor<2x3x!quant.uniform<u8:f32, 0.5:3>>, %f: tensor<2x3xf32>) {
  // CHECK: [[W:%\w+]] = quant.constant dense<{{.*}}> : tensor<2x2x1x1xi8> : tensor<2x2x1x1x!quant.uniform<i8:f32:0, {0.1, 0.2}>>
  %w = quant.constant dense<[[[[1]], [[-1]]], [[[2]], [[-2]]]]> : tensor<2x2x1x1xi8> : tensor<2x2x1x1x!quant.uniform<i8:f32:0, {0.1, 0.2}>>
  // CHECK: [[B:%\w+]] = quant.constant dense<[1, 2]> : tensor<2xi32> : tensor<2x!quant.uniform<i32:f32:0, {0.05, 0.1}>>
  %b = quant.constant dense<[1, 2]> : tensor<2xi32> : tensor<2x!quant.uniform<i32:f32:0, {0.05, 0.1}>>
  // CHECK-NEXT: quant.conv %x, [[W]], [[B]] strides [2, 1] pads [0, 0, 1, 0] dilations [1, 1] group 1 clamp [3, 200] : (tensor<{{.*}}>) -> tensor<1x2x3x4x!quant.uniform<u8:f32, 0.25:3>>
  %0 = quant.conv %x, %w, %b strides [2, 1] pads [0, 0, 1, 0] dilations [1, 1] group 1 clamp [3, 200] : (tensor<1x2x4x4x!quant.uniform<u8:f32, 0.5:3>>, tensor<2x2x1x1x!quant.uniform<i8:f32:0, {0.1, 0.2}>>, tensor<2x!quant.uniform<i32:f32:0, {0.05, 0.1}>>) -> tensor<1x2x3x4x!quant.uniform<u8:f32, 0.25:3>>
  // CHECK-NEXT: quant.conv %x, [[W]] strides [1, 1] pads [0, 0, 0, 0] dilations [1, 1] group 1 : ({{.*}}) -> tensor<1x2x4x4xf32>
  %1 = quant.conv %x, %w strides [1, 1] pads [0, 0, 0, 0] dilations [1, 1] group 1 : (tensor<1x2x4x4x!quant.uniform<u8:f32, 0.5:3>>, tensor<2x2x1x1x!quant.uniform<i8:f32:0, {0.1, 0.2}>>) -> tensor<1x2x4x4xf32>
  %v = quant.constant dense<[[1, 2], [3, 4], [5, 6]]> : tensor<3x2xi8> : tensor<3x2x!quant.uniform<i8:f32:1, {0.1, 0.2}>>
  // CHECK: quant.matmul %a, {{%\w+}}, [[B]] clamp [0, 9] : ({{.*}}) -> tensor<2x2x!quant.uniform<u8:f32, 0.25:3>>
  %2 = quant.matmul %a, %v, %b clamp [0, 9] : (tensor<2x3x!quant.uniform<u8:f32, 0.5:3>>, tensor<3x2x!quant.uniform<i8:f32:1, {0.1, 0.2}>>, tensor<2x!quant.uniform<i32:f32:0, {0.05, 0.1}>>) -> tensor<2x2x!quant.uniform<u8:f32, 0.25:3>>
  %g = quant.constant dense<1.0> : tensor<3x2xf32> : tensor<3x2xf32>
  // CHECK: quant.matmul %f, {{%\w+}} : (tensor<2x3xf32>, tensor<3x2xf32>) -> tensor<2x2xf32>
  %3 = quant.matmul %f, %g : (tensor<2x3xf32>, tensor<3x2xf32>) -> tensor<2x2xf32>
  func.return
}

// CHECK-LABEL: func.func @elementwise
func.func @elementwise(%x: tensor<1x4x!quant.uniform<u8:f32, 0.5:3>>, %y: tensor<2x1x!quant.uniform<u8:f32, 0.5:3>>) {
  // CHECK: quant.add %x, %y clamp [3, 255] : ({{.*}}) -> tensor<2x4x!quant.uniform<u8:f32, 1.0:3>>
  // CHECK-NEXT: quant.sub
  // CHECK-NEXT: quant.mul
  // CHECK-NEXT: quant.div
  // CHECK-NEXT: quant.min
  // CHECK-NEXT: quant.max
  %0 = quant.add %x, %y clamp [3, 255] : (tensor<1x4x!quant.uniform<u8:f32, 0.5:3>>, tensor<2x1x!quant.uniform<u8:f32, 0.5:3>>) -> tensor<2x4x!quant.uniform<u8:f32, 1.0:3>>
  %1 = quant.sub %x, %y : (tensor<1x4x!quant.uniform<u8:f32, 0.5:3>>, tensor<2x1x!quant.uniform<u8:f32, 0.5:3>>) -> tensor<2x4xf32>
  %2 = quant.mul %x, %1 : (tensor<1x4x!quant.uniform<u8:f32, 0.5:3>>, tensor<2x4xf32>) -> tensor<2x4xf32>
  %3 = quant.div %x, %1 : (tensor<1x4x!quant.uniform<u8:f32, 0.5:3>>, tensor<2x4xf32>) -> tensor<2x4xf32>
  %4 = quant.min %x, %1 : (tensor<1x4x!quant.uniform<u8:f32, 0.5:3>>, tensor<2x4xf32>) -> tensor<2x4xf32>
  %5 = quant.max %x, %1 : (tensor<1x4x!quant.uniform<u8:f32, 0.5:3>>, tensor<2x4xf32>) -> tensor<2x4xf32>
  // CHECK-NEXT: quant.unary hard_sigmoid %x alpha 2.000000e-01 beta 5.000000e-01 : tensor<{{.*}}> -> tensor<1x4x!quant.uniform<u8:f32, 0.0039>>
  %6 = quant.unary hard_sigmoid %x alpha 0.2 beta 0.5 : tensor<1x4x!quant.uniform<u8:f32, 0.5:3>> -> tensor<1x4x!quant.uniform<u8:f32, 0.0039>>
  // CHECK-NEXT: quant.unary hard_swish %x : tensor<{{.*}}> -> tensor<1x4xf32>
  %7 = quant.unary hard_swish %x : tensor<1x4x!quant.uniform<u8:f32, 0.5:3>> -> tensor<1x4xf32>
  // CHECK-NEXT: quant.unary pow %x alpha 1.500000e+00 : tensor<{{.*}}> -> tensor<1x4xf32>
  %p = quant.unary pow %x alpha 1.5 : tensor<1x4x!quant.uniform<u8:f32, 0.5:3>> -> tensor<1x4xf32>
  // CHECK-NEXT: quant.prelu %x, %x : (tensor<{{.*}}>, tensor<{{.*}}>) -> tensor<1x4x
  %q = quant.prelu %x, %x : (tensor<1x4x!quant.uniform<u8:f32, 0.5:3>>, tensor<1x4x!quant.uniform<u8:f32, 0.5:3>>) -> tensor<1x4x!quant.uniform<u8:f32, 0.5:3>>
  // CHECK-NEXT: quant.normalize %x axis 1 mean [1.000000e+00, {{.*}}] std [{{.*}}] : tensor<{{.*}}> -> tensor<1x4xf32>
  %8 = quant.normalize %x axis 1 mean [1.0, 2.0, 3.0, 4.0] std [1.0, 2.0, 3.0, 4.0] : tensor<1x4x!quant.uniform<u8:f32, 0.5:3>> -> tensor<1x4xf32>
  func.return
}

// CHECK-LABEL: func.func @windows
func.func @windows(%x: tensor<1x2x4x4x!quant.uniform<u8:f32, 0.5:3>>) {
  // CHECK: quant.max_pool %x kernel [3, 3] strides [2, 2] pads [0, 0, 0, 0] dilations [1, 1] ceil_mode : tensor<{{.*}}> -> tensor<1x2x2x2x
  %0 = quant.max_pool %x kernel [3, 3] strides [2, 2] pads [0, 0, 0, 0] dilations [1, 1] ceil_mode : tensor<1x2x4x4x!quant.uniform<u8:f32, 0.5:3>> -> tensor<1x2x2x2x!quant.uniform<u8:f32, 0.5:3>>
  // CHECK-NEXT: quant.avg_pool %x kernel [2, 2] strides [2, 2] pads [0, 0, 0, 0] dilations [1, 1] count_include_pad : tensor<{{.*}}> -> tensor<1x2x2x2x!quant.uniform<u8:f32, 0.25>>
  %1 = quant.avg_pool %x kernel [2, 2] strides [2, 2] pads [0, 0, 0, 0] dilations [1, 1] count_include_pad : tensor<1x2x4x4x!quant.uniform<u8:f32, 0.5:3>> -> tensor<1x2x2x2x!quant.uniform<u8:f32, 0.25>>
  // CHECK-NEXT: quant.reduce mean %x axes [2, 3] keepdims : tensor<{{.*}}> -> tensor<1x2x1x1xf32>
  %2 = quant.reduce mean %x axes [2, 3] keepdims : tensor<1x2x4x4x!quant.uniform<u8:f32, 0.5:3>> -> tensor<1x2x1x1xf32>
  // CHECK-NEXT: quant.reduce max %x axes [1] : tensor<{{.*}}> -> tensor<1x4x4x
  %3 = quant.reduce max %x axes [1] : tensor<1x2x4x4x!quant.uniform<u8:f32, 0.5:3>> -> tensor<1x4x4x!quant.uniform<u8:f32, 0.5:3>>
  // CHECK-NEXT: quant.softmax %x axis 1 : tensor<{{.*}}> -> tensor<1x2x4x4xf32>
  %4 = quant.softmax %x axis 1 : tensor<1x2x4x4x!quant.uniform<u8:f32, 0.5:3>> -> tensor<1x2x4x4xf32>
  // CHECK-NEXT: quant.log_softmax %x axis 3 : tensor<{{.*}}> -> tensor<1x2x4x4xf32>
  %5 = quant.log_softmax %x axis 3 : tensor<1x2x4x4x!quant.uniform<u8:f32, 0.5:3>> -> tensor<1x2x4x4xf32>
  // CHECK-NEXT: quant.cum_sum %x axis 3 : tensor<{{.*}}> -> tensor<1x2x4x4xf32>
  %6 = quant.cum_sum %x axis 3 : tensor<1x2x4x4x!quant.uniform<u8:f32, 0.5:3>> -> tensor<1x2x4x4xf32>
  // CHECK-NEXT: quant.cum_sum %x axis 3 exclusive reverse : tensor<{{.*}}> -> tensor<1x2x4x4xf32>
  %7 = quant.cum_sum %x axis 3 exclusive reverse : tensor<1x2x4x4x!quant.uniform<u8:f32, 0.5:3>> -> tensor<1x2x4x4xf32>
  // CHECK-NEXT: quant.reduce log_sum_exp %x axes [3] keepdims : tensor<{{.*}}> -> tensor<1x2x4x1xf32>
  %8 = quant.reduce log_sum_exp %x axes [3] keepdims : tensor<1x2x4x4x!quant.uniform<u8:f32, 0.5:3>> -> tensor<1x2x4x1xf32>
  func.return
}

// CHECK-LABEL: func.func @norms
func.func @norms(%x: tensor<1x4x2x2x!quant.uniform<u8:f32, 0.5:3>>, %s: tensor<4x1x1xf32>, %b: tensor<4x1x1xf32>) {
  // CHECK: quant.norm layer %x axes [2, 3] epsilon 1.000000e-05 scale %s, %b clamp [3, 255] : (tensor<{{.*}}>, tensor<4x1x1xf32>, tensor<4x1x1xf32>) -> tensor<1x4x2x2x
  %0 = quant.norm layer %x axes [2, 3] epsilon 1.0e-05 scale %s, %b clamp [3, 255] : (tensor<1x4x2x2x!quant.uniform<u8:f32, 0.5:3>>, tensor<4x1x1xf32>, tensor<4x1x1xf32>) -> tensor<1x4x2x2x!quant.uniform<u8:f32, 0.1:3>>
  // CHECK-NEXT: quant.norm rms %x axes [1, 2, 3] groups 2 epsilon 1.000000e-05 scale %s : (tensor<{{.*}}>, tensor<4x1x1xf32>) -> tensor<1x4x2x2xf32>
  %1 = quant.norm rms %x axes [1, 2, 3] groups 2 epsilon 1.0e-05 scale %s : (tensor<1x4x2x2x!quant.uniform<u8:f32, 0.5:3>>, tensor<4x1x1xf32>) -> tensor<1x4x2x2xf32>
  // CHECK-NEXT: quant.norm l2 %x axes [1] : (tensor<{{.*}}>) -> tensor<1x4x2x2xf32>
  %2 = quant.norm l2 %x axes [1] : (tensor<1x4x2x2x!quant.uniform<u8:f32, 0.5:3>>) -> tensor<1x4x2x2xf32>
  %whole = quant.constant dense<[3]> : tensor<1xui32> : tensor<1xui32>
  // CHECK: quant.norm layer %x axes [3] epsilon 1.000000e-05 scale %whole fraction 31 : (tensor<{{.*}}>, tensor<1xui32>) -> tensor<1x4x2x2xf32>
  %3 = quant.norm layer %x axes [3] epsilon 1.0e-05 scale %whole fraction 31 : (tensor<1x4x2x2x!quant.uniform<u8:f32, 0.5:3>>, tensor<1xui32>) -> tensor<1x4x2x2xf32>
  func.return
}

// CHECK-LABEL: func.func @movement
func.func @movement(%x: tensor<2x3x!quant.uniform<u8:f32, 0.5:3>>) {
  // CHECK: quant.reshape %x : tensor<2x3x{{.*}}> -> tensor<6x
  %0 = quant.reshape %x : tensor<2x3x!quant.uniform<u8:f32, 0.5:3>> -> tensor<6x!quant.uniform<u8:f32, 0.5:3>>
  // CHECK-NEXT: quant.transpose %x perm [1, 0] : tensor<2x3x{{.*}}> -> tensor<3x2x
  %1 = quant.transpose %x perm [1, 0] : tensor<2x3x!quant.uniform<u8:f32, 0.5:3>> -> tensor<3x2x!quant.uniform<u8:f32, 0.5:3>>
  // CHECK-NEXT: quant.concat %x, %x axis 0 : (tensor<2x3x{{.*}}>, tensor<2x3x{{.*}}>) -> tensor<4x3x
  %2 = quant.concat %x, %x axis 0 : (tensor<2x3x!quant.uniform<u8:f32, 0.5:3>>, tensor<2x3x!quant.uniform<u8:f32, 0.5:3>>) -> tensor<4x3x!quant.uniform<u8:f32, 0.5:3>>
  // CHECK-NEXT: quant.pad %x pads [0, 1, 0, 2] value 3 : tensor<2x3x{{.*}}> -> tensor<2x6x
  %3 = quant.pad %x pads [0, 1, 0, 2] value 3 : tensor<2x3x!quant.uniform<u8:f32, 0.5:3>> -> tensor<2x6x!quant.uniform<u8:f32, 0.5:3>>
  // CHECK-NEXT: quant.slice %x starts [0, 2] sizes [2, 2] steps [1, -2] : tensor<2x3x{{.*}}> -> tensor<2x2x
  %4 = quant.slice %x starts [0, 2] sizes [2, 2] steps [1, -2] : tensor<2x3x!quant.uniform<u8:f32, 0.5:3>> -> tensor<2x2x!quant.uniform<u8:f32, 0.5:3>>
  func.return
}

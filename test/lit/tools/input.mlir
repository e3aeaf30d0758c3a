// What is read: a file or standard input, whole or in parts, of known operations or any.

// RUN: ax-opt --split-input-file %s | filecheck %s
// RUN: cat %s | ax-opt --split-input-file - | filecheck %s
// CHECK: func.func @first
// CHECK: // -----
// CHECK: func.func @second
func.func @first() {
  func.return
}

// -----

// This line, which is no separator, holds one: // -----
func.func @second() {
  func.return
}


// RUN: not ax-opt %t.nothing 2>&1 | filecheck %s --check-prefix=MISSING
// MISSING: error: {{.*}}.nothing: cannot read: No such file or directory

// RUN: %python -c "import sys; sys.stdout.buffer.write(bytes([255, 254, 0]))" > %t.bytes
// RUN: not ax-opt %t.bytes 2>&1 | filecheck %s --check-prefix=BYTES
// BYTES: error: {{.*}}.bytes: this is no UTF-8 text

// RUN: echo '"other.op"() : () -> ()' > %t.other
// RUN: not ax-opt %t.other 2>&1 | filecheck %s --check-prefix=UNKNOWN
// RUN: ax-opt %t.other --allow-unregistered-dialect | filecheck %s --check-prefix=ANY
// UNKNOWN: .other:1:1: error: unknown operation 'other.op'
// ANY: "other.op"() : () -> ()

// RUN: ax-opt --version | filecheck %s --check-prefix=VERSION
// VERSION: ax-opt {{\d+\.\d+}}

// RUN: ax-opt --help | filecheck %s --check-prefix=HELP
// HELP: --pass-pipeline
// HELP: Exit codes: 0 done, 1 mistake in the input, 2 wrong usage, 70 bug in pulsar2.

// RUN: ax-opt --list-passes | filecheck %s --check-prefix=LIST
// LIST: Passes:
// LIST: onnx-fold-constants
// LIST-NEXT: Computes at compile time what does not depend on the graph's inputs.
// LIST-NEXT: - max-elements: an integer (default: 1048576)
// LIST: Pipelines:
// LIST: optimize

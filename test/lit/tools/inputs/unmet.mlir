// expected-error@+1 {{something}}
func.func @missing() {
  func.return
}

// -----

// An error of another text.
func.func @text(%x: i1) {
  // expected-error {{something else}}
  func.return %x : i1
}

// -----

// The right text on another line.
func.func @line(%x: i1) {
  func.return %x : i1 // expected-error@+1 {{func.return}}
}

// -----

// Not the way to write it.
func.func @form(%x: i1) {
  // The next line lacks a brace.
  // expected-error@+1 {func.return}
  func.return %x : i1
}

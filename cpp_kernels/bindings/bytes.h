#pragma once

#include <pybind11/pybind11.h>

#include <cstddef>
#include <cstdint>

/// The contiguous bytes of a Python buffer, kept alive and locked for the object's life.
class ByteView {
 public:
  explicit ByteView(const pybind11::buffer& source) {
    if (PyObject_GetBuffer(source.ptr(), &view_, PyBUF_SIMPLE) != 0) {
      throw pybind11::error_already_set();
    }
  }
  ~ByteView() { PyBuffer_Release(&view_); }
  ByteView(const ByteView&) = delete;
  ByteView& operator=(const ByteView&) = delete;

  const uint8_t* data() const { return static_cast<const uint8_t*>(view_.buf); }
  size_t size() const { return static_cast<size_t>(view_.len); }

 private:
  Py_buffer view_;
};

#pragma once

#include <cstdio>
#include <exception>
#include <string>
#include <vector>

// A test program: TEST functions that CHECK, and a main from check_main.cpp. A check that fails
// says so and goes on; the exit code is the number of tests that failed.

namespace check {

struct Test {
  const char* name;
  void (*body)();
};

inline std::vector<Test>& tests() {
  static std::vector<Test> list;
  return list;
}

inline int& failures() {
  static int count = 0;
  return count;
}

struct Registration {
  Registration(const char* name, void (*body)()) { tests().push_back({name, body}); }
};

inline void report(const char* file, int line, const std::string& text) {
  std::fprintf(stderr, "%s:%d: %s\n", file, line, text.c_str());
  ++failures();
}

}  // namespace check

#define TEST(name)                                                    \
  static void name();                                                 \
  static const check::Registration name##_registration(#name, &name); \
  static void name()

#define CHECK(condition)                                                                 \
  do {                                                                                   \
    if (!(condition)) check::report(__FILE__, __LINE__, "CHECK(" #condition ") failed"); \
  } while (false)

/// The expression throws `Exception`, and its text contains `part`.
#define CHECK_THROWS(expression, Exception, part)                                               \
  do {                                                                                          \
    try {                                                                                       \
      static_cast<void>(expression);                                                            \
      check::report(__FILE__, __LINE__, #expression " did not throw");                          \
    } catch (const Exception& error) {                                                          \
      if (std::string(error.what()).find(part) == std::string::npos) {                          \
        check::report(__FILE__, __LINE__,                                                       \
                      std::string("wrong message: ") + error.what() + "; expected: " + (part)); \
      }                                                                                         \
    }                                                                                           \
  } while (false)

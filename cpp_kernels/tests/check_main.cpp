#include "check.h"

int main() {
  int failed = 0;
  for (const check::Test& test : check::tests()) {
    const int before = check::failures();
    try {
      test.body();
    } catch (const std::exception& error) {
      check::report(test.name, 0, std::string("unexpected exception: ") + error.what());
    }
    if (check::failures() != before) {
      std::fprintf(stderr, "FAILED: %s\n", test.name);
      ++failed;
    }
  }
  std::printf("%zu tests, %d failed\n", check::tests().size(), failed);
  return failed;
}

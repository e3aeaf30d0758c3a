#include "pulsar2/version.h"

namespace pulsar2 {

int program_version() { return 1; }

}  // namespace pulsar2

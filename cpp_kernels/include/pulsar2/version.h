#pragma once

namespace pulsar2 {

/// Version of the program format that this library reads and executes.
int program_version();

}  // namespace pulsar2

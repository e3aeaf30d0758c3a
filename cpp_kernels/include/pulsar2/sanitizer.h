#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "pulsar2/program.h"

namespace pulsar2 {

/// What is wrong, or could be better, with a schedule.
enum class FindingKind : uint8_t {
  Race,       ///< two jobs share bytes, one writes them, and neither queues nor waits order the two
  Unwritten,  ///< a job reads bytes that no job before it has written
  ReadOnly,   ///< a job writes into the input or parameter segment
  Unreachable,  ///< a unit accesses a space that units of its class cannot
  SelfOverlap,  ///< a job overwrites bytes of its own operands other than element by element in
                ///< place
  OutputGap,    ///< bytes of an output tensor are never written
  UselessWait,  ///< a wait that queues and other waits imply; a note, not an error
};

const char* finding_name(FindingKind kind);

struct Finding {
  FindingKind kind;
  int64_t job = -1;    ///< the job concerned, the later of two; -1 if it is none
  int64_t other = -1;  ///< the earlier job, or -1
  Space space = Space::Ocm;
  uint64_t begin = 0;  ///< the bytes concerned lie in [begin, end)
  uint64_t end = 0;
  std::string message;

  bool is_note() const { return kind == FindingKind::UselessWait; }
};

/// Proves that every execution which queues and waits allow gives the same result, or says why not.
///
/// Static and exact to the byte: jobs are taken in the order given (a legal one); for every byte,
/// the last job that wrote it and the last ones on each unit that read it since are compared, by
/// vector clocks over queues and waits, with the next job that touches it. There is no error among
/// the findings if and only if the schedule is free of such errors; of several races on the same
/// bytes, those between neighbours in the order are named. At most `limit` findings are returned.
///
/// Time is proportional to the bytes that jobs touch, divided by the greatest unit into which all
/// accesses of a space divide. Throws ProgramError for a space of more than 4 GiB.
std::vector<Finding> sanitize(const Program& program, size_t limit = 1000);

}  // namespace pulsar2

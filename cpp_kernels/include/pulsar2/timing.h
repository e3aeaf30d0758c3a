#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "pulsar2/program.h"

namespace pulsar2 {

/// The numbers of a target that the cost model needs. Rates are per cycle of one unit.
///
/// conv units are an array of `conv_lanes_in` x `conv_lanes_out` multipliers: in one step, every
/// output lane adds up as many products as there are input lanes. Input lanes hold input channels,
/// and where these are fewer, as many kernel taps as fit. teng units work on `teng_lanes` bytes.
struct TargetTiming {
  double clock_mhz = 0;             ///< cycles per microsecond
  double conv_lanes_in = 0;         ///< input lanes of the array
  double conv_lanes_out = 0;        ///< output lanes of the array
  double conv_depthwise_lanes = 0;  ///< multiplications per cycle where channels are not summed
  double conv_16bit_factor =
      0;  ///< throughput with 16-bit operands against 8-bit (once per operand)
  double conv_4bit_factor = 0;  ///< throughput with 4-bit weights against 8-bit
  double conv_launch = 0;       ///< cycles from a job's turn to its first result
  double teng_lanes = 0;        ///< bytes of elements per cycle, simple operations
  double teng_table_lanes = 0;  ///< bytes of table results per cycle
  double teng_f32_lanes = 0;    ///< f32 functions per cycle (exp, division, ...)
  double teng_launch = 0;
  double cv_launch = 0;
  double sdma_launch = 0;
  double port_bytes = 0;  ///< bytes per cycle between a unit and memory
  double sdma_bytes = 0;  ///< the same for one sdma unit
  double ddr_bytes = 0;   ///< bytes per cycle of the whole DDR
};

/// Name and place of every number of TargetTiming, for reading them from a table.
const std::vector<std::pair<const char*, double TargetTiming::*>>& timing_fields();

/// What one job takes.
struct JobCost {
  int64_t cycles = 0;          ///< from start to end, with DDR to itself
  int64_t compute_cycles = 0;  ///< of the arithmetic alone
  int64_t port_cycles = 0;     ///< of the bytes through the unit's port alone
  int64_t macs = 0;
  int64_t ddr_read = 0;   ///< bytes
  int64_t ddr_write = 0;  ///< bytes
};

/// cycles = launch + max(compute_cycles, port_cycles)
JobCost job_cost(const Program& program, const Job& job, const TargetTiming& timing);

/// Jobs for the timing replay, as arrays; `waits` of job i are [wait_offsets[i], wait_offsets[i +
/// 1]).
struct ReplayInput {
  int64_t num_jobs = 0;
  const int32_t* eu = nullptr;
  const int64_t* cycles = nullptr;
  const int64_t* ddr_bytes = nullptr;
  const int64_t* wait_offsets = nullptr;
  const int32_t* waits = nullptr;
  double ddr_rate = 0;  ///< bytes per cycle of the whole DDR
};

/// When each job starts and ends, in cycles from the start of the program.
///
/// Jobs of one unit run in the order given. A job starts when the one before it on its unit and all
/// that it waits for have ended. A job with DDR bytes needs them evenly over its cycles; while the
/// jobs in flight need more than `ddr_rate` together, the rate is shared max-min fairly, and those
/// that get less than they need run longer by that factor. Starts and ends are whole cycles. Throws
/// ProgramError when jobs wait for each other in a circle.
void replay(const ReplayInput& input, int64_t* start, int64_t* end);

/// Bytes per cycle that a program has of the DDR: the target's, or its own limit where that is
/// less.
double ddr_rate(const Program& program, const TargetTiming& timing);

/// The replay of a program: its jobs' costs, queues and waits.
void replay_program(const Program& program, const TargetTiming& timing, std::vector<int64_t>* start,
                    std::vector<int64_t>* end);

}  // namespace pulsar2

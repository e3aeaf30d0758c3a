// Program format, cost model and timing replay.

#include "pulsar2/program.h"

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <string>
#include <vector>

#include "bytes.h"
#include "pulsar2/sanitizer.h"
#include "pulsar2/timing.h"

namespace py = pybind11;

namespace {

using pulsar2::JobCost;
using pulsar2::Program;
using pulsar2::TargetTiming;
using I64Array = py::array_t<int64_t, py::array::c_style>;
using I32Array = py::array_t<int32_t, py::array::c_style>;

TargetTiming timing_of(const py::dict& table) {
  TargetTiming timing;
  for (const auto& [name, member] : pulsar2::timing_fields()) {
    if (!table.contains(name)) throw py::key_error("timing lacks '" + std::string(name) + "'");
    timing.*member = table[name].cast<double>();
    if (!(timing.*member > 0)) {
      throw py::value_error("timing '" + std::string(name) + "' must be positive");
    }
  }
  for (const auto& item : table) {
    const auto key = item.first.cast<std::string>();
    bool known = false;
    for (const auto& field : pulsar2::timing_fields()) known = known || key == field.first;
    if (!known) throw py::key_error("timing has unknown number '" + key + "'");
  }
  return timing;
}

template <typename Get>
I64Array column(const std::vector<JobCost>& costs, Get get) {
  I64Array array(static_cast<py::ssize_t>(costs.size()));
  int64_t* out = array.mutable_data();
  for (size_t i = 0; i < costs.size(); ++i) out[i] = get(costs[i]);
  return array;
}

py::dict job_costs(const py::buffer& data, const py::dict& table) {
  const TargetTiming timing = timing_of(table);
  const ByteView bytes(data);
  std::vector<JobCost> costs;
  {
    py::gil_scoped_release release;
    const Program program = pulsar2::decode_program(bytes.data(), bytes.size());
    costs.reserve(program.jobs.size());
    for (const pulsar2::Job& job : program.jobs) {
      costs.push_back(pulsar2::job_cost(program, job, timing));
    }
  }
  py::dict result;
  result["cycles"] = column(costs, [](const JobCost& c) { return c.cycles; });
  result["compute_cycles"] = column(costs, [](const JobCost& c) { return c.compute_cycles; });
  result["port_cycles"] = column(costs, [](const JobCost& c) { return c.port_cycles; });
  result["macs"] = column(costs, [](const JobCost& c) { return c.macs; });
  result["ddr_read"] = column(costs, [](const JobCost& c) { return c.ddr_read; });
  result["ddr_write"] = column(costs, [](const JobCost& c) { return c.ddr_write; });
  result["ddr_bytes"] = column(costs, [](const JobCost& c) { return c.ddr_read + c.ddr_write; });
  return result;
}

py::tuple replay(const I32Array& eu, const I64Array& cycles, const I64Array& ddr_bytes,
                 const I64Array& wait_offsets, const I32Array& waits, double ddr_rate) {
  const py::ssize_t n = eu.size();
  if (cycles.size() != n || ddr_bytes.size() != n || wait_offsets.size() != n + 1) {
    throw py::value_error("eu, cycles and ddr_bytes have one entry per job, wait_offsets one more");
  }
  const int64_t* offsets = wait_offsets.data();
  for (py::ssize_t i = 0; i < n; ++i) {
    if (offsets[i] > offsets[i + 1]) throw py::value_error("wait_offsets must ascend");
  }
  if (offsets[0] != 0 || offsets[n] != waits.size()) {
    throw py::value_error("wait_offsets must run from 0 to the number of waits");
  }
  pulsar2::ReplayInput input;
  input.num_jobs = n;
  input.eu = eu.data();
  input.cycles = cycles.data();
  input.ddr_bytes = ddr_bytes.data();
  input.wait_offsets = offsets;
  input.waits = waits.data();
  input.ddr_rate = ddr_rate;
  I64Array start(n);
  I64Array end(n);
  int64_t* starts = start.mutable_data();
  int64_t* ends = end.mutable_data();
  {
    py::gil_scoped_release release;
    pulsar2::replay(input, starts, ends);
  }
  return py::make_tuple(start, end);
}

py::tuple replay_program(const py::buffer& data, const py::dict& table) {
  const TargetTiming timing = timing_of(table);
  const ByteView bytes(data);
  Program program;
  std::vector<int64_t> starts;
  std::vector<int64_t> ends;
  {
    py::gil_scoped_release release;
    program = pulsar2::decode_program(bytes.data(), bytes.size());
    pulsar2::replay_program(program, timing, &starts, &ends);
  }
  return py::make_tuple(I64Array(static_cast<py::ssize_t>(starts.size()), starts.data()),
                        I64Array(static_cast<py::ssize_t>(ends.size()), ends.data()));
}

/// Opcode -> classes of units that run it.
py::dict unit_kinds() {
  size_t count = 0;
  const pulsar2::KernelEntry* entries = pulsar2::all_kernels(&count);
  py::dict table;
  for (size_t i = 0; i < count; ++i) {
    py::list kinds;
    for (int k = 0; k < pulsar2::kNumEuKinds; ++k) {
      if (pulsar2::runs_on(entries[i].opcode, static_cast<pulsar2::EuKind>(k))) kinds.append(k);
    }
    table[py::int_(entries[i].opcode)] = kinds;
  }
  return table;
}

}  // namespace

void bind_program(py::module_& m) {
  using pulsar2::Finding;
  py::class_<Finding>(m, "Finding", "One thing that is wrong with a schedule; see sanitize.")
      .def_property_readonly("kind", [](const Finding& f) { return pulsar2::finding_name(f.kind); })
      .def_readonly("job", &Finding::job,
                    "The job concerned, the later of two; -1 if there is none.")
      .def_readonly("other", &Finding::other, "The earlier of two jobs, or -1.")
      .def_property_readonly("space", [](const Finding& f) { return pulsar2::space_name(f.space); })
      .def_readonly("begin", &Finding::begin, "First byte concerned.")
      .def_readonly("end", &Finding::end, "One past the last byte concerned.")
      .def_property_readonly("is_note", &Finding::is_note,
                             "True when the schedule is right all the same.")
      .def_readonly("message", &Finding::message)
      .def("__str__", [](const Finding& f) { return f.message; })
      .def("__repr__", [](const Finding& f) {
        return std::string("<") + pulsar2::finding_name(f.kind) + ": " + f.message + ">";
      });
  m.def(
      "sanitize",
      [](const py::buffer& data, size_t limit) {
        const ByteView bytes(data);
        py::gil_scoped_release release;
        return pulsar2::sanitize(pulsar2::decode_program(bytes.data(), bytes.size()), limit);
      },
      py::arg("program"), py::arg("limit") = 1000,
      R"(Findings about an encoded program's schedule, at most `limit`; none when it is right.

race          two jobs share bytes, one writes them, and neither queues nor waits order the two
unwritten     a job reads bytes that nothing has written
read-only     a job writes into the input or parameter segment
unreachable   a unit accesses a space that it cannot: conv works on OCM alone, teng reads OCM alone
self-overlap  a job overwrites bytes that it reads, other than element by element in place
output-gap    bytes of an output tensor are never written
useless-wait  a note: queues and other waits imply the wait

ProgramError when the bytes are not a valid program, which includes accesses outside a space.)");
  py::register_exception<pulsar2::ProgramError>(m, "ProgramError", PyExc_ValueError);
  m.def(
      "check_program",
      [](const py::buffer& data) {
        const ByteView bytes(data);
        py::gil_scoped_release release;
        pulsar2::decode_program(bytes.data(), bytes.size());
      },
      py::arg("data"), "Decodes a program; ProgramError when its bytes are not valid.");
  m.def("unit_kinds", &unit_kinds, "For every opcode, the classes of units that can run it.");
  m.def("timing_keys", [] {
    std::vector<std::string> keys;
    for (const auto& field : pulsar2::timing_fields()) keys.emplace_back(field.first);
    return keys;
  });
  m.def("job_costs", &job_costs, py::arg("program"), py::arg("timing"),
        R"(What every job of an encoded program takes, as a dict of i64 arrays, one entry per job:

cycles          from start to end with the DDR to itself: launch + max(compute_cycles, port_cycles)
compute_cycles  of the arithmetic alone
port_cycles     of the operands' bytes through the unit's port alone
macs            multiply-accumulates
ddr_read, ddr_write, ddr_bytes (their sum)

`timing` has exactly the keys of timing_keys(); pulsar2/timing.h says what they mean. KeyError for a
missing or unknown key, ValueError for a number that is not positive, ProgramError for bad bytes.)");
  m.def("replay", &replay, py::arg("eu").noconvert(), py::arg("cycles").noconvert(),
        py::arg("ddr_bytes").noconvert(), py::arg("wait_offsets").noconvert(),
        py::arg("waits").noconvert(), py::arg("ddr_rate"),
        R"(Starts and ends (i64, cycles) of jobs on in-order units that share the DDR.

eu            i32 [jobs]      the unit of each job; jobs of one unit run in the order given
cycles        i64 [jobs]      with the DDR to itself
ddr_bytes     i64 [jobs]
wait_offsets  i64 [jobs + 1]  job i waits for waits[wait_offsets[i]:wait_offsets[i + 1]]
waits         i32
ddr_rate      bytes per cycle of the whole DDR, shared max-min fairly by the jobs in flight

ProgramError when the jobs wait for each other in a circle.)");
  m.def("replay_program", &replay_program, py::arg("program"), py::arg("timing"),
        "Starts and ends (i64 [jobs], cycles) of the jobs of an encoded program: job_costs and "
        "replay "
        "in one.");
}

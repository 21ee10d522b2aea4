#include "ops/support.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <functional>

#include "graft/ops/shape_ops.hpp"
#include "graft/schema/rules.hpp"

namespace graft::support {

std::optional<kernels::element> kernel_element(dtype type) {
  switch (type) {
    case dtype::float32:
      return kernels::element::f32;
    case dtype::float64:
      return kernels::element::f64;
    case dtype::int32:
      return kernels::element::i32;
    case dtype::int64:
      return kernels::element::i64;
    case dtype::uint8:
      return kernels::element::u8;
    case dtype::int8:
      return kernels::element::i8;
    case dtype::boolean:
      return kernels::element::b8;
    default:
      return std::nullopt;
  }
}

void refuse_type(const bind_args& b, std::string_view what, dtype type) {
  throw unsupported_error({std::string(what) + " was to run at '" + std::string(b.where) + "'",
                           "there is no kernel for " + std::string(name_of(type)),
                           std::string(b.where), "insert cast<float>(x)"});
}

namespace {

// The loops of a broadcast operation: adjacent axes along which every operand either advances or
// stands still are one, so that most operations have one loop and nearly all others two.
struct broadcast_loops {
  std::int64_t total = 0;
  std::int64_t rows = 1;                // of all axes but the last
  std::int64_t cols = 1;                // the last axis
  small_vector<std::int64_t, 6> outer;  // extents of all axes but the last
  std::size_t count = 0;                // of operands
  std::size_t out_width = 1;
  std::array<std::size_t, max_operands> width{};
  std::array<bool, max_operands> scalar{};                         // along the last axis
  std::array<small_vector<std::int64_t, 6>, max_operands> stride;  // in elements, one an outer axis
};

bool advances(const dims& operand, const dims& out, std::size_t axis) {
  const std::size_t missing = out.size() - operand.size();
  return axis >= missing && operand[axis - missing] != 1;
}

broadcast_loops loops_of(const bind_args& b) {
  broadcast_loops l;
  const dims& out = b.outputs[0].shape;
  l.total = b.outputs[0].size;
  l.count = b.inputs.size();
  l.out_width = size_of(b.outputs[0].type);
  for (std::size_t i = 0; i < l.count; ++i) l.width[i] = size_of(b.inputs[i].type);
  struct axis {
    std::int64_t extent;
    std::array<bool, max_operands> moves;
  };
  small_vector<axis, 6> axes;
  for (std::size_t k = 0; k < out.size(); ++k) {
    if (out[k] == 1) continue;
    axis a{out[k], {}};
    for (std::size_t i = 0; i < l.count; ++i) a.moves[i] = advances(b.inputs[i].shape, out, k);
    if (!axes.empty() && axes.back().moves == a.moves) {
      axes.back().extent *= a.extent;
    } else {
      axes.push_back(a);
    }
  }
  if (axes.empty()) return l;
  l.cols = axes.back().extent;
  for (std::size_t k = 0; k + 1 < axes.size(); ++k) {
    l.outer.push_back(axes[k].extent);
    l.rows *= axes[k].extent;
  }
  for (std::size_t i = 0; i < l.count; ++i) {
    l.scalar[i] = !axes.back().moves[i];
    l.stride[i].resize(l.outer.size(), 0);
    std::int64_t step = l.scalar[i] ? 1 : l.cols;
    for (std::size_t k = l.outer.size(); k-- > 0;) {
      if (!axes[k].moves[i]) continue;
      l.stride[i][k] = step;
      step *= axes[k].extent;
    }
  }
  return l;
}

struct elementwise_work {
  const broadcast_loops* loops;
  const tile_function* tile;
  const rows_function* rows;
  const kernel_call* call;
  std::int64_t rows_per_chunk, column_chunks, column_chunk;

  using addresses = std::array<const void*, max_operands>;

  const void* input(std::size_t i, std::int64_t elements) const {
    return static_cast<const std::byte*>(call->in[i]) +
           elements * static_cast<std::int64_t>(loops->width[i]);
  }
  void* output(std::int64_t elements) const {
    return static_cast<std::byte*>(call->out[0]) +
           elements * static_cast<std::int64_t>(loops->out_width);
  }

  void run_columns(std::int64_t row, std::int64_t first, std::int64_t n) const {
    addresses in{};
    for (std::size_t i = 0; i < loops->count; ++i) {
      in[i] = input(i, offset(i, row) + (loops->scalar[i] ? 0 : first));
    }
    (*tile)(in.data(), loops->scalar.data(), output(row * loops->cols + first), n);
  }

  // Elements between the start of operand i and its part of a row.
  std::int64_t offset(std::size_t i, std::int64_t row) const {
    std::int64_t elements = 0;
    for (std::size_t k = loops->outer.size(); k-- > 0;) {
      elements += row % loops->outer[k] * loops->stride[i][k];
      row /= loops->outer[k];
    }
    return elements;
  }

  // Rows [first, last): one call for each run along the innermost of the outer axes.
  void run_rows(std::int64_t first, std::int64_t last) const {
    const std::int64_t run = loops->outer.empty() ? 1 : loops->outer.back();
    addresses in{};
    std::array<std::int64_t, max_operands> step{};
    for (std::int64_t row = first; row < last;) {
      const std::int64_t n = std::min(last, (row / run + 1) * run) - row;
      for (std::size_t i = 0; i < loops->count; ++i) {
        in[i] = input(i, offset(i, row));
        step[i] = loops->stride[i].empty() ? 0 : loops->stride[i].back();
      }
      if (*rows) {
        (*rows)(in.data(), step.data(), loops->scalar.data(), output(row * loops->cols), n,
                loops->cols);
      } else {
        for (std::int64_t r = 0; r < n; ++r) {
          (*tile)(in.data(), loops->scalar.data(), output((row + r) * loops->cols), loops->cols);
          for (std::size_t i = 0; i < loops->count; ++i) {
            in[i] = static_cast<const std::byte*>(in[i]) +
                    step[i] * static_cast<std::int64_t>(loops->width[i]);
          }
        }
      }
      row += n;
    }
  }

  void run_chunk(std::int64_t chunk) const {
    if (column_chunks > 1) {
      const std::int64_t first = chunk % column_chunks * column_chunk;
      run_columns(chunk / column_chunks, first, std::min(column_chunk, loops->cols - first));
    } else {
      run_rows(chunk * rows_per_chunk, std::min((chunk + 1) * rows_per_chunk, loops->rows));
    }
  }
};

}  // namespace

bound_kernel bind_elementwise(const bind_args& b, tile_function tile, rows_function rows) {
  bound_kernel result;
  const broadcast_loops loops = loops_of(b);
  for (std::size_t i = 0; i < b.inputs.size(); ++i) {
    if (b.inputs[i].size == loops.total && size_of(b.inputs[i].type) == loops.out_width) {
      result.in_place.push_back({0, static_cast<std::uint8_t>(i)});
    }
  }
  result.tile = tile;
  result.run = [loops, tile = std::move(tile), rows = std::move(rows)](const kernel_call& call) {
    if (loops.total == 0) return;
    elementwise_work work{&loops, &tile, &rows, &call, loops.rows, 1, loops.cols};
    if (loops.total < parallel_elements) {
      work.run_rows(0, loops.rows);
      return;
    }
    std::int64_t chunks = 0;
    if (loops.cols >= chunk_elements) {
      work.column_chunk = chunk_elements;
      work.column_chunks = (loops.cols + chunk_elements - 1) / chunk_elements;
      chunks = loops.rows * work.column_chunks;
    } else {
      work.rows_per_chunk = std::max<std::int64_t>(chunk_elements / loops.cols, 1);
      chunks = (loops.rows + work.rows_per_chunk - 1) / work.rows_per_chunk;
    }
    call.parallel.run(chunks, [&work](std::int64_t chunk) { work.run_chunk(chunk); });
  };
  return result;
}

void fill(void* out, const void* value, std::int64_t n, std::size_t bytes) {
  if (n == 0) return;
  if (bytes != 2) {
    kernels::active().fill(out, value, n, static_cast<std::int64_t>(bytes));
    return;
  }
  std::uint16_t pattern = 0;
  std::memcpy(&pattern, value, sizeof pattern);
  std::fill_n(static_cast<std::uint16_t*>(out), n, pattern);
}

void run_chunked(const kernel_call& call, std::int64_t n,
                 function_ref<void(std::int64_t, std::int64_t)> f) {
  if (n == 0) return;
  if (n < parallel_elements) {
    f(0, n);
    return;
  }
  call.parallel.run((n + chunk_elements - 1) / chunk_elements, [&](std::int64_t chunk) {
    const std::int64_t first = chunk * chunk_elements;
    f(first, std::min(chunk_elements, n - first));
  });
}

// --- Oracles
// ---------------------------------------------------------------------------------------

double element_at(const Array& array, std::int64_t i) {
  const auto place = static_cast<std::size_t>(i);
  double result = 0;
  if (array.type() == dtype::boolean) return array.span<bool>()[place] ? 1 : 0;
  with_number_type(array.type(), [&](auto zero) {
    result = static_cast<double>(array.span<decltype(zero)>()[place]);
  });
  return result;
}

void set_element(Array& array, std::int64_t i, double value) {
  const auto place = static_cast<std::size_t>(i);
  if (array.type() == dtype::boolean) {
    array.mutable_span<bool>()[place] = value != 0;
    return;
  }
  with_number_type(array.type(), [&](auto zero) {
    array.mutable_span<decltype(zero)>()[place] = static_cast<decltype(zero)>(value);
  });
}

Array reference_elementwise(std::span<const Array> operands, dtype type,
                            const std::function<double(const double*)>& f) {
  dims shape;
  for (const Array& a : operands) shape = broadcast(shape, a.shape()).shape;
  Array result(type, shape);
  for (std::int64_t flat = 0; flat < result.size(); ++flat) {
    double values[max_operands] = {};
    for (std::size_t i = 0; i < operands.size(); ++i) {
      const dims& own = operands[i].shape();
      std::int64_t rest = flat, place = 0, step = 1;
      for (std::size_t k = shape.size(); k-- > 0;) {
        const std::int64_t index = rest % shape[k];
        rest /= shape[k];
        const std::size_t missing = shape.size() - own.size();
        if (k < missing) continue;
        place += own[k - missing] == 1 ? 0 : index * step;
        step *= own[k - missing];
      }
      values[i] = element_at(operands[i], place);
    }
    set_element(result, flat, f(values));
  }
  return result;
}

// --- Gradients
// ---------------------------------------------------------------------------------------

value_type type_of(const any_tensor& t) { return target_traits<Graph>::type_of(t.ref()); }

namespace {

// True where broadcasting with `other` surely leaves `own` as it is.
bool keeps_shape(const value_type& own, const value_type& other) {
  if (other.ranked && other.shape.empty()) return true;
  if (!own.ranked || !other.ranked || other.shape.size() > own.shape.size()) return false;
  const std::size_t missing = own.shape.size() - other.shape.size();
  for (std::size_t k = 0; k < other.shape.size(); ++k) {
    const extent mine = own.shape[k + missing], theirs = other.shape[k];
    const bool equal = mine == theirs && mine != dyn;
    if (!(theirs == 1 || equal || (mine >= 0 && mine != 1))) return false;
  }
  return true;
}

}  // namespace

any_tensor unbroadcast(const any_tensor& gradient, const any_tensor& operand,
                       std::initializer_list<any_tensor> others) {
  const value_type own = type_of(operand);
  const bool kept = std::all_of(others.begin(), others.end(), [&](const any_tensor& other) {
    return other.ref() == operand.ref() || keeps_shape(own, type_of(other));
  });
  return kept ? gradient : any_tensor(sum_to_like(gradient, operand));
}

operand_gradients no_gradient(const gradient_args& a) {
  return operand_gradients(a.operands.size());
}

// --- Samples
// -------------------------------------------------------------------------------------------

Array spread(const dims& shape, double low, double high, int salt) {
  Array result(dtype::float64, shape);
  const auto values = result.mutable_span<double>();
  // Multiples of the golden ratio fill (0, 1) evenly and never repeat.
  for (std::size_t i = 0; i < values.size(); ++i) {
    const double turn = 0.6180339887498949 * static_cast<double>(i + 1) + 0.377 * salt;
    values[i] = low + (high - low) * (0.02 + 0.96 * (turn - std::floor(turn)));
    const double quarter = values[i] * 4;
    if (std::abs(quarter - std::round(quarter)) < 0.02) values[i] += 0.015 * (high - low);
  }
  return result;
}

Array counting(dtype type, const dims& shape, std::int64_t start, std::int64_t step) {
  Array result(type, shape);
  for (std::int64_t i = 0; i < result.size(); ++i) {
    set_element(result, i, static_cast<double>(start + i * step));
  }
  return result;
}

Array truths(const dims& shape, int salt) {
  Array result(dtype::boolean, shape);
  for (std::int64_t i = 0; i < result.size(); ++i) set_element(result, i, (i * 7 + salt) % 3 == 0);
  return result;
}

std::vector<operator_sample> unary_samples(double low, double high,
                                           const attribute_list& attributes, bool twice) {
  std::vector<operator_sample> samples;
  for (const dims& shape : {dims{}, dims{1}, dims{7}, dims{0}, dims{3, 5}, dims{2, 1, 17}}) {
    samples.push_back(
        {{spread(shape, low, high, static_cast<int>(shape.size()))}, attributes, true, twice});
  }
  return samples;
}

std::vector<operator_sample> binary_samples(double low_a, double high_a, double low_b,
                                            double high_b, bool twice) {
  const std::pair<dims, dims> shapes[] = {{{}, {}},
                                          {{7}, {7}},
                                          {{3, 5}, {}},
                                          {{}, {4}},
                                          {{3, 5}, {5}},
                                          {{3, 5}, {3, 1}},
                                          {{3, 1}, {1, 17}},
                                          {{2, 3, 4}, {3, 1}},
                                          {{0, 3}, {1, 3}},
                                          {{2, 1, 3}, {4, 1}},
                                          {{2, 3, 1, 2}, {1, 5, 2}},
                                          {{1, 1}, {1}}};
  std::vector<operator_sample> samples;
  int salt = 0;
  for (const auto& [a, b] : shapes) {
    samples.push_back(
        {{spread(a, low_a, high_a, salt), spread(b, low_b, high_b, salt + 5)}, {}, true, twice});
    ++salt;
  }
  return samples;
}

}  // namespace graft::support

#include "graft/ops/matmul.hpp"

#include <algorithm>

#include "graft/ops/shape_ops.hpp"

#include "ops/families.hpp"
#include "ops/indexing.hpp"
#include "ops/movement.hpp"
#include "ops/support.hpp"

namespace graft {
namespace {

using support::element_address;

// --- kernel ----------------------------------------------------------------------------------

// Threads share at most so many parts of the work, each with scratch memory of its own.
constexpr std::int64_t most_parts = 16;

struct matmul_layout {
  std::int64_t m = 0, n = 0, k = 0;
  bool transpose_a = false, transpose_b = false;
  // Where the matrices of each batch start, in elements.
  std::vector<std::int64_t> a, b;
  [[nodiscard]] std::int64_t batches() const { return static_cast<std::int64_t>(a.size()); }
};

// The start of each matrix of an operand whose batch axes broadcast to `batch`.
std::vector<std::int64_t> matrix_offsets(const dims& shape, const dims& batch) {
  const dims own(shape.begin(), shape.end() - 2);
  const dims strides = support::broadcast_strides(own, batch);
  const std::int64_t matrix = shape[shape.size() - 2] * shape.back();
  std::vector<std::int64_t> offsets(static_cast<std::size_t>(support::count_of(batch)));
  dims index(batch.size(), 0);
  std::int64_t at = 0;
  for (std::int64_t& offset : offsets) {
    offset = at * matrix;
    for (std::size_t axis = batch.size(); axis-- > 0;) {
      at += strides[axis];
      if (++index[axis] < batch[axis]) break;
      at -= strides[axis] * batch[axis];
      index[axis] = 0;
    }
  }
  return offsets;
}

matmul_layout layout_of(const dims& a, const dims& b, const dims& c,
                        const attribute_list& attributes) {
  matmul_layout l;
  l.transpose_a = attributes.integer("transpose_a") != 0;
  l.transpose_b = attributes.integer("transpose_b") != 0;
  l.m = c[c.size() - 2];
  l.n = c.back();
  l.k = a[a.size() - (l.transpose_a ? 2 : 1)];
  const dims batch(c.begin(), c.end() - 2);
  const dims batch_b(b.begin(), b.end() - 2);
  if (!l.transpose_a && support::count_of(batch_b) == 1) {
    l.m *= support::count_of(batch);  // one b for all: the batch is more rows of a
    l.a = l.b = {0};
    return l;
  }
  l.a = matrix_offsets(a, batch);
  l.b = matrix_offsets(b, batch);
  return l;
}

bound_kernel bind_matmul(const bind_args& b) {
  const tensor_info& c = b.outputs[0];
  const matmul_layout l = layout_of(b.inputs[0].shape, b.inputs[1].shape, c.shape, b.attributes);
  const auto element = support::kernel_element(c.type);
  const kernels::matmul_kernel kernel =
      element ? kernels::active().matmul(*element) : kernels::matmul_kernel{};
  if (!kernel) support::refuse_type(b, "a product of matrices", c.type);
  const std::size_t width = size_of(c.type);
  bound_kernel result;
  if (c.size == 0) {
    result.run = [](const kernel_call&) {};
    return result;
  }
  const std::int64_t chunks = kernel.chunks(l.m, l.n, l.k);
  const auto bytes =
      static_cast<std::size_t>(kernel.scratch_bytes(l.m, l.n, l.k, l.transpose_a, l.transpose_b));
  const std::size_t scratch = (bytes + 63) / 64 * 64;
  result.scratch_bytes =
      scratch * static_cast<std::size_t>(std::min(chunks * l.batches(), most_parts));
  result.run = [=](const kernel_call& call) {
    // Each chunk packs what it reads: one thread alone does without. The bits are the same.
    const bool alone = call.parallel.threads() == 1;
    const std::int64_t pieces = alone ? 1 : chunks, tasks = pieces * l.batches();
    const std::int64_t parts = alone ? 1 : std::min(tasks, most_parts);
    support::run_parts(call, parts, [&](std::int64_t part) {
      kernels::matmul_args args;
      args.m = l.m, args.n = l.n, args.k = l.k;
      args.trans_a = l.transpose_a, args.trans_b = l.transpose_b;
      args.lda = l.transpose_a ? l.m : l.k;
      args.ldb = l.transpose_b ? l.k : l.n;
      args.ldc = l.n;
      args.scratch = call.scratch + static_cast<std::size_t>(part) * scratch;
      for (std::int64_t task = tasks * part / parts; task < tasks * (part + 1) / parts; ++task) {
        const std::int64_t batch = task / pieces;
        args.a = element_address(call.in[0], l.a[static_cast<std::size_t>(batch)], width);
        args.b = element_address(call.in[1], l.b[static_cast<std::size_t>(batch)], width);
        args.c = element_address(call.out[0], batch * l.m * l.n, width);
        if (pieces == 1) {
          kernel.run(args);
        } else {
          kernel.run_chunk(args, task % pieces);
        }
      }
    });
  };
  return result;
}

// --- gradient --------------------------------------------------------------------------------

// The product that is the gradient of an operand, which may have been repeated along batch axes.
any_tensor for_operand(const any_tensor& product, const any_tensor& operand,
                       const any_tensor& other) {
  const value_type mine = support::type_of(operand), theirs = support::type_of(other);
  if (mine.ranked && theirs.ranked) {
    const value_type batch =
        value_type::of(mine.type, dims(mine.shape.begin(), mine.shape.end() - 2));
    const value_type others =
        value_type::of(mine.type, dims(theirs.shape.begin(), theirs.shape.end() - 2));
    if (others.shape.empty() || rules::surely_equal_shapes(batch, others)) return product;
  }
  return sum_to_like(product, operand);
}

// x as one matrix whose rows are those of all its batches; empty unless its last extent is known.
std::optional<any_tensor> as_rows(const any_tensor& x) {
  const value_type type = support::type_of(x);
  if (!type.ranked || type.shape.back() <= 0) return std::nullopt;
  if (type.shape.size() == 2) return x;
  return any_tensor(reshape(x, dims{dyn, type.shape.back()}));
}

any_tensor gradient_in_b(const any_tensor& a, const any_tensor& b, const any_tensor& g, bool ta,
                         bool tb) {
  // One b for a whole batch: its gradient sums over the batch, as one product does with all rows.
  const value_type type_a = support::type_of(a), type_b = support::type_of(b);
  if (!ta && type_a.ranked && type_b.ranked && type_a.shape.size() > 2 &&
      type_b.shape.size() == 2) {
    const auto rows_a = as_rows(a), rows_g = as_rows(g);
    if (rows_a && rows_g) {
      return tb ? matmul(*rows_g, *rows_a, true, false) : matmul(*rows_a, *rows_g, true, false);
    }
  }
  const any_tensor product = tb ? matmul(g, a, true, ta) : matmul(a, g, !ta, false);
  return for_operand(product, b, a);
}

operand_gradients matmul_gradient(const gradient_args& in) {
  const any_tensor &a = in.operands[0], &b = in.operands[1], &g = *in.output_gradients[0];
  const bool ta = in.attributes.integer("transpose_a") != 0;
  const bool tb = in.attributes.integer("transpose_b") != 0;
  operand_gradients result(2);
  if (in.wanted[0]) {
    const any_tensor product = ta ? matmul(b, g, tb, true) : matmul(g, b, false, !tb);
    result[0] = for_operand(product, a, b);
  }
  if (in.wanted[1]) result[1] = gradient_in_b(a, b, g, ta, tb);
  return result;
}

// --- reference: the definition, one element of the result after the other ---

std::vector<Array> reference_matmul(std::span<const Array> in, const attribute_list& attributes) {
  const dims shape = support::result_shape(ops::matmul, in, attributes);
  const matmul_layout l = [&] {
    matmul_layout plain;
    plain.transpose_a = attributes.integer("transpose_a") != 0;
    plain.transpose_b = attributes.integer("transpose_b") != 0;
    plain.m = shape[shape.size() - 2], plain.n = shape.back();
    plain.k = in[0].shape()[in[0].rank() - (plain.transpose_a ? 2 : 1)];
    const dims batch(shape.begin(), shape.end() - 2);
    plain.a = matrix_offsets(in[0].shape(), batch);
    plain.b = matrix_offsets(in[1].shape(), batch);
    return plain;
  }();
  Array result(in[0].type(), shape);
  std::int64_t at = 0;
  for (std::size_t batch = 0; batch < l.a.size(); ++batch) {
    for (std::int64_t i = 0; i < l.m; ++i) {
      for (std::int64_t j = 0; j < l.n; ++j) {
        double sum = 0;
        for (std::int64_t p = 0; p < l.k; ++p) {
          sum +=
              support::element_at(in[0], l.a[batch] + (l.transpose_a ? p * l.m + i : i * l.k + p)) *
              support::element_at(in[1], l.b[batch] + (l.transpose_b ? j * l.k + p : p * l.n + j));
        }
        support::set_element(result, at++, sum);
      }
    }
  }
  return {result};
}

// --- samples ---

std::vector<operator_sample> matmul_samples() {
  struct matmul_case {
    dims a, b;
    bool ta = false, tb = false;
  };
  const matmul_case cases[] = {
      {{3, 5}, {5, 7}},
      {{5, 3}, {5, 7}, true, false},
      {{3, 5}, {7, 5}, false, true},
      {{5, 3}, {7, 5}, true, true},
      {{1, 1}, {1, 1}},
      {{1, 17}, {17, 1}},
      {{33, 9}, {9, 35}},
      {{0, 4}, {4, 3}},
      {{3, 0}, {0, 4}},
      {{2, 4}, {4, 0}},
      {{2, 3, 4}, {2, 4, 5}},
      {{2, 3, 4}, {4, 5}},        // one b for all
      {{3, 4}, {2, 4, 5}},        // one a for all
      {{2, 1, 3, 4}, {3, 4, 2}},  // both repeated
      {{2, 4, 3}, {1, 5, 4}, true, true},
      {{2, 4, 3}, {5, 4}, true, true},
      {{2, 3, 4}, {5, 4}, false, true},
      {{0, 3, 4}, {4, 5}},
  };
  std::vector<operator_sample> samples;
  for (const matmul_case& c : cases) {
    attribute_list attributes;
    if (c.ta) attributes.set("transpose_a", true);
    if (c.tb) attributes.set("transpose_b", true);
    samples.push_back(
        {{support::spread(c.a, -1, 1, 1), support::spread(c.b, -1, 1, 2)}, attributes});
  }
  samples.push_back({.operands = {support::counting(dtype::int64, {3, 4}, -5, 1),
                                  support::counting(dtype::int64, {4, 2}, -3, 1)},
                     .attributes = {},
                     .differentiable = false});
  return samples;
}

std::vector<operator_error_sample> matmul_errors() {
  const auto f32 = [](const dims& shape) { return value_type::of(dtype::float32, shape); };
  attribute_list transposed;
  transposed.set("transpose_b", true);
  return {
      {{f32({3, 5}), f32({4, 7})}, {}, "the inner extents must be equal"},
      {{f32({3, 5}), f32({5, 7})}, transposed, "the inner extents must be equal"},
      {{f32({5}), f32({5, 7})}, {}, "a matrix must have at least two axes"},
      {{f32({2, 3, 5}), f32({4, 5, 7})}, {}, "the batch axes must be equal, or 1"},
      {{f32({3, 5}), value_type::of(dtype::float64, {5, 7})}, {}, "must have one element type"},
      {{value_type::of(dtype::boolean, {3, 5}), value_type::of(dtype::boolean, {5, 7})},
       {},
       "must have numbers as elements"},
  };
}

}  // namespace

void add_matmul_operators(std::vector<operator_definition>& all) {
  all.push_back({&ops::matmul, "MatMul", matmul_gradient, bind_matmul, reference_matmul,
                 matmul_samples, matmul_errors});
}

}  // namespace graft

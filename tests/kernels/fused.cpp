// The kernels of the forms that the library ships, against the kernels of their operators one after
// the other: the same bits, for odd sizes, rows and columns, NaN and infinity.
#include <bit>
#include <cstring>

#include "kernel_test.hpp"
#include "kernels/forms.hpp"

using namespace kt;
using graft::elementwise_form;
using graft::form_node;
using graft::form_op;
using graft::node_reference;
using graft::operand_class;

namespace {

template <class T>
using values = std::vector<T>;

// One operator over whole arrays.
template <class T>
void run_node(const kernel_table& table, const form_node& n, const T* a, const T* b,
              const values<std::uint8_t>& truth, T* y, std::uint8_t* yes, int64_t count) {
  const element e = element_of<T>();
  const auto number = [&](int k) { return std::bit_cast<double>(n.numbers[k]); };
  const double numbers[] = {number(0), number(1)};
  const auto place = [&](form_op first) {
    return static_cast<int>(n.op) - static_cast<int>(first);
  };
  if (n.op == form_op::select) {
    table.select(sizeof(T), operands::vv)(truth.data(), a, b, y, count);
  } else if (n.op >= form_op::equal) {
    table.compare(static_cast<compare_op>(place(form_op::equal)), e, operands::vv)(a, b, yes,
                                                                                   count);
  } else if (n.op >= form_op::relu_gradient) {
    static constexpr gradient_op ops[] = {
        gradient_op::relu,      gradient_op::tanh,       gradient_op::sigmoid,
        gradient_op::softplus,  gradient_op::silu,       gradient_op::gelu,
        gradient_op::gelu_tanh, gradient_op::leaky_relu, gradient_op::elu};
    table.gradient(ops[place(form_op::relu_gradient)], e)(a, b, y, count, numbers);
  } else if (n.op >= form_op::add) {
    static constexpr binary_op ops[] = {
        binary_op::add, binary_op::sub, binary_op::mul, binary_op::div,
        binary_op::pow, binary_op::max, binary_op::min, binary_op::squared_difference};
    table.binary(ops[place(form_op::add)], e, operands::vv)(a, b, y, count);
  } else {
    static constexpr unary_op ops[] = {
        unary_op::neg,        unary_op::abs,   unary_op::sign,       unary_op::square,
        unary_op::exp,        unary_op::expm1, unary_op::log,        unary_op::log1p,
        unary_op::sqrt,       unary_op::rsqrt, unary_op::reciprocal, unary_op::sin,
        unary_op::cos,        unary_op::erf,   unary_op::floor,      unary_op::ceil,
        unary_op::round,      unary_op::relu,  unary_op::tanh,       unary_op::sigmoid,
        unary_op::softplus,   unary_op::silu,  unary_op::gelu,       unary_op::gelu_tanh,
        unary_op::leaky_relu, unary_op::elu,   unary_op::clip};
    table.unary(ops[static_cast<int>(n.op)], e)(a, y, count, numbers);
  }
}

template <class T>
bool same(T a, T b) {
  return std::memcmp(&a, &b, sizeof(T)) == 0 || (a != a && b != b);
}

template <class T>
void check_form(const kernel_table& table, std::size_t number, int64_t rows, int64_t columns,
                int64_t stride, bool strange) {
  const elementwise_form& form = shipped_forms[number];
  const auto kernel = table.fused(number, element_of<T>());
  REQUIRE(kernel != nullptr);
  const int64_t count = rows * columns, room = rows == 0 ? 0 : (rows - 1) * stride + columns;
  const T odd[] = {static_cast<T>(NAN),
                   static_cast<T>(INFINITY),
                   static_cast<T>(-INFINITY),
                   T(0),
                   T(-0.0),
                   std::numeric_limits<T>::max()};
  std::vector<guarded<T>> given;
  std::vector<const void*> in;
  std::vector<values<T>> spread;  // operands as arrays of count elements
  for (int k = 0; k < form.operand_count; ++k) {
    const operand_class what = form.operands[k].what;
    const int64_t size = what == operand_class::full     ? room
                         : what == operand_class::row    ? columns
                         : what == operand_class::column ? rows
                                                         : 1;
    given.push_back(random_buffer<T>(size, -3, 3));
    guarded<T>& own = given.back();
    if (what == operand_class::constant) {
      own[0] = static_cast<T>(std::bit_cast<double>(form.operands[k].number));
    } else if (strange) {
      for (int64_t i = 0; i < size; i += 3) own[i] = odd[(i / 3 + k) % 6];
    }
    values<T> all;
    for (int64_t i = 0; i < count; ++i) {
      const int64_t r = i / columns, c = i % columns;
      all.push_back(own[what == operand_class::full     ? r * stride + c
                        : what == operand_class::row    ? c
                        : what == operand_class::column ? r
                                                        : 0]);
    }
    spread.push_back(std::move(all));
  }
  for (const guarded<T>& g : given) in.push_back(g.data());
  std::vector<guarded<T>> results;
  std::vector<void*> out;
  for (std::size_t o = 0; o < form.output_count(); ++o) results.emplace_back(room, T(77));
  for (guarded<T>& r : results) out.push_back(r.data());
  kernel({in.data(), out.data(), rows, columns, stride});

  std::vector<values<T>> nodes;
  std::vector<values<std::uint8_t>> truths;
  std::size_t stored = 0;
  for (int i = 0; i < form.node_count; ++i) {
    const form_node& n = form.nodes[i];
    const int first = n.op == form_op::select ? 1 : 0;
    const auto operand = [&](int k) {
      return n.operands[k] >= node_reference
                 ? nodes[static_cast<std::size_t>(n.operands[k] - node_reference)].data()
                 : spread[n.operands[k]].data();
    };
    nodes.emplace_back(static_cast<std::size_t>(count));
    truths.emplace_back(static_cast<std::size_t>(count));
    run_node<T>(table, n, operand(first), operand(first + 1), truths.back(), nodes.back().data(),
                truths.back().data(), count);
    if (!n.stored) continue;
    for (int64_t e = 0; e < count; ++e) {
      const T got = results[stored][e / columns * stride + e % columns];
      const T wanted = nodes.back()[static_cast<std::size_t>(e)];
      if (same(got, wanted)) continue;
      FAIL(graft::to_string(form) << ": element " << e << " of " << rows << "x" << columns << " is "
                                  << got << ", not " << wanted);
    }
    for (int64_t r = 0; r + 1 < rows; ++r) {  // what lies between rows stays
      for (int64_t c = columns; c < stride; ++c) REQUIRE(results[stored][r * stride + c] == T(77));
    }
    REQUIRE(results[stored].intact());
    ++stored;
  }
}

}  // namespace

TEMPLATE_TEST_CASE("compiled forms have the bits of their operators", "[fused]", float, double) {
  for (const isa_info& i : available()) {
    for (std::size_t f = 0; f < shipped_form_count; ++f) {
      INFO(i.name << " " << graft::to_string(shipped_forms[f]));
      for (const int64_t columns : {1, 3, 8, 17, 100}) {
        check_form<TestType>(*i.table, f, 1, columns, columns, false);
        check_form<TestType>(*i.table, f, 3, columns, columns, true);
        check_form<TestType>(*i.table, f, 2, columns, columns + 5, true);
      }
      check_form<TestType>(*i.table, f, 0, 5, 5, false);
    }
  }
}

TEST_CASE("no rows or columns are no work", "[fused]") {
  for (const isa_info& i : available()) {
    for (std::size_t f = 0; f < shipped_form_count; ++f) {
      const auto kernel = i.table->fused(f, element::f32);
      kernel({nullptr, nullptr, 0, 5, 5});
      kernel({nullptr, nullptr, 3, 0, 0});
    }
    CHECK(i.table->fused(shipped_form_count, element::f32) == nullptr);
    CHECK(i.table->fused(0, element::i32) == nullptr);
  }
}

TEST_CASE("a result may be written over a full operand", "[fused]") {
  for (const isa_info& i : available()) {
    const auto sum = std::size_t(2);  // f0 r1 add relu f2 add
    REQUIRE(shipped_forms[sum].operands[0].what == operand_class::full);
    const auto kernel = i.table->fused(sum, element::f32);
    for (const int64_t n : {1, 7, 16, 33}) {
      std::vector<guarded<float>> in;
      for (int k = 0; k < 3; ++k) in.push_back(random_buffer<float>(n));
      const void* from[] = {in[0].data(), in[1].data(), in[2].data()};
      guarded<float> apart(n);
      void* out[] = {apart.data()};
      kernel({from, out, 1, n, n});
      out[0] = in[0].data();
      kernel({from, out, 1, n, n});
      CHECK(in[0].same_bits(apart));
    }
  }
}

TEST_CASE("the shipped forms are canonical and differ", "[fused]") {
  for (std::size_t f = 0; f < shipped_form_count; ++f) {
    INFO(graft::to_string(shipped_forms[f]));
    CHECK(graft::canonical(shipped_forms[f]).form == shipped_forms[f]);
    for (std::size_t g = 0; g < f; ++g) CHECK(!(shipped_forms[g] == shipped_forms[f]));
  }
}

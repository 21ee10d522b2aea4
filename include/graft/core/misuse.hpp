// The compile-time diagnostics of what no tensor can do, or what is no tensor. Each is a template without a
// definition, so that its name and its arguments stand in the first error of every compiler.
#pragma once

#include "graft/core/text.hpp"

namespace graft {

/// What a diagnostic is about: a shape, or the type of an operand.
template <class What>
struct got;

/// An operand of the function or operator is no tensor. Beside a tensor, operators and functions of two operands take a number, too.
///
/// An array of values goes in by constant(graph, array), or by feed(x, array) when the graph runs; a layer is called
/// on a tensor first, as in dense<10>(x).
template <text Function, class... Got>
struct operands_are_tensors;

/// The function takes one tensor, and after it a name at most: relu(x, "gate"). max and min choose among the elements of
/// one tensor; the larger or the smaller of two, element by element, is maximum(a, b) or minimum(a, b).
template <text Function>
struct takes_one_tensor;

/// The function takes two tensors. The largest or smallest element of one is max(x) or min(x).
template <text Function>
struct takes_two_tensors;

/// The axis is told in the function's template arguments, as in concat<1>(a, b); one that is known only when the
/// program runs follows a list of tensors: concat(std::vector{a, b}, axis).
template <text Function>
struct axis_is_a_template_argument;

/// What follows the tensor tells the axes, which are whole numbers: sum(x), sum(x, 0), sum(x, {0, -1}), or dims. A sum or a
/// mean with weights is that of a product: sum(x * weights).
template <text Function>
struct axes_are_whole_numbers;

/// A tensor was asked for its value where the network is built: it has values only when the graph runs.
///
/// Choose between elements by select(condition, a, b), between networks by cond or while_loop; instead of std::max there is
/// maximum(a, b). The value itself is what session.run(x) returns.
template <class Got>
struct values_come_when_it_runs;

/// `==` or `!=` on tensors would seem to compare handles. Write equal(a, b) or not_equal(a, b), which compare element by
/// element; whether two handles name one tensor of a graph tells `a.ref() == b.ref()`.
template <class A, class B>
struct tensors_are_compared_by_equal;

/// Tensors have no such operator. Parts are taken by slice, gather, split and crop; truth values are joined by `&&`, `||`,
/// `!` and logical_xor; instead of `++x` there is `x += 1`.
template <text Symbol, class... Got>
struct no_operator_of_tensors;

/// `a += b` lets a name another tensor. A constant handle cannot, and a variable is not to be forgotten so: its
/// value is changed by assign(variable, value) when the graph runs.
template <text Symbol, class Got>
struct handle_names_one_tensor;

}  // namespace graft

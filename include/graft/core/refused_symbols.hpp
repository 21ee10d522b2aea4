// The operators of C++ on handles that are refused, in words: beside what is no tensor, and those that tensors do not
// have. Their result types have no definition, so that none can be called, and `requires` says so.
#pragma once

#include "graft/core/misuse.hpp"
#include "graft/core/symbols.hpp"

namespace graft::detail {

// A handle beside what cannot stand there; numbers can, except beside `&&` and `||`.
template <class A, class B>
inline constexpr bool odd_partners =
    (is_tensor<A> || is_tensor<B>) && !(beside_handle<A> && beside_handle<B>);
template <class A, class B>
inline constexpr bool odd_logic = is_tensor<A> != is_tensor<B>;
template <class A, class B>
inline constexpr bool with_tensor = is_tensor<A> || is_tensor<B>;
template <class A, class B>
using partner = std::conditional_t<is_tensor<A>, B, A>;

template <class A, class B, only_if<odd_partners<A, B>> = 0>
operands_are_tensors<"+", got<partner<A, B>>> operator+(const A&, const B&);
template <class A, class B, only_if<odd_partners<A, B>> = 0>
operands_are_tensors<"-", got<partner<A, B>>> operator-(const A&, const B&);
template <class A, class B, only_if<odd_partners<A, B>> = 0>
operands_are_tensors<"*", got<partner<A, B>>> operator*(const A&, const B&);
template <class A, class B, only_if<odd_partners<A, B>> = 0>
operands_are_tensors<"/", got<partner<A, B>>> operator/(const A&, const B&);
template <class A, class B, only_if<odd_partners<A, B>> = 0>
operands_are_tensors<"<", got<partner<A, B>>> operator<(const A&, const B&);
template <class A, class B, only_if<odd_partners<A, B>> = 0>
operands_are_tensors<"<=", got<partner<A, B>>> operator<=(const A&, const B&);
template <class A, class B, only_if<odd_partners<A, B>> = 0>
operands_are_tensors<">", got<partner<A, B>>> operator>(const A&, const B&);
template <class A, class B, only_if<odd_partners<A, B>> = 0>
operands_are_tensors<">=", got<partner<A, B>>> operator>=(const A&, const B&);
template <class A, class B, only_if<odd_logic<A, B>> = 0>
operands_are_tensors<"&&", got<partner<A, B>>> operator&&(const A&, const B&);
template <class A, class B, only_if<odd_logic<A, B>> = 0>
operands_are_tensors<"||", got<partner<A, B>>> operator||(const A&, const B&);

template <class A, class B, only_if<with_tensor<A, B>> = 0>
tensors_are_compared_by_equal<got<A>, got<B>> operator==(const A&, const B&);
template <class A, class B, only_if<with_tensor<A, B>> = 0>
tensors_are_compared_by_equal<got<A>, got<B>> operator!=(const A&, const B&);

template <class A, class B, only_if<with_tensor<A, B>> = 0>
no_operator_of_tensors<"%", got<A>, got<B>> operator%(const A&, const B&);
template <class A, class B, only_if<with_tensor<A, B>> = 0>
no_operator_of_tensors<"&", got<A>, got<B>> operator&(const A&, const B&);
template <class A, class B, only_if<with_tensor<A, B>> = 0>
no_operator_of_tensors<"|", got<A>, got<B>> operator|(const A&, const B&);
template <class A, class B, only_if<with_tensor<A, B>> = 0>
no_operator_of_tensors<"^", got<A>, got<B>> operator^(const A&, const B&);
template <class A, only_if<is_tensor<A>> = 0>
no_operator_of_tensors<"~", got<A>> operator~(const A&);

template <class A, only_if<is_tensor<A>> = 0>
no_operator_of_tensors<"++", got<A>> operator++(const A&);
template <class A, only_if<is_tensor<A>> = 0>
no_operator_of_tensors<"++", got<A>> operator++(const A&, int);
template <class A, only_if<is_tensor<A>> = 0>
no_operator_of_tensors<"--", got<A>> operator--(const A&);
template <class A, only_if<is_tensor<A>> = 0>
no_operator_of_tensors<"--", got<A>> operator--(const A&, int);

// `a += b` where a is constant or more than a handle, or b cannot stand there.
template <class A, class B>
inline constexpr bool odd_change =
    is_tensor<A> && !(is_rebindable<std::remove_reference_t<A>> && beside_handle<B>);
template <text Symbol, class A, class B>
using refused_change = std::conditional_t<beside_handle<B>, handle_names_one_tensor<Symbol, got<A>>,
                                          operands_are_tensors<Symbol, got<B>>>;

template <class A, class B, only_if<odd_change<A, B>> = 0>
refused_change<"+=", A, B> operator+=(A&&, const B&);
template <class A, class B, only_if<odd_change<A, B>> = 0>
refused_change<"-=", A, B> operator-=(A&&, const B&);
template <class A, class B, only_if<odd_change<A, B>> = 0>
refused_change<"*=", A, B> operator*=(A&&, const B&);
template <class A, class B, only_if<odd_change<A, B>> = 0>
refused_change<"/=", A, B> operator/=(A&&, const B&);

}  // namespace graft::detail

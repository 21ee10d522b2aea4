// The forms of elementwise chains that the library has kernels for: what plans of networks and their
// gradients are full of.
#pragma once

#include "graft/core/form.hpp"

namespace graft::kernels {

// clang-format off

// Of an activation whose gradient reads the result.
#define GRAFT_FORMS_BY_RESULT(name)                                          \
  form_of("f0 r1 add " #name),             /* a layer */                     \
  form_of("f0 f1 add " #name),             /* a residual connection */       \
  form_of("f0 r1 add " #name " f2 add"),                                     \
  form_of("f0 r1 add " #name "! f2 add"),  /* while training */              \
  form_of("f0 f1 add f2 " #name "_gradient"),                                \
  form_of("f0 f1 mul f2 " #name "_gradient")
// Of an activation whose gradient reads the operand.
#define GRAFT_FORMS_BY_OPERAND(name)                                         \
  form_of("f0 r1 add " #name),                                               \
  form_of("f0 r1 add! " #name),                                              \
  form_of("f0 f1 add " #name),                                               \
  form_of("f0 f1 add! " #name),                                              \
  form_of("f0 r1 add " #name " f2 add"),                                     \
  form_of("f0 r1 add! " #name " f2 add"),                                    \
  form_of("f0 f1 add f2 " #name "_gradient")

inline constexpr elementwise_form shipped_forms[] = {
    GRAFT_FORMS_BY_RESULT(relu),
    GRAFT_FORMS_BY_RESULT(tanh),
    GRAFT_FORMS_BY_RESULT(sigmoid),
    GRAFT_FORMS_BY_OPERAND(gelu),
    GRAFT_FORMS_BY_OPERAND(silu),
    form_of("f0 f1 mul f2 add tanh f3 mul f0 add relu"),

    // Sums, products, scales and shifts.
    form_of("f0 f1 add f2 add"),
    form_of("f0 r1 add f2 add"),
    form_of("f0 f1 mul f2 add"),
    form_of("f0 f1 mul f2 f3 mul add"),
    form_of("f0 s1 mul f2 add"),
    form_of("f0 s1 mul f2 s3 mul add"),
    form_of("f0 s1 mul s2 add"),
    form_of("f0 r1 mul r2 add"),
    form_of("f0 r1 mul r2 add relu"),
    form_of("f0 c1 mul c2 add"),
    form_of("f0 c1 mul c2 add relu"),
    form_of("f0 f1 sub s2 mul f1 add"),  // one follows the other slowly

    // Losses and their gradients.
    form_of("f0 f1 sub square"),
    form_of("f0 r1 add f2 squared_difference"),
    form_of("f0 f1 sub f2 mul #2 mul"),
    form_of("f0 r1 add f2 sub f3 mul #2 mul"),
    form_of("f0 f1 sub c2 mul"),         // softmax and cross entropy
    form_of("f0 f1 mul #2 mul"),         // a square

    // Normalisation over batches (rows of features) and layers (columns), and their gradients.
    form_of("f0 s1 add rsqrt"),
    form_of("f0 r1 sub! square"),
    form_of("f0 c1 sub! square"),
    form_of("f0 r1 sub r2 mul"),
    form_of("f0 c1 sub c2 mul"),
    form_of("f0 r1 sub r2 mul r3 mul r4 add"),
    form_of("f0 r1 sub r2 mul r3 mul r4 add relu"),
    form_of("f0 r1 mul! f2 r3 mul! n0 n1 mul"),
    form_of("f0 c1 mul! f2 r3 mul! n0 n1 mul"),
    form_of("f0 c1 sub f2 c3 mul sub c4 mul"),
    form_of("f0 r1 sub f2 r3 mul sub r4 mul"),
    form_of("f0 r1 sub f2 r3 mul sub r4 mul f5 relu_gradient"),
    form_of("f0 r1 sub f2 r3 mul sub r4 mul f5 tanh_gradient"),
    form_of("f0 c1 sub f2 c3 mul sub c4 mul! f5 relu_gradient"),
    form_of("f0 f1 relu_gradient! r2 mul! f4 c3 mul! n1 n2 mul"),

    // Gates of recurrent layers.
    form_of("f0 sigmoid f1 mul"),
    form_of("f0 sigmoid! f1 mul"),
    form_of("f0 sigmoid! f1 mul f2 sigmoid! f3 tanh! n2 n3 mul n1 n4 add tanh"),
    form_of("f0 sigmoid f1 mul f2 sigmoid f3 tanh n2 n3 mul n1 n4 add tanh"),
};
#undef GRAFT_FORMS_BY_RESULT
#undef GRAFT_FORMS_BY_OPERAND
// clang-format on

inline constexpr std::size_t shipped_form_count = sizeof(shipped_forms) / sizeof(shipped_forms[0]);

}  // namespace graft::kernels

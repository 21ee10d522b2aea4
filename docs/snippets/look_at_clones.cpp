// The code of the page on looking at clones.
#include <graft/graft.hpp>

#include "check.hpp"

using namespace graft;

int main() {
  Graph g;
  auto x = placeholder<float, shape<2, 8>>(g, "x");
  auto trunk = relu(dense<4, "trunk">(x));
  auto y = dense<3, "head">(trunk);
  auto x2 = placeholder<float, shape<2, 8>>(g, "x2");

  //! [account]
  Clone copy = clone(extract(inputs(x), outputs(y)), bind(x, x2), into("copy"),
                     variables::by_scope({{"trunk/**", variables::shared}}, variables::fresh));
  std::string account = to_string(copy);
  //! [account]
  check(account ==
            //! [account_text]
            "clone of 9 ops in 'copy'\n"
            "  input 'x': 'x2' float32 [2, 8]\n"
            "  output 'head/add': 'copy/head/add' float32 [2, 3]\n"
            "  variable 'trunk/kernel' float32 [8, 4]: shared\n"
            "  variable 'trunk/bias' float32 [4]: shared\n"
            "  variable 'head/kernel' float32 [4, 3]: fresh, 'copy/head/kernel'\n"
            "  variable 'head/bias' float32 [3]: fresh, 'copy/head/bias'\n"
        //! [account_text]
        ,
        account.c_str());

  //! [explain]
  std::string what = explain(copy, "copy/head/kernel");
  //! [explain]
  check(what ==
            //! [explain_text]
            "'copy/head/kernel' is a variable of float32 [4, 3]\n"
            "  clone: fresh, from 'head/kernel'\n"
            "  role: parameter\n"
            "  value: none yet\n"
            "  starts as: 'copy/head/kernel_initial' (random_uniform)\n"
            "  cloned from: 'head/kernel'\n"
            "  used by: 'copy/head/matmul'\n"
        //! [explain_text]
        ,
        what.c_str());
  check(explain(g, "trunk").find("a scope of") != std::string::npos, "scopes are explained");

  //! [audit]
  copy.check();  // throws graph_error with the first thing that does not correspond
  for (const source_access& access : copy.leak_audit()) {
    check(access.allowed, "only what is shared is read");
  }
  //! [audit]
  check(copy.leak_audit().size() == 2, "kernel and bias of the trunk");

  //! [reshaped]
  auto wide = placeholder<float, shape<5, 8>>(g, "wide");
  Clone five = clone(extract(inputs(x), outputs(y)), bind_reshaped(x, wide), variables::shared);
  auto y5 = as<float, shape<5, 3>>(five(any_tensor(y)));
  //! [reshaped]
  check_refused([&] { (void)five(y); }, "[2, 3]");
  (void)y5;
}

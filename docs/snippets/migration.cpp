// What Keras, PyTorch, CNTK and ONNX call their functions, and what stands in their place.
#include <cstdio>
#include <string_view>

#include <graft/graft.hpp>

#include "check.hpp"

using namespace graft;

namespace {

const Array ones = Array::full<float>({2, 4}, 1.0f);

void keras_and_torch() {
  Graph g;
  auto x = placeholder<float, shape<dyn, 4>>(g, "x");
  auto x2 = placeholder<float, shape<dyn, 4>>(g, "x2");
  auto y = dense<2, "head">(relu(dense<8, "trunk">(x)));
  Session session(g);
  session.initialize();
  Region model = extract(inputs(x), outputs(y));
  {
    //! [keras]
    Clone anew = clone(model, variables::fresh);               // clone_model(model)
    Clone onto = clone(model, bind(x, x2), variables::fresh);  // ..., input_tensors=x2
    Clone equal =
        clone(model, bind(x, x2), variables::copied);  // ... and set_weights(get_weights())
    session.run(onto.initializer());
    copy_values(onto);  // onto.set_weights(model.get_weights())
    //! [keras]
    const Array wanted = session.run(y, feed(x, ones));
    check(session.run(equal(y), feed(x2, ones)).same_bits(wanted),
          "copied values compute the same");
    check(session.run(onto(y), feed(x2, ones)).same_bits(wanted), "and so do those copied later");
    check(anew.inputs().size() == 1, "an input that is not bound is a placeholder");
  }
  {
    auto loss = mean(square(y));
    //! [torch]
    Clone deep = clone(model, bind(x, x2), variables::copied);  // copy.deepcopy(model)

    // functional_call(model, {name: w - 0.1 * grad}, x2)
    std::vector<any_tensor> weights, stepped;
    for (variable_id v : trainable_variables(y)) weights.push_back(g.handle(g.variable_of(v).read));
    auto slopes = gradients(loss, weights);
    for (std::size_t i = 0; i < weights.size(); ++i)
      stepped.push_back(weights[i] - slopes[i] * 0.1f);
    Clone called = clone(model, bind(x, x2), variables::expr(weights, stepped));
    //! [torch]
    check(deep.variables().size() == 4, "a deep copy has variables of its own");
    check(called.variables().empty(), "a functional call has none");
    const Array before = session.run(y, feed(x, ones));
    const Array after = session.run(called(y), feed(x, ones), feed(x2, ones));
    check(!before.same_bits(after), "the step is taken");
    check(session.run(y, feed(x, ones)).same_bits(before), "and the model is as it was");
  }
}

void cntk_and_onnx() {
  Graph g;
  auto x = placeholder<float, shape<dyn, 4>>(g, "x");
  auto x2 = placeholder<float, shape<dyn, 4>>(g, "x2");
  auto h = relu(dense<8, "trunk">(x));
  auto y = dense<2, "head">(h);
  Session session(g);
  session.initialize();
  {
    Region model = extract(inputs(x), outputs(y));
    //! [cntk]
    clone(model, bind(x, x2), variables::copied);  // clone(CloneMethod.clone, {x: x2})
    clone(model, bind(x, x2), variables::shared);  // CloneMethod.share
    clone(model, bind(x, x2), variables::frozen);  // CloneMethod.freeze
    //! [cntk]
  }
  //! [onnx]
  // extract_model("in.onnx", "trunk.graft", ["x"], ["h"])
  save_region("trunk.graft", extract(inputs(x), outputs(h)));
  Graph other;
  loaded_region trunk = load_region(other, "trunk.graft");
  //! [onnx]
  std::remove("trunk.graft");
  Session reader(other);
  check(reader.run(trunk.outputs[0], feed(trunk.inputs[0], ones))
            .same_bits(session.run(h, feed(x, ones))),
        "what was saved computes the same");
}

}  // namespace

int main() {
  keras_and_torch();
  cntk_and_onnx();
}

// Holds docs/how-to/static-networks.md to the operators: every one that is registered stands in one of its two lists, in that
// which is true.
//
//     static_operators PAGE
#include <cstdio>
#include <fstream>
#include <iterator>
#include <set>
#include <string>

#include "graft/graph/operator.hpp"
#include "graft/static/kinds.hpp"

namespace {

// The names in `code` of a section of the page.
std::set<std::string> names_of(const std::string& page, const std::string& heading) {
  std::set<std::string> names;
  const std::size_t begin = page.find("## " + heading + "\n");
  if (begin == std::string::npos) return names;
  const std::string section = page.substr(begin, page.find("\n## ", begin) - begin);
  for (std::size_t at = section.find('`'); at != std::string::npos; at = section.find('`', at)) {
    const std::size_t end = section.find('`', at + 1);
    if (end == std::string::npos) break;
    names.insert(section.substr(at + 1, end - at - 1));
    at = end + 1;
  }
  return names;
}

}  // namespace

int main(int argc, char** argv) {
  std::ifstream file(argc > 1 ? argv[1] : "");
  const std::string page{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  const std::set<std::string> run = names_of(page, "Operators that run");
  const std::set<std::string> others = names_of(page, "Operators that do not run");
  int wrong = 0;
  for (const graft::operator_definition* d : graft::all_operators()) {
    const std::string name(d->schema->name);
    const bool runs = graft::fixed::kind_of(*d->schema) != graft::fixed::kind::other;
    if (run.count(name) == (runs ? 1u : 0u) && others.count(name) == (runs ? 0u : 1u)) continue;
    std::printf("'%s' %s in static networks; the page does not list it so, and only so.\n",
                name.c_str(), runs ? "runs" : "does not run");
    ++wrong;
  }
  std::printf("%s\n", wrong == 0 ? "The page lists every operator where it belongs." : argv[1]);
  return wrong == 0 ? 0 : 1;
}

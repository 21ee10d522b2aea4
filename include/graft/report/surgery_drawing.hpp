// Pictures of regions and clones.
#pragma once

#include "graft/report/drawing.hpp"
#include "graft/surgery/clone.hpp"
#include "graft/surgery/region.hpp"

namespace graft {

/// The region alone, its boundary as ports.
drawing draw(const Region& region);
/// The region and its clone side by side in two colours, ops that both use drawn as shared. Where the clone is in another
/// graph only the clone is drawn.
drawing draw(const Region& region, const Clone& clone);

/// The region alone.
std::string dot(const Region& region);
/// The region and its clone side by side.
std::string dot(const Region& region, const Clone& clone);
/// The region alone.
std::string svg(const Region& region);
/// The region and its clone side by side.
std::string svg(const Region& region, const Clone& clone);

}  // namespace graft

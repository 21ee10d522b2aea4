// A region file of version 2 of the format, as save_region() wrote it for version_2() of
// region_version.cpp. It stays as it is.
#pragma once

#include <string_view>

namespace graft_test {

// clang-format off
inline constexpr std::string_view region_version_2{
    "\220\004\000\000\000\000\000\000{\"__metadata__\":{\"format\":\"graft\",\"graft.checksum\""
    ":\"cc4c1db7d93bd708\",\"graft.region\":\"{\\\"version\\\":2,\\\"inputs\\\":[{\\\"name\\\":"
    "\\\"x\\\",\\\"type\\\":\\\"float32\\\",\\\"shape\\\":[\\\"batch\\\",3]},{\\\"name\\\":\\\""
    "net/inner\\\",\\\"type\\\":\\\"float32\\\",\\\"shape\\\":[3],\\\"value\\\":\\\"/0\\\"},{\\"
    "\"name\\\":\\\"net/mask\\\",\\\"type\\\":\\\"float32\\\",\\\"shape\\\":[3],\\\"value\\\":"
    "\\\"/1\\\"},{\\\"name\\\":\\\"net/first\\\",\\\"type\\\":\\\"float32\\\",\\\"shape\\\":[3]"
    ",\\\"value\\\":\\\"/2\\\"}],\\\"kept\\\":3,\\\"ops\\\":[{\\\"op\\\":\\\"mul\\\",\\\"name\\"
    "\":\\\"net/mul\\\",\\\"in\\\":[\\\"in0\\\",\\\"in2\\\"]},{\\\"op\\\":\\\"variable\\\",\\\""
    "name\\\":\\\"net/w\\\",\\\"attributes\\\":{\\\"shape\\\":{\\\"integers\\\":[3]},\\\"type\\"
    "\":{\\\"type\\\":\\\"float32\\\"},\\\"variable\\\":{\\\"variable\\\":0}}},{\\\"op\\\":\\\""
    "mul\\\",\\\"name\\\":\\\"net/mul_1\\\",\\\"in\\\":[\\\"0\\\",\\\"1\\\"]},{\\\"op\\\":\\\"a"
    "dd\\\",\\\"name\\\":\\\"net/y\\\",\\\"in\\\":[\\\"2\\\",\\\"in1\\\"]}],\\\"outputs\\\":[\\"
    "\"3\\\"],\\\"variables\\\":[{\\\"read\\\":1,\\\"initial\\\":\\\"in3\\\",\\\"role\\\":\\\"p"
    "arameter\\\",\\\"trainable\\\":true,\\\"stream\\\":9921471175719949855,\\\"value\\\":true}"
    "],\\\"collections\\\":{}}\"},\"net/w\":{\"dtype\":\"F32\",\"shape\":[3],\"data_offsets\":["
    "0,12]},\"/0\":{\"dtype\":\"F32\",\"shape\":[3],\"data_offsets\":[12,24]},\"/1\":{\"dtype\""
    ":\"F32\",\"shape\":[3],\"data_offsets\":[24,36]},\"/2\":{\"dtype\":\"F32\",\"shape\":[3],"
    "\"data_offsets\":[36,48]}}    \000\000\200>\000\000\000?\000\000@?\000\000\000?\000\000"
    "\000\000\000\000\200\277\000\000\200?\000\000\000\300\000\000@@\000\000\000@\000\000\000@"
    "\000\000\000@",
    1224};
// clang-format on

}  // namespace graft_test

# find_package(backchannel): what a connector built outside the source tree needs.
include(CMakeFindDependencyMacro)
find_dependency(OpenSSL 3.0)
find_dependency(Threads)
include("${CMAKE_CURRENT_LIST_DIR}/backchannel-targets.cmake")
include("${CMAKE_CURRENT_LIST_DIR}/connector.cmake")

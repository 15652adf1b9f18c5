# What `cmake --install` puts down: the program with its connectors, and what authors of connectors
# need to build theirs elsewhere: headers, library, CMake package, scaffold, guide.
include(CMakePackageConfigHelpers)
set(package_dir lib/cmake/backchannel)
set(sdk "${PROJECT_SOURCE_DIR}/connectors/sdk")

install(TARGETS backchannel EXPORT backchannel-targets RUNTIME DESTINATION bin)
install(TARGETS connector_sdk EXPORT backchannel-targets ARCHIVE DESTINATION lib/backchannel)
install(EXPORT backchannel-targets NAMESPACE backchannel:: DESTINATION ${package_dir})
file(GLOB headers "${sdk}/*.h")
list(REMOVE_ITEM headers "${sdk}/all.h")
install(FILES ${headers} DESTINATION include/backchannel/connectors/sdk)
write_basic_package_version_file("${CMAKE_BINARY_DIR}/generated/backchannel-config-version.cmake"
  COMPATIBILITY SameMajorVersion)
install(FILES "${sdk}/backchannel-config.cmake" "${sdk}/connector.cmake" "${sdk}/connector.map"
  "${CMAKE_BINARY_DIR}/generated/backchannel-config-version.cmake" DESTINATION ${package_dir})
install(DIRECTORY "${sdk}/template" DESTINATION share/backchannel)
install(PROGRAMS "${PROJECT_SOURCE_DIR}/scripts/new-connector" DESTINATION bin
  RENAME backchannel-new-connector)
install(FILES "${PROJECT_SOURCE_DIR}/docs/CONNECTORS.md" DESTINATION share/doc/backchannel)

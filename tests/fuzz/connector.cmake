# Fixtures are deliveries; the files in the corpus are operations.
file(GLOB fixture_folders RELATIVE "${PROJECT_SOURCE_DIR}" "${PROJECT_SOURCE_DIR}/tests/fixtures/*"
  "${PROJECT_SOURCE_DIR}/tests/fixtures/*/*")
list(FILTER fixture_folders EXCLUDE REGEX "[.][a-z]+$")
gateway_fuzz(connector SOURCES connector_fuzz.cc CORPUS tests/fuzz/corpus/connector
  ${fixture_folders} LINK gateway_plugins connector_all)

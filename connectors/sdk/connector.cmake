# One connector: the shared object the gateway loads.
#   add_connector(telegram telegram.cc)
# Sources find their schema as kConfigSchema in "connectors/telegram/config_schema.h".
#
# In the source tree the schema is schemas/connectors/telegram.schema.json, the object is made in
# ${CMAKE_BINARY_DIR}/connectors (target connector_telegram_so), and the same sources become a static
# library for tests and fuzzing (connector_telegram).
# With an installed Backchannel (find_package(backchannel)) the schema is telegram.schema.json beside
# the CMakeLists.txt, the object is made in ${CMAKE_CURRENT_BINARY_DIR}, and a folder fixtures/ makes
# the test telegram_contract.
set(CONNECTOR_SDK_DIR "${CMAKE_CURRENT_LIST_DIR}")

function(embed_connector_schema type schema)
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS "${schema}")
  file(READ "${schema}" text)
  set(header "${CMAKE_BINARY_DIR}/generated/connectors/${type}/config_schema.h")
  file(CONFIGURE OUTPUT "${header}" CONTENT "#pragma once
namespace {
constexpr char kConfigSchema[] = R\"schema(@text@)schema\";
}  // namespace
" @ONLY)
endfunction()

# The shared object alone; the contract suite's broken samples are built with it too.
function(add_connector_module target type folder)
  add_library(${target} MODULE ${ARGN})
  set_target_properties(${target} PROPERTIES PREFIX "" OUTPUT_NAME ${type} SUFFIX ".so"
    LIBRARY_OUTPUT_DIRECTORY "${folder}" CXX_VISIBILITY_PRESET hidden)
  target_compile_features(${target} PRIVATE cxx_std_20)
  target_include_directories(${target} PRIVATE "${CMAKE_BINARY_DIR}/generated")
  target_link_libraries(${target} PRIVATE backchannel::connector_sdk)
  # Without the script weak symbols of libstdc++ would be exported too and could be mixed up
  # between connectors built by different compilers.
  target_link_options(${target} PRIVATE "-Wl,--version-script=${CONNECTOR_SDK_DIR}/connector.map")
  set_property(TARGET ${target} APPEND PROPERTY LINK_DEPENDS "${CONNECTOR_SDK_DIR}/connector.map")
endfunction()

function(add_connector type)
  if(NOT TARGET connector_sdk)
    embed_connector_schema(${type} "${CMAKE_CURRENT_SOURCE_DIR}/${type}.schema.json")
    add_connector_module(connector_${type}_so ${type} "${CMAKE_CURRENT_BINARY_DIR}" ${ARGN})
    if(IS_DIRECTORY "${CMAKE_CURRENT_SOURCE_DIR}/fixtures")
      add_test(NAME ${type}_contract COMMAND backchannel::backchannel connectors check
        $<TARGET_FILE:connector_${type}_so> --fixtures "${CMAKE_CURRENT_SOURCE_DIR}/fixtures")
    endif()
    return()
  endif()
  embed_connector_schema(${type} "${PROJECT_SOURCE_DIR}/schemas/connectors/${type}.schema.json")
  add_connector_module(connector_${type}_so ${type} "${CMAKE_BINARY_DIR}/connectors" ${ARGN})
  install(TARGETS connector_${type}_so LIBRARY DESTINATION lib/backchannel/connectors)
  add_library(connector_${type} STATIC ${ARGN})
  target_compile_definitions(connector_${type} PRIVATE CONNECTOR_ENTRY=gwc_connector_${type})
  target_include_directories(connector_${type} PRIVATE "${CMAKE_BINARY_DIR}/generated")
  target_link_libraries(connector_${type} PUBLIC connector_sdk)
  set_property(GLOBAL APPEND PROPERTY CONNECTOR_TYPES ${type})
endfunction()

# Library connector_all: every connector of this build in one list (connectors/sdk/all.h), for tests.
function(add_connector_list)
  get_property(types GLOBAL PROPERTY CONNECTOR_TYPES)
  set(declarations "")
  set(entries "")
  set(libraries "")
  foreach(type ${types})
    string(APPEND declarations "extern \"C\" const gwc_connector* gwc_connector_${type}(void);\n")
    string(APPEND entries "      gwc_connector_${type}(),\n")
    list(APPEND libraries connector_${type})
  endforeach()
  set(source "${CMAKE_BINARY_DIR}/generated/connectors/all.cc")
  file(CONFIGURE OUTPUT "${source}" CONTENT "#include \"connectors/sdk/all.h\"

@declarations@
namespace connector {
std::vector<const gwc_connector*> all() {
  return {
@entries@  };
}
}  // namespace connector
" @ONLY)
  add_library(connector_all STATIC "${source}")
  target_link_libraries(connector_all PUBLIC ${libraries} connector_sdk)
endfunction()

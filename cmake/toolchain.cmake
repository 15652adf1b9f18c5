# Language level, warnings and hardening, for every target of ours.
set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_C_STANDARD 11)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY "${CMAKE_BINARY_DIR}")

option(BACKCHANNEL_TESTS "Build the tests" ON)
option(BACKCHANNEL_WERROR "Treat warnings as errors" ON)
set(BACKCHANNEL_SANITIZE "" CACHE STRING "Sanitizers, as -fsanitize= takes them: address,undefined or thread")
option(BACKCHANNEL_FUZZ "Build the fuzz targets with libFuzzer (needs clang)" OFF)

if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE Release CACHE STRING "" FORCE)
endif()

find_program(CCACHE ccache)
if(CCACHE)
  set(CMAKE_C_COMPILER_LAUNCHER "${CCACHE}")
  set(CMAKE_CXX_COMPILER_LAUNCHER "${CCACHE}")
endif()

add_compile_options(-Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wno-missing-field-initializers)
if(BACKCHANNEL_WERROR)
  add_compile_options(-Werror)
endif()
add_compile_options(-fstack-protector-strong -fvisibility=hidden)
add_compile_definitions(_GLIBCXX_ASSERTIONS)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  add_compile_options(-fstack-clash-protection -fcf-protection)
  # GCC 12 sees both in code it has inlined from its own <string> and <variant>, falsely:
  # https://gcc.gnu.org/bugzilla/show_bug.cgi?id=105651 and id=105562 (read 2026-11-21). The clang
  # build of `make check` has its own view of the same mistakes.
  add_compile_options(-Wno-restrict -Wno-maybe-uninitialized)
endif()
if(CMAKE_BUILD_TYPE STREQUAL "Release")
  set(CMAKE_CXX_FLAGS_RELEASE "-O2 -DNDEBUG")
  add_compile_options(-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2 -g1)
endif()
add_link_options(-pie -Wl,-z,relro,-z,now)
if(BACKCHANNEL_SANITIZE)
  add_compile_options(-fsanitize=${BACKCHANNEL_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=undefined)
  add_link_options(-fsanitize=${BACKCHANNEL_SANITIZE})
  if(CMAKE_BUILD_TYPE STREQUAL "Debug")
    # Without any optimization RapidJSON's templates make the contract suite take minutes.
    add_compile_options(-O1)
  endif()
  if(BACKCHANNEL_SANITIZE STREQUAL "thread")
    # ThreadSanitizer does not know fences; Asio's queues are locked besides.
    add_compile_definitions(BOOST_ASIO_DISABLE_FENCED_BLOCK)
  endif()
endif()

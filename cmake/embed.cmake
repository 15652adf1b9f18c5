# Compiles text files into the program: embed_text(OUT.cc NAMESPACE FILE...) makes
# `extern const EmbeddedFile kEmbedded[]; extern const std::size_t kEmbeddedCount;` inside NAMESPACE.
set(EMBED_SCRIPT "${CMAKE_CURRENT_LIST_DIR}/embed_script.cmake")
function(embed_text output namespace)
  add_custom_command(OUTPUT "${output}"
    COMMAND "${CMAKE_COMMAND}" -DOUTPUT=${output} -DNAMESPACE=${namespace} "-DFILES=${ARGN}" -P "${EMBED_SCRIPT}"
    DEPENDS ${ARGN} "${EMBED_SCRIPT}" VERBATIM)
endfunction()

gateway_fuzz(media_type SOURCES media_type_fuzz.cc CORPUS tests/fuzz/corpus/media_type
  LINK gateway_domain)

gateway_fuzz(multipart SOURCES multipart_fuzz.cc CORPUS tests/fuzz/corpus/multipart
  LINK connector_sdk)
